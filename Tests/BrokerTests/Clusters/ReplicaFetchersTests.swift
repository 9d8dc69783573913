import Model
import Testing
import Wire

@testable import Broker

@Suite("Several fetchers from a leader", .serialized)
struct ReplicaFetchersTests {
  @Test("partitions are spread over fetchers as Kafka spreads them")
  func numbers() {
    // Java: Math.abs(31 * "t".hashCode() + 0) % 3, where the hash code is 116.
    #expect(ReplicaFetchers.number(of: TopicPartition("t", 0), among: 3) == 3596 % 3)
    #expect(ReplicaFetchers.number(of: TopicPartition("abc", 5), among: 4) == (96_354 * 31 + 5) % 4)
    #expect(ReplicaFetchers.number(of: TopicPartition("t", 7), among: 1) == 0)
    for count in [-1, 0] { #expect(ReplicaFetchers.number(of: TopicPartition("t", 7), among: count) == 0) }
    for partition in [Int32.min, -1, .max] {
      for name in ["", "t", String(repeating: "z", count: 249)] {
        #expect((0..<7).contains(ReplicaFetchers.number(of: TopicPartition(name, partition), among: 7)))
      }
    }
  }

  @Test("records reach every follower with three fetchers, also while their number changes")
  func resize() throws {
    try withCluster(2, ["num.replica.fetchers": "3"]) { cluster in
      try cluster.createTopic("r", partitions: 12, replicas: 2, ["min.insync.replicas": "2"])
      for round in 0..<3 {
        for partition in 0..<12 {
          let leader = try cluster.awaitLeader(of: "r", partition)
          let produced = try cluster.connect(to: leader).produce(
            try Batches.of(["\(round)"]), to: "r", Int32(partition))
          try #require(produced.errorCode == ErrorCode.none, "partition \(partition) in round \(round)")
        }
        var request = IncrementalAlterConfigsRequest()
        request.resources = [
          .with {
            ($0.resourceType, $0.resourceName) = (4, "")
            $0.configs = [
              .with { ($0.name, $0.configOperation, $0.value) = ("num.replica.fetchers", 0, ["1", "5", "2"][round]) }
            ]
          }
        ]
        let answer = try cluster.connect(to: try cluster.controller()).ask(request, version: 1)
        try #require(answer.responses.map(\.errorCode) == [.none])
      }
      for partition in 0..<12 {
        try cluster.waitUntil("partition \(partition) is the same on both") {
          try cluster.brokers.values.allSatisfy { broker in
            broker.broker.image.named("r")?.partition(Int32(partition))?.highWatermark == 3
          } && cluster.inSync("r", partition, at: 1) == [1, 2]
        }
      }
    }
  }
}
