import Broker
import Cluster
import Model
import NIOCore
import NIOEmbedded

/// Checks that a replica leaves the ISR which cannot follow.
extension ClusterSimulation {
  struct Lag {
    /// The controller, and since when it is that.
    fileprivate var controller: BrokerID?
    fileprivate var controllerSince = NIODeadline.uptimeNanoseconds(0)
    /// Since when a follower has lacked records of a leader that it does not reach.
    fileprivate var lacking: [Follower: NIODeadline] = [:]

    fileprivate struct Follower: Hashable {
      var partition: TopicPartition
      var id: BrokerID
    }
  }

  /// Checks that a follower which lacks records, and has not reached its leader for long, is not in sync, where the leader has reached the
  /// controller. One that lacks nothing may stay, as in Kafka.
  func checkLagging(_ partitions: [TopicPartition]) {
    let lagMs = Int64(scenario.configuration["replica.lag.time.max.ms"] ?? "") ?? 0
    let bound = TimeAmount.milliseconds(2 * lagMs + 4_000)
    let controller = tree.controller
    if controller != lag.controller { (lag.controller, lag.controllerSince) = (controller, now) }
    guard let controller, nodes.allSatisfy({ $0.phase == .running && tree.isRegistered($0.id) }) else {
      lag.lacking = [:]
      return
    }
    for partition in partitions {
      guard let state = tree.state(of: partition), let leader = nodes.first(where: { $0.id == state.leader }) else {
        continue
      }
      for node in nodes where node !== leader {
        let follower = Lag.Follower(partition: partition, id: node.id)
        guard state.inSyncReplicas.contains(node.id), isBlocked(leader, node),
          let end = leader.replica(of: partition)?.logEndOffset, end > node.replica(of: partition)?.logEndOffset ?? end
        else {
          lag.lacking[follower] = nil
          continue
        }
        let since = lag.lacking[follower] ?? now
        lag.lacking[follower] = since
        guard now - since > bound, now - lag.controllerSince > bound, has(leader, reached: controller, for: bound)
        else { continue }
        violation(
          "\(node.id) is in sync for \(partition), and has lacked records and not reached its leader \(leader.id) for \(bound)"
        )
      }
    }
  }

  private func isBlocked(_ one: ClusterNode, _ other: ClusterNode) -> Bool {
    network.isBlocked(one.host.name, other.host.name) || network.isBlocked(other.host.name, one.host.name)
  }

  private func has(_ leader: ClusterNode, reached controller: BrokerID, for time: TimeAmount) -> Bool {
    let (one, other) = (leader.host.name, Self.address(of: controller))
    return now - leader.since > time && network.has(been: false, one, other, for: time)
      && network.has(been: false, other, one, for: time) && nodes.allSatisfy { tree.hasReached($0.id, for: time) }
  }
}
