import Base
import Model
import NIOCore
import NIOEmbedded

/// Has the cluster's controller be replaced while it does not know, and has something to write or to order.
extension ClusterSimulation {
  func strandController() {
    guard let id = tree.controller, let controller = nodes.first(where: { $0.id == id }) else { return }
    let other = random.pick(nodes.filter { $0 !== controller })
    guard let third = nodes.first(where: { $0 !== controller && $0 !== other }), mayGo(other), mayGo(controller) else {
      return
    }
    note(.strandController, controller, other)
    switch random.below(4) {
    case 0: strandWithISR(of: other)
    case 1: strandWithElections(controller, other)
    case 2: strandWithLonelySuccessor(controller, other, third)
    default: strandWithLateOrders(controller, other, third)
    }
  }

  private var lagMs: Int { Int(scenario.configuration["replica.lag.time.max.ms"] ?? "") ?? 0 }

  /// It has an ISR to change, for the node that is gone.
  private func strandWithISR(of other: ClusterNode) {
    other.crash(.process)
    after(milliseconds: lagMs / 2 + random.below(lagMs)) { [self] in
      slowTree()
      tree.deleteController()
    }
  }

  /// It has leaders to elect, and its orders come late.
  private func strandWithElections(_ controller: ClusterNode, _ other: ClusterNode) {
    for node in nodes where node !== controller { cut(controller.host.name, node.host.name, bothWays: true) }
    after(milliseconds: 1 + random.below(1_000)) { [self] in
      tree.expire(other.id, silently: false)
      after(milliseconds: 1 + random.below(2_000)) { [self] in tree.deleteController() }
    }
  }

  /// Its successor reaches nobody, so that the leaders go on asking it to change their ISRs, which the successor has to leave.
  private func strandWithLonelySuccessor(_ controller: ClusterNode, _ successor: ClusterNode, _ third: ClusterNode) {
    for node in [controller, third] { tree.delayMicrosecondsMaxOf[node.id] = 4_000_000 + 2_000 * lagMs }
    for node in [controller, third] {
      block(successor.host.name, node.host.name, milliseconds: 3 * lagMs + 2_000)
    }
    after(milliseconds: 1 + random.below(lagMs)) { [self] in tree.deleteController() }
    after(milliseconds: 2 * lagMs + 4_000) { [self] in
      for node in [controller, third] { tree.delayMicrosecondsMaxOf[node.id] = nil }
    }
  }

  /// It has elected leaders, and its orders come after those of its successor.
  private func strandWithLateOrders(_ controller: ClusterNode, _ successor: ClusterNode, _ third: ClusterNode) {
    let node = random.pick([successor, third])
    network.slow(controller.host.name, node.host.name, delayMicrosecondsMax: 2_500_000)
    tree.delayMicrosecondsMaxOf[controller.id] = 3_000_000
    tree.expire(random.pick([successor, third]).id, silently: false)
    after(milliseconds: 20 + random.below(400)) { [self] in tree.deleteController() }
    after(milliseconds: 4_000) { [self] in
      network.slow(controller.host.name, node.host.name, delayMicrosecondsMax: nil)
      tree.delayMicrosecondsMaxOf[controller.id] = nil
    }
  }

  func block(_ one: String, _ other: String, milliseconds: Int) {
    let ways = [(one, other), (other, one)]
    for way in ways { network.block(way.0, way.1) }
    after(milliseconds: milliseconds) { [self] in
      for way in ways { network.unblock(way.0, way.1) }
    }
  }
}
