import Base
import Glibc
import Model
import NIOCore
import Storage
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Broker

/// The metrics listener of a broker that serves.
@Suite("The metrics listener")
struct MetricsEndpointTests {
  private static let listening = TestBroker.metricsListener

  private func scrape(_ broker: TestBroker) throws -> Samples {
    // A scrape is given to all who ask within a second.
    usleep(UInt32(Limits.scrapeSpacingMs) * 1000 + 50_000)
    return try broker.scrape()
  }

  @Test("counts what a producer and a consumer have done, to the byte")
  func traffic() throws {
    try withBroker(Self.listening) { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 2)
      let batch = try Batches.of(["a", "bc", "def"])
      for _ in 0..<4 { #expect(try client.produce(batch, to: "t", 1).errorCode == .none) }
      let read = try client.fetch("t", 1, from: 0)
      let samples = try scrape(broker)
      #expect(samples["kafka_server_brokertopicmetrics_bytesin_total{topic=\"t\"}"] == Double(4 * batch.readableBytes))
      #expect(samples["kafka_server_brokertopicmetrics_messagesin_total{topic=\"t\"}"] == 12)
      #expect(
        samples["kafka_server_brokertopicmetrics_bytesout_total{topic=\"t\"}"] == Double(read.records.byteCount))
      #expect(samples["kafka_log_log_logendoffset{topic=\"t\",partition=\"1\"}"] == 12)
      #expect(samples["kafka_log_log_size{topic=\"t\",partition=\"1\"}"] == Double(4 * batch.readableBytes))
      #expect(samples["kafka_network_requestmetrics_requests_total{request=\"Produce\"}"] == 4)
      #expect(samples["kafka_network_requestmetrics_requests_total{request=\"Fetch\"}"] == 1)
      #expect(samples["kafka_network_requestmetrics_totaltimems_count{request=\"Produce\"}"] == 4)
      #expect(samples["kafka_network_requestmetrics_totaltimems_bucket{request=\"Produce\",le=\"+Inf\"}"] == 4)
      #expect(try #require(samples["kafka_network_requestmetrics_localtimems_sum{request=\"Produce\"}"]) > 0)
      #expect(samples["kafka_controller_kafkacontroller_activecontrollercount"] == 1)
      #expect(samples["kafka_controller_kafkacontroller_globalpartitioncount"] == 2)
      #expect(samples["kafka_server_replicamanager_leadercount"] == 2)
      #expect(samples["kafka_server_replicamanager_underreplicatedpartitions"] == 0)
      #expect(samples["kafka_server_socket_server_metrics_connection_count"] == 1)
      #expect(try #require(samples["process_open_fds"]) > 3)
      #expect(try #require(samples["process_resident_memory_bytes"]) > 1_000_000)
    }
  }

  @Test("has every metric of the table and no other")
  func complete() throws {
    try withBroker(Self.listening) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.becomeOnlyMember(of: "g")
      let samples = try scrape(broker)
      let table = Metrics.sections.flatMap(\.families)
      for family in table {
        #expect(samples.families[family.name] == family.kind.rawValue, "\(family.name)")
      }
      #expect(samples.families.count == table.count)
    }
  }

  @Test("tells a group's committed offset and its lag")
  func lag() throws {
    try withBroker(Self.listening) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      for _ in 0..<3 { _ = try client.produce(try Batches.of(["a", "b"]), to: "t") }
      _ = try client.committed("g\"1")
      #expect(try client.commit("g\"1", "t", 0, 4) == .none)
      #expect(try client.commit("g\"1", "gone", 0, 9) != .none)
      let samples = try scrape(broker)
      let labels = "{consumergroup=\"g\\\"1\",topic=\"t\",partition=\"0\"}"
      #expect(samples["kafka_consumergroup_current_offset\(labels)"] == 4)
      #expect(samples["kafka_consumergroup_lag\(labels)"] == 2)
      #expect(samples["kafka_coordinator_group_groupmetadatamanager_numgroups"] == 1)
      #expect(samples["millrace_metrics_group_offsets_left_out"] == 0)
    }
  }

  @Test("knows that a fetch waits, and counts what it was sent once, when it comes")
  func waiting() throws {
    try withBroker(Self.listening) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let batch = try Batches.of(["a"])
      _ = try client.produce(batch, to: "t")
      let other = try broker.connect()
      // More bytes than there are: what was read at first is not sent.
      let id = try other.send(
        FetchRequest.from("t", 0, 0, maxWaitMs: 20_000, minBytes: Int32(batch.readableBytes + 1)), version: 12)
      for _ in 0..<10_000 where broker.broker.parkedFetches.current == 0 { usleep(1000) }
      try #require(broker.broker.parkedFetches.current == 1, "the fetch does not wait")
      let before = try scrape(broker)
      #expect(before["kafka_server_delayedoperationpurgatory_numdelayedoperations{delayedOperation=\"Fetch\"}"] == 1)
      #expect(before["kafka_server_delayedoperationpurgatory_purgatorysize{delayedOperation=\"Fetch\"}"] == 1)
      #expect(before["kafka_server_brokertopicmetrics_bytesout_total{topic=\"t\"}"] == 0)
      #expect(before["kafka_network_requestmetrics_requests_total{request=\"Fetch\"}"] == nil)
      _ = try client.produce(batch, to: "t")
      _ = try other.receive(FetchRequest.self, version: 12, correlationID: id)
      let after = try scrape(broker)
      #expect(
        after["kafka_server_brokertopicmetrics_bytesout_total{topic=\"t\"}"] == Double(2 * batch.readableBytes))
      #expect(after["kafka_network_requestmetrics_requests_total{request=\"Fetch\"}"] == 1)
      #expect(try #require(after["kafka_network_requestmetrics_remotetimems_sum{request=\"Fetch\"}"]) >= 1000)
    }
  }

  @Test("answers health and readiness, HEAD, and what it does not know")
  func paths() throws {
    try withBroker(Self.listening) { broker in
      let client = try MetricsClient(port: broker.running.metricsPort)
      #expect(try client.get("/healthz").status == 200)
      #expect(try client.get("/readyz").body == "ready\n")
      #expect(try client.get("/metrics?x=1").status == 200)
      #expect(try client.get("/metrics", method: "HEAD").body.isEmpty)
      #expect(try client.get("/other").status == 404)
      #expect(try client.get("/metrics", method: "DELETE").status == 405)
      // Pipelined, in order.
      client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /other HTTP/1.1\r\nhost: x\r\n\r\n")
      #expect(try client.receive().body.hasPrefix("ok\n"))
    }
  }

  @Test("closes what is too large or no HTTP, and admits few at a time; the broker serves on")
  func hostile() throws {
    try withBroker(Self.listening) { broker in
      let large = try MetricsClient(port: broker.running.metricsPort)
      large.send("GET /metrics HTTP/1.1\r\nx: \(String(repeating: "y", count: 20_000))\r\n")
      #expect(large.isClosed())
      let body = try MetricsClient(port: broker.running.metricsPort)
      body.send("POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
      body.send(String(repeating: "z", count: 20_000))
      #expect(body.isClosed())
      for text in ["\0\0\0\u{10}\0\u{12}\0\u{3}", "GET\r\n\r\n", "nonsense nonsense nonsense\r\n\r\n"] {
        let client = try MetricsClient(port: broker.running.metricsPort)
        client.send(text)
        client.send("\r\n\r\n")
        #expect(client.isClosed(), "\(text)")
      }
      var open: [MetricsClient] = []
      for _ in 0..<Limits.metricsConnections {
        open.append(try MetricsClient(port: broker.running.metricsPort))
        #expect(try open[open.count - 1].get("/healthz").status == 200)
      }
      #expect(try MetricsClient(port: broker.running.metricsPort).isClosed())
      let client = try broker.connect()
      try client.createTopic("t")
      #expect(try open[0].get("/readyz").status == 200)
    }
  }

  @Test("keeps a counter of a deleted partition's topic from falling, until the topic is gone")
  func deletion() throws {
    let past = PastTraffic()
    var traffic = Traffic()
    traffic.appended(bytes: 100, from: 3, to: 5)
    past.add(traffic, of: "t")
    past.add(traffic, of: "t")
    #expect(past.all["t"]?.bytesIn == 200 && past.all["t"]?.messagesIn == 4)
    past.add(traffic, of: "u")
    past.forget { $0 == "u" }
    #expect(past.all["t"] == nil && past.all["u"]?.bytesIn == 100)
    past.forget { _ in false }
    #expect(past.all.isEmpty)
    try withBroker(Self.listening) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(try Batches.of(["a"]), to: "t")
      _ = try client.ask(DeleteTopicsRequest.with { $0.topicNames = ["t"] }, version: 5)
      #expect(try scrape(broker)["kafka_server_brokertopicmetrics_bytesin_total{topic=\"t\"}"] == nil)
    }
  }

  @Test("that cannot be bound keeps the broker from starting, and holds nothing")
  func taken() throws {
    try withBroker(Self.listening) { broker in
      let port = try #require(broker.running.metricsPort)
      try withDirectory { directory in
        let error = #expect(throws: ListenError.self) {
          try TestBroker.start(in: directory, ["millrace.metrics.listener": "127.0.0.1:\(port)"])
        }
        #expect(error?.description.contains("listener METRICS cannot listen on 127.0.0.1:\(port)") == true)
        try TestBroker.start(in: directory).running.stop()
      }
    }
    let bad = #expect(throws: ConfigError.self) { try Config(overrides: ["millrace.metrics.listener": "9404"]) }
    #expect(bad?.problems == ["millrace.metrics.listener: 9404 is not host:port"])
  }

  @Test("is not there unless it is asked for, and then nothing is counted")
  func absent() throws {
    try withBroker { broker in
      #expect(broker.running.metricsPort == nil)
      let client = try broker.connect()
      try client.createTopic("t")
      let meters = try broker.running.server.meters().wait()
      #expect(meters.allSatisfy { $0.snapshot.figures.isEmpty })
    }
  }
}

/// Requests as lines of JSON.
@Suite("The request log")
struct RequestLogTests {
  private func lines(_ broker: TestBroker, count: Int) -> [JSON] {
    for _ in 0..<2000 where broker.running.requestLog.lines.count < count { usleep(1000) }
    return broker.running.requestLog.lines.compactMap { try? JSON(Array($0.utf8)) }
  }

  @Test("has a line for each request, with its client, sizes and times, in the order of the responses")
  func every() throws {
    try withBroker(["millrace.request.log.enable": "true"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let batch = try Batches.of(["a"])
      let sent = 5
      for _ in 0..<sent { _ = try client.produce(batch, to: "t") }
      let lines = lines(broker, count: sent + 1)
      let produced = lines.filter { $0["request"]?.asString == "Produce" }
      #expect(produced.count == sent)
      let line = try #require(produced.first)
      #expect(line["client_id"]?.asString == "test" && line["listener"]?.asString == "PLAINTEXT")
      #expect(line["client"]?.asString?.hasPrefix("127.0.0.1:") == true)
      #expect(try #require(line["request_bytes"]?.asInt) > Int64(batch.readableBytes))
      #expect(try #require(line["response_bytes"]?.asInt) > 20)
      let parts = try ["queue_us", "local_us", "remote_us", "send_us"].map { try #require(line[$0]?.asInt) }
      // Each is cut to whole microseconds.
      #expect((0...4).contains(try #require(line["total_us"]?.asInt) - parts.reduce(0, +)), "\(line)")
      #expect(line["slow"] == nil)
    }
  }

  @Test("of slow requests has those that took long, and none that waited because they wanted to")
  func slow() throws {
    try withBroker(["millrace.slow.request.log.ms": "100"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      // Waits for records, which is no slowness.
      _ = try client.ask(FetchRequest.from("t", 0, 0, maxWaitMs: 300, minBytes: 1), version: 12)
      #expect(broker.running.requestLog.lines.isEmpty)
      let other = try broker.connect()
      try broker.blocking(.control) {
        _ = try other.send(DeleteTopicsRequest.with { $0.topicNames = ["t"] }, version: 5)
        usleep(200_000)
      }
      let found = lines(broker, count: 1)
      #expect(found.contains { $0["request"]?.asString == "DeleteTopics" && $0["slow"] == .bool(true) }, "\(found)")
      #expect(!found.contains { $0["request"]?.asString == "Fetch" })
    }
  }

  @Test("drops and counts lines that nobody takes, and goes on when somebody does")
  func dropping() throws {
    let offload = HeldOffload()
    let written = WrittenLines()
    let config = try Config(overrides: ["millrace.request.log.enable": "true"])
    let made = RequestLog(config, wallMs: { 0 }, offload: offload, write: { written.write($0) })
    let log = try #require(made)
    let head = RequestTimes.Head(.init(bytes: [0, 3, 0, 1, 0, 0, 0, 7]), at: 0, withClientID: true)
    let request = RequestTimes.Ended(
      head, requestBytes: 1, responseBytes: 2, arrived: .uptimeNanoseconds(1), began: .uptimeNanoseconds(1),
      ended: .uptimeNanoseconds(1))
    let peer = RequestLog.Peer(client: "c", listener: "L", principal: "User:ANONYMOUS")
    for _ in 0..<100_000 { log.take(request, from: peer) }
    #expect(log.dropped > 0)
    offload.run()
    #expect(written.lines.count + log.dropped == 100_000)
    #expect(
      written.lines.first?.hasPrefix("{\"time\":\"1970-01-01T00:00:00.000Z\",\"request\":\"Metadata\",\"version\":1,")
        == true)
    log.take(request, from: peer)
    offload.run()
    #expect(written.lines.count + log.dropped == 100_001)
  }
}

/// Runs what was submitted when it is told to.
private final class HeldOffload: Offload {
  private let work = AtomicList()

  func submit(_ lane: OffloadLane, _ work: @escaping @Sendable () -> Void) { self.work.append(work) }
  func parallel(_ count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Void) {
    for index in 0..<count { body(index) }
  }
  func run() { for work in work.takeAll() { work() } }
}

private final class AtomicList: Sendable {
  private let items = Mutex<[@Sendable () -> Void]>([])

  func append(_ item: @escaping @Sendable () -> Void) { items.withLock { $0.append(item) } }
  func takeAll() -> [@Sendable () -> Void] {
    items.withLock { items in
      defer { items = [] }
      return items
    }
  }
}
