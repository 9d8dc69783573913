import Foundation
import Model
import NIOCore
import TestSupport
import Testing

/// Which partition a record goes to, as the logs tell (S12 of the claims: a producer names only a topic).
@Suite("Scenario: the partitioner", .serialized)
struct PartitionerTests {
  private static let partitions: Int32 = 5

  /// The batches of each partition, from its log.
  private func batches(_ broker: BrokerProcess, _ topic: String) throws -> [[RecordBatch]] {
    try (0..<Self.partitions).map { partition in
      let file = "\(broker.directory)/data/\(topic)-\(partition)/00000000000000000000.log"
      var bytes = ByteBuffer(bytes: try Data(contentsOf: URL(fileURLWithPath: file)))
      var batches: [RecordBatch] = []
      while bytes.readableBytes > 0 {
        let batch = try RecordBatch(viewing: bytes)
        bytes.moveReaderIndex(forwardBy: batch.sizeInBytes)
        batches.append(batch)
      }
      return batches
    }
  }

  private func produce(_ broker: BrokerProcess, _ topic: String, _ flags: [String]) async throws {
    let outcome = try await Programs.load(
      [
        "produce", "--bootstrap-server", broker.address, "--topic", topic, "--partitions", "\(Self.partitions)",
        "--num-records", "2000", "--json", "--quiet",
      ] + flags)
    #expect(outcome.status == 0, "\(outcome.errors)")
  }

  @Test("with a key, the key's murmur2 chooses the partition, so that one key always has one")
  func keyed() async throws {
    try await withBroker { broker in
      try await produce(broker, "keyed", ["--key", "random"])
      var count = 0
      for (partition, batches) in try batches(broker, "keyed").enumerated() {
        #expect(!batches.isEmpty, "2,000 random keys leave no partition empty")
        for record in try batches.flatMap({ try $0.records() }) {
          let key = try #require(record.key)
          let chosen = key.withUnsafeReadableBytes { KeyHash.partition(forKey: $0, of: Self.partitions) }
          #expect(chosen == Int32(partition))
          count += 1
        }
      }
      #expect(count == 2000)
    }
  }

  @Test("few keys have few partitions, each its own, which a reader that checks keys confirms")
  func fewKeys() async throws {
    try await withBroker { broker in
      try await produce(broker, "few", ["--key", "random", "--keys", "3"])
      var partitionsOf: [String: Set<Int>] = [:]
      for (partition, batches) in try batches(broker, "few").enumerated() {
        for record in try batches.flatMap({ try $0.records() }) {
          let key = try #require(record.key)
          partitionsOf[String(buffer: key), default: []].insert(partition)
        }
      }
      #expect(partitionsOf.count == 3 && partitionsOf.values.allSatisfy { $0.count == 1 }, "\(partitionsOf)")
      let read = try await Programs.load([
        "consume", "--bootstrap-server", broker.address, "--topic", "few", "--check-keys", "--json", "--quiet",
      ])
      #expect(try read.json()["misplaced_keys"] as? Int == 0 && read.status == 0, "\(read.output)")
    }
  }

  @Test("round robin gives each partition the next record, and sticky fills one batch after the other")
  func roundRobin() async throws {
    try await withBroker { broker in
      try await produce(broker, "turns", ["--partitioner", "round-robin", "--batch-records", "1000"])
      try await produce(broker, "sticky", ["--partitioner", "sticky", "--batch-records", "1000"])
      func records(_ topic: String) throws -> [Int] {
        try batches(broker, topic).map { $0.reduce(0) { $0 + Int($1.header.count) } }
      }
      #expect(try records("turns") == [400, 400, 400, 400, 400])
      #expect(try records("sticky") == [1000, 1000, 0, 0, 0])
    }
  }

  @Test("without a key batches go round the partitions, one after the other")
  func unkeyed() async throws {
    try await withBroker { broker in
      try await produce(broker, "unkeyed", ["--batch-records", "10"])
      let batches = try batches(broker, "unkeyed")
      #expect(batches.map(\.count) == [40, 40, 40, 40, 40])
      #expect(batches.allSatisfy { $0.allSatisfy { $0.header.count == 10 } })
    }
  }
}
