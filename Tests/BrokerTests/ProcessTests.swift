import Base
import Glibc
import Model
import NIOCore
import TestSupport
import Testing
import Wire

@testable import Broker

/// The program as a user runs it.
@Suite(.serialized)
struct ProcessTests {
  @Test(
    "SIGTERM stops in order: exit code 0, a clean mark, and the next start finds everything",
    arguments: [SIGTERM, SIGINT, SIGHUP])
  func orderlyStop(signal: Int32) throws {
    try withDirectory { directory in
      let first = try BrokerProcess.start(in: directory)
      let client = try TestClient(port: first.port)
      try client.createTopic("t")
      _ = try client.produce(Batches.of(["a", "b"]), to: "t")
      let code = try first.end(by: signal)
      let log = try first.logText()
      #expect(code == 0, "\(log)")
      #expect(try directoryNames("\(directory)/data").contains(".kafka_cleanshutdown"))
      let second = try BrokerProcess.start(in: directory)
      #expect(try Batches.values(in: TestClient(port: second.port).fetch("t", from: 0).records).map(\.1) == ["a", "b"])
      #expect(try second.end(by: SIGTERM) == 0)
    }
  }

  @Test("SIGHUP is ignored where nohup has it ignored")
  func ignoredHangup() throws {
    try withDirectory { directory in
      signal(SIGHUP, SIG_IGN)
      defer { signal(SIGHUP, SIG_DFL) }
      let broker = try BrokerProcess.start(in: directory, inheritsHangup: true)
      #expect(Glibc.kill(broker.pid, SIGHUP) == 0)
      try TestClient(port: broker.port).createTopic("t")
      #expect(try broker.end(by: SIGTERM) == 0)
      #expect(try broker.logText().contains("SIGTERM"))
    }
  }

  @Test("kill -9 under load: every acknowledged record is there once, in order", arguments: [UInt64(1), 2, 3])
  func kill(seed: UInt64) throws {
    try withDirectory { directory in
      var random = SplitMix(seed: seed)
      var load = IdempotentLoad()
      for round in 0..<4 {
        let broker = try BrokerProcess.start(in: directory, ["log.segment.bytes": "100000"].map { "\($0)=\($1)" })
        let client = try TestClient(port: broker.port)
        if round == 0 { try client.createTopic("t") }
        try load.run(client, batches: Int(random.next() % 200) + 20)
        // Requests are on their way, some answered, some not.
        #expect(try broker.end(by: SIGKILL) == -SIGKILL)
        load.acknowledged = max(load.acknowledged, load.drain(client))
      }
      let broker = try BrokerProcess.start(in: directory)
      let client = try TestClient(port: broker.port)
      try load.run(client, batches: 10)
      while load.drainOne(client) {}
      var values: [String] = []
      while true {
        let found = try Batches.values(in: client.fetch("t", from: Offset(Int64(values.count))).records)
        if found.isEmpty { break }
        values += found.filter { $0.0 >= Offset(Int64(values.count)) }.map(\.1)
      }
      #expect(values.count >= load.acknowledged, "seed \(seed)")
      #expect(values == (0..<values.count).map { "value-\($0)" }, "seed \(seed)")
      #expect(try broker.end(by: SIGTERM) == 0)
    }
  }

  @Test("what cannot be started says why and exits with 1; a senseless command line with 2")
  func failures() throws {
    try withDirectory { directory in
      let failure = #expect(throws: BrokerProcess.Failure.self) {
        try BrokerProcess.start(in: directory, ["num.network.threads=none"])
      }
      #expect(failure?.message.hasPrefix("the broker ended with 1: ") == true)
      #expect(failure?.message.contains("num.network.threads") == true)
    }
    for limit in [12, 24] {
      try withDirectory { directory in
        let failure = #expect(throws: BrokerProcess.Failure.self) {
          try BrokerProcess.start(in: directory, descriptorsMax: (soft: limit, hard: limit))
        }
        #expect(failure?.message.hasPrefix("the broker ended with 1: ") == true, "\(failure?.message ?? "")")
        #expect(failure?.message.contains("may have \(limit) files and sockets open (ulimit -n)") == true)
      }
    }
    #expect(BrokerArguments.parse(["--override"]) == .invalid("--override needs key=value"))
    #expect(BrokerArguments.parse([]) == .invalid("missing argument: path of server.properties"))
    #expect(
      BrokerArguments.parse(["a.properties", "--override", "a=b", "--override=c=d"])
        == .run(path: "a.properties", overrides: ["a=b", "c=d"]))
  }
}

/// Starts that are refused for want of descriptors.
@Suite(.serialized)
struct DescriptorTests {
  @Test(
    "more partitions than descriptors: one sentence and exit code 1, whatever the limit is; then everything is there")
  func partitions() throws {
    try withDirectory { directory in
      let first = try BrokerProcess.start(in: directory)
      let client = try TestClient(port: first.port)
      try client.createTopic("t", partitions: 200)
      for partition: Int32 in [0, 199] { _ = try client.produce(Batches.of(["a"]), to: "t", partition) }
      #expect(try first.end(by: SIGTERM) == 0)
      for limit in stride(from: 40, through: 220, by: 30) {
        let failure = #expect(throws: BrokerProcess.Failure.self) {
          try BrokerProcess.start(in: directory, descriptorsMax: (soft: limit, hard: limit))
        }
        let message = failure?.message ?? ""
        #expect(message.hasPrefix("the broker ended with 1: "), "\(limit): \(message)")
        #expect(message.contains("Too many open files"), "\(limit): \(message)")
      }
      let again = try BrokerProcess.start(in: directory)
      for partition: Int32 in [0, 199] {
        #expect(try Batches.values(in: TestClient(port: again.port).fetch("t", partition, from: 0).records).count == 1)
      }
      #expect(try again.end(by: SIGTERM) == 0)
    }
  }
}

/// A producer as librdkafka is one: idempotent, five requests in flight, sending again from the first that was not
/// acknowledged when the broker comes back.
private struct IdempotentLoad {
  var producerID: Int64 = -1
  /// Records known to be in the log: what comes next begins here.
  var acknowledged = 0
  private var inFlight: [(id: Int32, end: Int)] = []
  private static let recordsPerBatch = 3, requestsInFlight = 5

  mutating func run(_ client: TestClient, batches: Int) throws {
    if producerID < 0 { producerID = try client.ask(InitProducerIdRequest(), version: 4).producerID }
    inFlight = []
    var next = acknowledged
    for _ in 0..<batches {
      let values = (next..<next + Self.recordsPerBatch).map { "value-\($0)" }
      let batch = try Batches.of(values, producerID: producerID, epoch: 0, sequence: Int32(next))
      next += Self.recordsPerBatch
      let id = try client.send(ProduceRequest.producing(batch, to: "t", 0, acks: 1), version: 9)
      inFlight.append((id, next))
      if inFlight.count == Self.requestsInFlight { #expect(drainOne(client)) }
    }
  }

  /// Takes one answer; false when there is none to come.
  mutating func drainOne(_ client: TestClient) -> Bool {
    guard let (id, end) = inFlight.first else { return false }
    guard let frame = try? client.receiveFrame(), let answer = Self.answer(frame, id) else { return false }
    inFlight.removeFirst()
    #expect(answer.errorCode == .none)
    acknowledged = end
    return true
  }

  mutating func drain(_ client: TestClient) -> Int {
    while drainOne(client) {}
    return acknowledged
  }

  private static func answer(_ frame: ByteBuffer, _ id: Int32) -> ProduceResponse.Partition? {
    var frame = frame
    guard let header = try? ResponseHeader(reading: &frame, version: 1), header.correlationID == id else { return nil }
    return (try? ProduceResponse(reading: &frame, version: 9))?.responses.first?.partitionResponses.first
  }
}
