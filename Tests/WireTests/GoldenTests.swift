import Foundation
import NIOCore
import Testing
import Wire

/// Bytes that Apache Kafka's own classes wrote, and the values it wrote them from.
///
/// `MILLRACE_GOLDEN_MESSAGES` names another file of the same form: lines of `{"message", "version", "hex", "value"}`.
@Suite("Golden messages")
struct GoldenTests {
  struct Vector: Decodable, Sendable {
    let message: String
    let version: Int16
    let hex: String
    let value: JSON

    var reproduction: Comment { "\(message) v\(version): \(hex)" }
  }

  static let file =
    ProcessInfo.processInfo.environment["MILLRACE_GOLDEN_MESSAGES"].map { URL(fileURLWithPath: $0) }
    ?? Bundle.module.url(forResource: "Golden/messages", withExtension: "jsonl")!

  static let vectors: [Vector] = {
    guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
    return text.split(whereSeparator: \.isNewline).map { line in
      do {
        return try JSONDecoder().decode(Vector.self, from: Data(line.utf8))
      } catch {
        fatalError("\(file.path): \(error) in \(line.prefix(200))")
      }
    }
  }()

  @Test("Golden messages decode to Kafka's values, field for field, and encode to Kafka's bytes")
  func vectors() throws {
    #expect(!Self.vectors.isEmpty, "no vectors in \(Self.file.path)")
    var checked = 0
    for vector in Self.vectors {
      guard let type = messageTypes[vector.message], type.versions.contains(vector.version) else { continue }
      try check(vector, as: type)
      checked += 1
    }
    #expect(checked > 0)
    print("golden: \(checked) of \(Self.vectors.count) vectors are of messages we have")
  }

  private func check<T: WireVersioned>(_ vector: Vector, as type: T.Type) throws {
    let bytes = try ByteBuffer(plainHexEncodedBytes: vector.hex)
    var rest = bytes
    let value: T
    do throws(WireError) {
      value = try T(reading: &rest, version: vector.version)
    } catch {
      Issue.record("\(error) reading \(vector.reproduction)")
      return
    }
    #expect(rest.readableBytes == 0, vector.reproduction)
    let found = differences(value, vector.value, at: vector.message)
    #expect(found.isEmpty, vector.reproduction)
    #expect(value.written(version: vector.version) == bytes, vector.reproduction)
  }

  @Test("Golden messages that we lack are named")
  func lacking() {
    let lacking = Set(Self.vectors.map(\.message)).filter { messageTypes[$0] == nil }.sorted()
    print("golden: skipped, not of this broker: \(lacking.joined(separator: ", "))")
    #expect(
      lacking.allSatisfy { name in !Self.required.contains { "\($0)Request" == name || "\($0)Response" == name } })
  }

  /// What Kafka's clients need of a broker, and what the brokers of a ZooKeeper-era cluster say to each other.
  static let required = [
    "Produce", "Fetch", "ListOffsets", "Metadata", "LeaderAndIsr", "StopReplica", "UpdateMetadata",
    "ControlledShutdown", "OffsetCommit", "OffsetFetch", "FindCoordinator", "JoinGroup", "Heartbeat", "LeaveGroup",
    "SyncGroup", "DescribeGroups", "ListGroups", "ApiVersions", "CreateTopics", "DeleteTopics", "DeleteRecords",
    "InitProducerId", "OffsetForLeaderEpoch", "AddPartitionsToTxn", "AddOffsetsToTxn", "EndTxn", "WriteTxnMarkers",
    "TxnOffsetCommit", "DescribeConfigs", "AlterConfigs", "AlterReplicaLogDirs", "DescribeLogDirs", "CreatePartitions",
    "DeleteGroups", "ElectLeaders", "IncrementalAlterConfigs", "AlterPartitionReassignments",
    "ListPartitionReassignments", "OffsetDelete", "AlterPartition", "Envelope", "DescribeCluster", "DescribeProducers",
    "DescribeTransactions", "ListTransactions", "AllocateProducerIds", "DescribeTopicPartitions",
  ]

  @Test("Golden vectors cover every message a client or a ZooKeeper-era broker needs, and we have them all")
  func complete() {
    let covered = Set(Self.vectors.map(\.message))
    for api in Self.required {
      for name in ["\(api)Request", "\(api)Response"] {
        #expect(messageTypes[name] != nil, "\(name) is missing from Messages")
        if ProcessInfo.processInfo.environment["MILLRACE_GOLDEN_MESSAGES"] == nil {
          #expect(covered.contains(name), "\(name) has no golden vector")
        }
      }
    }
    #expect(Messages.requests.count >= Self.required.count)
  }
}
