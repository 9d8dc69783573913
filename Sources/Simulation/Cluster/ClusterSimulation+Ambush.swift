import Base
import Cluster
import Model
import NIOCore
import NIOEmbedded

/// Faults that wait for their moment. Drawn at random, two faults seldom fall into the milliseconds in which a second one could undo what a
/// protocol has just promised; these come exactly then.
extension ClusterSimulation {
  /// Begins an ambush where the cluster is whole, and otherwise tries again a while later.
  func lay(_ ambush: ClusterScenario.Ambush) {
    guard !isHealing, !isOver else { return }
    let isLaid =
      switch ambush {
      case .nextLeader: killTwoLeaders()
      case .newcomer: killAllButNewcomer()
      case .lossBehindTheController: loseDiskBehindController()
      }
    if isLaid {
      counts.faults["ambush \(ambush.rawValue)", default: 0] += 1
    } else {
      after(milliseconds: 200) { [self] in lay(ambush) }
    }
  }

  private struct Cast {
    var partition: TopicPartition
    var leader, first, second: ClusterNode
  }

  /// The settled nodes' roles in a partition of a safe topic whose replicas are all in sync: its leader, and the others in the order in
  /// which they are elected.
  private func casts() -> [Cast] {
    guard nodes.allSatisfy(isSettled) else { return [] }
    return scenario.topics.filter(\.isSafe).flatMap { topic in
      (0..<topic.partitions).compactMap { number -> Cast? in
        let partition = TopicPartition(topic.name, number)
        guard let state = tree.state(of: partition), state.inSyncReplicas.count == nodes.count,
          let leader = nodes.first(where: { $0.id == state.leader })
        else { return nil }
        let others = tree.replicas(of: partition).compactMap { id in nodes.first { $0.id == id && $0 !== leader } }
        guard others.count == 2 else { return nil }
        return Cast(partition: partition, leader: leader, first: others[0], second: others[1])
      }
    }
  }

  /// Kills a leader, keeps its followers apart, and kills the next leader when it is elected, before the other follower has fetched from it.
  private func killTwoLeaders() -> Bool {
    let casts = casts().filter { mayGo($0.leader) && mayGo($0.first) && tree.controller == $0.second.id }
    guard !casts.isEmpty else { return false }
    let cast = random.pick(casts)
    trace.note("ambush: leader \(cast.leader.id) of \(cast.partition), and \(cast.first.id) when it leads")
    block(cast.first.host.name, cast.second.host.name, milliseconds: 12_000)
    cast.leader.crash(.process)
    watch(milliseconds: 10_000, for: { self.tree.state(of: cast.partition)?.leader == cast.first.id }) {
      self.after(milliseconds: 30 + self.random.below(100)) { cast.first.crash(.process) }
    }
    return true
  }

  /// Kills a follower, and when it has come back into the ISR, both others.
  private func killAllButNewcomer() -> Bool {
    let casts = casts().filter { cast in nodes.allSatisfy { mayGo($0) } && tree.controller != cast.second.id }
    guard !casts.isEmpty else { return false }
    let cast = random.pick(casts)
    let newcomer = cast.second
    trace.note("ambush: all but \(newcomer.id) when it comes back into the ISR of \(cast.partition)")
    newcomer.crash(.process)
    let isInSync = { self.tree.state(of: cast.partition)?.inSyncReplicas.contains(newcomer.id) ?? true }
    watch(milliseconds: 15_000, for: { !isInSync() }) {
      // What it has to catch up takes a while.
      self.network.slow(cast.leader.host.name, newcomer.host.name, delayMicrosecondsMax: 300_000)
      self.watch(milliseconds: 15_000, for: isInSync) {
        self.network.slow(cast.leader.host.name, newcomer.host.name, delayMicrosecondsMax: nil)
        for node in self.nodes where node !== newcomer && node.phase == .running { node.crash(.process) }
      }
    }
    return true
  }

  /// Takes power from a follower, and kills the controller before it can know: the follower is back, without records it has
  /// acknowledged, when another controller begins.
  private func loseDiskBehindController() -> Bool {
    let casts = casts().filter { cast in
      mayLoseDisk(cast.first) && tree.controller == cast.leader.id && mayGo(cast.leader)
    }
    guard !casts.isEmpty else { return false }
    let cast = random.pick(casts)
    trace.note("ambush: \(cast.first.id) loses power, and controller \(cast.leader.id) is killed before it knows")
    damaged = cast.first
    cast.first.crash(.power)
    after(milliseconds: 50 + random.below(600)) { cast.leader.crash(.process) }
    return true
  }

  private func watch(milliseconds left: Int, for holds: @escaping () -> Bool, then: @escaping () -> Void) {
    guard !isHealing, !isOver, left > 0 else { return }
    if holds() { return then() }
    after(milliseconds: 5) { [self] in watch(milliseconds: left - 5, for: holds, then: then) }
  }
}
