import Model
import Testing
import Wire

@testable import Broker

/// What the claims say of partitions that needs no consumer group (S13 of the list).
@Suite("Scenario: partitions on the disk")
struct PartitionScenarioTests {
  private func grow(_ client: TestClient, to count: Int32) throws -> ErrorCode {
    var topic = CreatePartitionsRequest.Topic()
    topic.name = "t"
    topic.count = count
    var request = CreatePartitionsRequest()
    request.topics = [topic]
    return try client.ask(request, version: 2).results[0].errorCode
  }

  private func partitions(_ broker: TestBroker) throws -> [String] {
    try directoryNames("\(broker.directory)/data").filter { $0.hasPrefix("t-") }.sorted()
  }

  @Test("a partition is a directory with a data file and its index")
  func files() throws {
    try withBroker { broker in
      let client = try broker.connect()
      try client.createTopic("t", partitions: 3)
      for partition in Int32(0)..<3 { _ = try client.produce(Batches.of(["a", "b"]), to: "t", partition) }
      #expect(try partitions(broker) == ["t-0", "t-1", "t-2"])
      for partition in 0..<3 {
        let files = try directoryNames("\(broker.directory)/data/t-\(partition)")
        for ending in ["log", "index"] {
          #expect(
            files.filter { $0.hasSuffix(".\(ending)") } == ["00000000000000000000.\(ending)"], "\(partition): \(files)")
        }
      }
    }
  }

  @Test("partitions are added while others are written and read, and none is ever removed")
  func online() throws {
    try withBroker { broker in
      let client = try broker.connect(), writer = try broker.connect()
      try client.createTopic("t", partitions: 1)
      var written: [String] = []
      func write() throws {
        written.append("record \(written.count)")
        let answer = try writer.produce(Batches.of([written[written.count - 1]]), to: "t", 0)
        #expect(answer.errorCode == .none && answer.baseOffset == Offset(Int64(written.count - 1)))
      }
      for count in Int32(2)...5 {
        try write()
        #expect(try grow(client, to: count) == .none)
        try write()
        #expect(try client.produce(Batches.of(["new"]), to: "t", count - 1).baseOffset == 0)
        #expect(try partitions(broker).count == Int(count))
      }
      for count in Int32(0)...5 { #expect(try grow(client, to: count) == .invalidPartitions, "to \(count)") }
      #expect(try partitions(broker) == (0..<5).map { "t-\($0)" })
      let read = try Batches.values(in: client.fetch("t", 0, from: 0).records)
      #expect(read.map(\.1) == written && read.map(\.0) == written.indices.map { Offset(Int64($0)) })
    }
  }
}
