import Glibc
import Model
import Storage
import TestSupport
import Testing
import Wire

@testable import Broker

@Suite("Descriptors of logs")
struct LogDescriptorTests {
  private func creating(_ name: String) -> CreateTopicsRequest {
    var topic = CreateTopicsRequest.Topic()
    (topic.name, topic.numPartitions, topic.replicationFactor) = (name, 1, 1)
    var config = CreateTopicsRequest.Config()
    (config.name, config.value) = ("segment.bytes", "1000")
    topic.configs = [config]
    var request = CreateTopicsRequest()
    request.topics = [topic]
    return request
  }

  @Test("are half of the process's for new logs, and leave some to connections however many segments are rolled")
  func share() throws {
    let config = try Config(overrides: ["log.dirs": "/d", "listeners": "PLAINTEXT://:0", "num.network.threads": "3"])
    for (all, end, most, forNewLog) in [(128, 112, 63, 63), (1024, 976, 895, 512), (64, 56, 15, 15), (30, 27, 1, 1)] {
      let share = DescriptorLimit.forSegments(config, of: all)
      #expect([share.end, share.max, share.maxForNewLog] == [end, most, forNewLog], "of \(all)")
    }
  }

  @Test(
    "a topic beyond them is refused and leaves nothing; segments may roll a little further; deleted logs give them back"
  )
  func bounds() throws {
    let descriptors = SegmentDescriptors(max: 6, maxForNewLog: 4)
    try withBroker(disk: RealDisk(segmentDescriptors: descriptors)) { broker in
      let client = try broker.connect()
      for index in 0..<4 {
        try client.createTopic("t\(index)", ["segment.bytes": "1000", "file.delete.delay.ms": "0"])
      }
      #expect(descriptors.open == 4)
      let refused = try client.ask(creating("more"), version: 7).topics.first
      #expect(refused?.errorCode == .kafkaStorageError)
      #expect(
        refused?.errorMessage
          == "more-0: the logs keep 4 files open, and no further log is made from 4 on, for connections need the other descriptors of the process: raise its limit of open files (ulimit -n), or delete topics"
      )
      #expect(broker.broker.topics.count == 4)
      let batch = try Batches.of([String(repeating: "x", count: 700)])
      let codes = try (0..<5).map { _ in try client.produce(batch, to: "t0").errorCode }
      #expect(codes == [.none, .none, .none, .kafkaStorageError, .kafkaStorageError])
      #expect(broker.lines.all.filter { $0.contains("appends are refused") }.count == 1)
      #expect(try client.fetch("t0", from: 2).errorCode == .none, "what is there can be read")
      var delete = DeleteTopicsRequest()
      delete.topicNames = ["t0"]
      #expect(try client.ask(delete, version: 4).responses.first?.errorCode == ErrorCode.none)
      #expect(descriptors.open == 3)
      #expect(try client.ask(creating("more"), version: 7).topics.first?.errorCode == ErrorCode.none)
    }
  }

  @Test("with more logs than they allow a start warns; with more than they bear it is refused, and says what to raise")
  func start() throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      try first.connect().createTopic("t", partitions: 9)
      first.running.stop()
      let refusal = #expect(throws: StartRefusal.self) {
        try TestBroker.start(
          in: directory, disk: RealDisk(segmentDescriptors: SegmentDescriptors(max: 8, maxForNewLog: 4)))
      }
      #expect(
        refusal?.description
          == "the logs of 9 partitions need more open files than the 8 that the process's limit leaves them, with some for connections (Too many open files): raise the limit of open files (ulimit -n)"
      )
      let second = try TestBroker.start(
        in: directory, disk: RealDisk(segmentDescriptors: SegmentDescriptors(max: 20, maxForNewLog: 9)))
      defer { second.running.stop() }
      let warnings = second.lines.all.filter { $0.hasPrefix("warning") }
      #expect(warnings.count == 1, "\(warnings)")
      for part in [
        "the logs keep so many files open that no further one is made", "\"for new logs\": 9", "\"most\": 20",
        "\"open\": 9",
      ] { #expect(warnings.first?.contains(part) == true, "\(part) is not in \(warnings)") }
    }
  }

  @Test("of 128 that a process has: however many topics clients create, further clients are served")
  func process() throws {
    try withDirectory { directory in
      let broker = try BrokerProcess.start(in: directory, descriptorsMax: (soft: 128, hard: 128))
      let client = try TestClient(port: broker.port)
      let codes = try (0..<96).map { try client.ask(creating("t\($0)"), version: 7).topics[0].errorCode }
      #expect(codes == Array(repeating: .none, count: 63) + Array(repeating: .kafkaStorageError, count: 33))
      let others = try (0..<12).map { _ in try TestClient(port: broker.port) }
      for other in others { #expect(try other.ask(MetadataRequest(), version: 5).topics.count == 63) }
      #expect(try broker.end(by: SIGTERM) == 0)
    }
  }
}
