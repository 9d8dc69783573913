import Foundation
import Glibc
import Model
import Testing

@testable import Cluster

/// What the controller's decisions cost by themselves, without a tree or a network: docs/scale.md reckons with it. Small with every test, so that
/// it does not rot; `BENCH=1` for figures of 200 brokers and a million partitions (release build).
struct ControllerBenchmarks {
  private static let isReal = getenv("BENCH") != nil
  private let brokers: Int32 = isReal ? 200 : 5
  private let topics = isReal ? 1_000 : 10
  private let partitions = isReal ? 1_000 : 20

  private static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Replicas of each partition on three brokers, evenly, as an assignment makes them.
  private func cluster() -> ClusterState {
    var cluster = ClusterState()
    for topic in 0..<topics {
      cluster.topics["topic-\(topic)"] = TopicDescription(
        name: "topic-\(topic)", id: TopicID(high: 1, low: UInt64(topic)),
        partitions: (0..<partitions).map { index in
          let first = Int32((topic + index) % Int(brokers))
          let replicas = (0..<3).map { (first + $0) % brokers + 1 }
          return PartitionDescription(replicas: replicas, leader: replicas[0], leaderEpoch: 0, inSyncReplicas: replicas)
        })
    }
    return cluster
  }

  @Test("a controller of many partitions begins, and elects for a broker that is gone")
  func elections() {
    var controller = Controller(
      id: 1, epoch: 1, epochVersion: 0, cluster: cluster(),
      rules: .init { _ in .init(partitionCountDefault: 1, replicationFactorDefault: 3, deletesTopics: true) })
    /// Carries out all writes at once; returns operations written, partitions told to brokers, and CPU seconds.
    func run(_ event: Controller.Event) -> (writes: Int, told: Int, seconds: Double) {
      let start = Self.now()
      var effects = controller.step(event)
      var (writes, told) = (0, 0)
      while !effects.isEmpty {
        var next: [Controller.Effect] = []
        for effect in effects {
          switch effect {
          case .write(let operations):
            writes += operations.count - 1
            next += controller.step(.writeFinished(created: []))
          case .leaderAndISR(_, let states): told += states.count
          default: break
          }
        }
        effects = next
      }
      return (writes, told, Self.now() - start)
    }
    let alive = (1...brokers).map { LiveBroker(id: $0, epoch: Int64($0)) }
    let began = run(.began(alive, writtenAt: [:]))
    let all = topics * partitions
    #expect(began.writes == 0 && began.told == 3 * all)
    let went = run(.brokerWent(2))
    let hosted = controller.cluster.topics.values.flatMap(\.partitions).count { $0.replicas.contains(2) }
    #expect(went.writes == hosted && hosted == 3 * all / Int(brokers))
    #expect(controller.cluster.topics.values.flatMap(\.partitions).allSatisfy { $0.leader != 2 && $0.leader > 0 })
    guard Self.isReal else { return }
    print(
      """
      \(brokers) brokers, \(all) partitions of 3 replicas: the controller begins in \(began.seconds) s of CPU, \
      elects for a broker that is gone (\(went.writes) partitions) in \(went.seconds) s
      """)
  }
}
