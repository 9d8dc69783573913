import Base
import Cluster
import Model
import NIOCore
import NIOEmbedded

extension ClusterSimulation {
  func cause(_ fault: ClusterScenario.Fault.Kind) {
    let node = random.pick(nodes)
    let other = random.pick(nodes.filter { $0 !== node })
    switch fault {
    case .kill:
      guard node.phase == .running, mayGo(node) else { return }
      note(fault, node)
      node.crash(.process)
    case .powerFailure:
      guard mayLoseDisk(node) else { return }
      note(fault, node)
      damaged = node
      node.crash(.power)
    case .emptyDisk:
      guard mayLoseDisk(node) else { return }
      note(fault, node)
      damaged = node
      node.crash(.emptyDisk)
    case .stop:
      guard node.phase == .running, mayGo(node) else { return }
      note(fault, node)
      node.stop()
    case .cutNodes:
      note(fault, node, other)
      cut(node.host.name, other.host.name, bothWays: true)
    case .cutNodesOneWay:
      note(fault, node, other)
      cut(node.host.name, other.host.name, bothWays: false)
    case .isolate:
      note(fault, node)
      for other in nodes where other !== node { cut(node.host.name, other.host.name, bothWays: true) }
    case .cutTree:
      guard mayGo(node) else { return }
      note(fault, node)
      tree.cut(node.id)
      after(milliseconds: 1 + random.below(random.pick([500, 10_000]))) { [self] in
        trace.note("\(node.name) reaches the tree again")
        tree.mend(node.id)
      }
    case .expireSession:
      guard mayGo(node) else { return }
      note(fault, node)
      tree.expire(node.id, silently: false)
    case .expireSilently:
      guard mayGo(node) else { return }
      note(fault, node)
      tree.expire(node.id, silently: true)
      after(milliseconds: 1 + random.below(random.pick([500, 5_000]))) { [self] in tree.mend(node.id) }
    case .moveController:
      note(fault)
      tree.deleteController()
    case .cutOff:
      guard mayGo(node) else { return }
      note(fault, node)
      for other in nodes where other !== node { cut(node.host.name, other.host.name, bothWays: true) }
      after(milliseconds: 1 + random.below(random.pick([10, 3_000]))) { [self] in tree.cut(node.id) }
      after(milliseconds: 3_000 + random.below(10_000)) { [self] in tree.mend(node.id) }
    case .strandController: strandController()
    case .slowTree: slowTree()
    case .cutClients:
      note(fault, node)
      cut(Self.clients, node.host.name, bothWays: true)
    case .breakConnections:
      note(fault)
      network.cutAll()
    case .slowDisk:
      note(fault, node)
      node.offload.delayMicrosecondsMax = 200_000
      after(milliseconds: 1 + random.below(5_000)) { node.offload.delayMicrosecondsMax = 2_000 }
    case .slowLink:
      note(fault, node, other)
      network.slow(node.host.name, other.host.name, delayMicrosecondsMax: random.pick([50_000, 500_000, 2_000_000]))
      after(milliseconds: 1 + random.below(10_000)) { [self] in
        network.slow(node.host.name, other.host.name, delayMicrosecondsMax: nil)
      }
    case .clock:
      note(fault, node)
      node.clockOffsetMs += Int64(random.below(7_200_000)) - 3_600_000
    }
  }

  func slowTree() {
    note(.slowTree)
    tree.delayMicrosecondsMax = 2_000_000
    after(milliseconds: 1_000 + random.below(4_000)) { [self] in tree.delayMicrosecondsMax = 2_000 }
  }

  func note(_ fault: ClusterScenario.Fault.Kind, _ nodes: ClusterNode...) {
    counts.faults[fault.rawValue, default: 0] += 1
    trace.note("fault: \(fault.rawValue) \(nodes.map { "\($0.id)" }.joined(separator: " "))")
  }

  func cut(_ from: String, _ to: String, bothWays: Bool) {
    network.block(from, to)
    if bothWays { network.block(to, from) }
    after(milliseconds: 1 + random.below(random.pick([1_000, 10_000, 25_000]))) { [self] in
      network.unblock(from, to)
      if bothWays { network.unblock(to, from) }
    }
  }

  /// Whether a node may leave the cluster: not while another has lost records and may not have all of them again, unless the third stays.
  /// A cluster cannot know of a node that registers which records it has lost, where no other one is alive.
  func mayGo(_ node: ClusterNode) -> Bool {
    if let damaged, damaged.phase == .running, hasAll(damaged) { self.damaged = nil }
    guard let damaged, damaged !== node else { return true }
    return nodes.allSatisfy { $0 === node || $0 === damaged || isSettled($0) }
  }

  func isSettled(_ node: ClusterNode) -> Bool {
    node.phase == .running && tree.isRegistered(node.id) && now - node.since > .seconds(3)
  }

  private func hasAll(_ node: ClusterNode) -> Bool {
    isSettled(node)
      && partitions.allSatisfy { partition in
        !tree.replicas(of: partition).contains(node.id)
          || tree.state(of: partition).map { $0.inSyncReplicas.contains(node.id) } ?? false
      }
  }

  /// Whether a node may lose what is not synced, or all of its disk: each partition then has two other living replicas in sync, which lose
  /// nothing until that node has all records again.
  func mayLoseDisk(_ node: ClusterNode) -> Bool {
    nodes.allSatisfy { isSettled($0) && hasAll($0) }
      && partitions.allSatisfy { partition in
        tree.replicas(of: partition).count == nodes.count && tree.state(of: partition).map { $0.leader >= 0 } ?? false
      }
  }
}
