/// The nodes themselves: what a journal adds up to. Pure: no clock, no file, no lock; `EmbeddedTree` owns one.
///
/// A change comes in two steps, because it must be on disk before anyone sees it: `perform` does a whole transaction and
/// returns it as it is to be written, with what undoes it; `undo` takes it back when writing fails.
struct ZNodeState {
  struct Node: Equatable {
    var data: [UInt8]
    var czxid: Int64, mzxid: Int64, pzxid: Int64
    var ctime: Int64, mtime: Int64
    var version: Int32
    /// Children created so far: the next sequential name. ZooKeeper counts so too.
    var creations: Int32
    var ephemeralOwner: Int64
    var children: Set<String> = []

    var stat: ZNodeStat {
      // As ZooKeeper shows it: each child that is gone was created and deleted.
      ZNodeStat(
        czxid: czxid, mzxid: mzxid, pzxid: pzxid, ctime: ctime, mtime: mtime, version: version,
        cversion: creations &* 2 &- Int32(truncatingIfNeeded: children.count), ephemeralOwner: ephemeralOwner,
        dataLength: data.count, numChildren: children.count)
    }
  }

  /// Takes back one step of a transaction.
  fileprivate enum Undo {
    case create(path: String, parentPzxid: Int64)
    case set(path: String, old: Node)
    case delete(path: String, old: Node, parentPzxid: Int64)
  }

  /// A transaction that has been done in memory.
  struct Performed {
    /// The transaction to be written: names are final and versions were checked.
    var transaction: ZNodeTransaction
    var results: [ZNodeResult]
    var events: [ZNodeEvent]
    fileprivate var undo: [Undo]
  }

  private(set) var nodes: [String: Node]
  private(set) var lastZxid: Int64 = 0

  /// The root alone.
  init() {
    nodes = [
      "/": Node(
        data: [], czxid: 0, mzxid: 0, pzxid: 0, ctime: 0, mtime: 0, version: 0, creations: 0, ephemeralOwner: 0)
    ]
  }

  func node(_ path: String) throws(ZNodeError) -> Node {
    if let problem = ZNodePath.problem(with: path) { throw ZNodeError(.badArguments, path, detail: problem) }
    guard let node = nodes[path] else { throw ZNodeError(.noNode, path) }
    return node
  }

  func children(of path: String) throws(ZNodeError) -> [String] { try node(path).children.sorted() }

  // MARK: Changes

  /// Does all of `operations`, or nothing.
  mutating func perform(_ operations: [ZNodeOperation], session: Int64, timeMs: Int64) throws(ZNodeError) -> Performed {
    guard operations.count <= ZNodeLimits.operations else {
      throw ZNodeError(.badArguments, "", detail: "at most \(ZNodeLimits.operations) operations at once")
    }
    let zxid = lastZxid + 1
    var performed = Performed(
      transaction: ZNodeTransaction(zxid: zxid, timeMs: timeMs, changes: []), results: [], events: [], undo: [])
    for (index, operation) in operations.enumerated() {
      do {
        let result = try step(operation, session: session, in: &performed)
        performed.results.append(result)
      } catch {
        undo(performed)
        throw ZNodeError(error.code, error.path, operation: index, detail: error.detail)
      }
    }
    lastZxid = zxid
    return performed
  }

  /// Takes a performed transaction back: nothing else may have been performed since.
  mutating func undo(_ performed: Performed) {
    lastZxid = performed.transaction.zxid - 1
    for step in performed.undo.reversed() {
      switch step {
      case .create(let path, let parentPzxid):
        let parent = ZNodePath.parent(of: path)
        nodes[path] = nil
        nodes[parent]?.children.remove(ZNodePath.name(of: path))
        nodes[parent]?.creations -= 1
        nodes[parent]?.pzxid = parentPzxid
      case .set(let path, let old): nodes[path] = old
      case .delete(let path, let old, let parentPzxid):
        let parent = ZNodePath.parent(of: path)
        nodes[path] = old
        nodes[parent]?.children.insert(ZNodePath.name(of: path))
        nodes[parent]?.pzxid = parentPzxid
      }
    }
  }

  /// Does a transaction read from the journal: its checks held when it was written.
  ///
  /// - Throws: when it does not fit the nodes there are, so the journal is not one of this tree.
  mutating func replay(_ transaction: ZNodeTransaction) throws(ZNodeError) {
    guard transaction.zxid == lastZxid + 1 else {
      throw ZNodeError(.disk, "", detail: "change \(transaction.zxid) follows change \(lastZxid)")
    }
    var performed = Performed(transaction: transaction, results: [], events: [], undo: [])
    for change in transaction.changes {
      switch change {
      case .create(let path, let data, let owner): try create(path, data, owner: owner, in: &performed)
      case .set(let path, let data): try set(path, data, version: nil, in: &performed)
      case .delete(let path): try delete(path, version: nil, in: &performed)
      }
    }
    lastZxid = transaction.zxid
  }

  /// Puts a node of a snapshot in place; parents come before their children.
  mutating func restore(_ path: String, _ node: Node) throws(ZNodeError) {
    if path != "/" {
      let parent = ZNodePath.parent(of: path)
      guard nodes[parent] != nil, nodes[path] == nil else { throw ZNodeError(.disk, path, detail: "a misplaced node") }
      nodes[parent]?.children.insert(ZNodePath.name(of: path))
    }
    nodes[path] = node
  }

  mutating func restored(upTo zxid: Int64) { lastZxid = zxid }

  /// The nodes that end with the sessions before this one, children first.
  var ephemerals: [String] {
    nodes.filter { $0.value.ephemeralOwner != 0 }.map(\.key).sorted(by: >)
  }

  /// The nodes that end with this session, sorted.
  func ephemerals(of session: Int64) -> [String] {
    nodes.filter { $0.value.ephemeralOwner == session }.map(\.key).sorted()
  }

  // MARK: One operation

  private mutating func step(
    _ operation: ZNodeOperation, session: Int64, in performed: inout Performed
  ) throws(ZNodeError) -> ZNodeResult {
    if let problem = ZNodePath.problem(with: operation.path) {
      throw ZNodeError(.badArguments, operation.path, detail: problem)
    }
    switch operation {
    case .create(var path, let data, let mode):
      if mode.isSequential {
        guard let parent = nodes[ZNodePath.parent(of: path)] else { throw ZNodeError(.noNode, path) }
        path += Self.tenDigits(parent.creations)
      }
      let owner = mode.isEphemeral ? session : 0
      try create(path, data, owner: owner, in: &performed)
      performed.transaction.changes.append(.create(path: path, data: data, ephemeralOwner: owner))
      return .created(path: path, stat: try node(path).stat)
    case .set(let path, let data, let version):
      try set(path, data, version: version, in: &performed)
      performed.transaction.changes.append(.set(path: path, data: data))
      return .set(try node(path).stat)
    case .delete(let path, let version):
      try delete(path, version: version, in: &performed)
      performed.transaction.changes.append(.delete(path: path))
      return .deleted
    case .check(let path, let version):
      guard let node = nodes[path] else { throw ZNodeError(.noNode, path) }
      try Self.check(version, of: node, path)
      return .checked
    }
  }

  private mutating func create(
    _ path: String, _ data: [UInt8], owner: Int64, in performed: inout Performed
  ) throws(ZNodeError) {
    try Self.check(data, path)
    let parentPath = ZNodePath.parent(of: path)
    guard nodes[path] == nil else { throw ZNodeError(.nodeExists, path) }
    guard let parent = nodes[parentPath] else { throw ZNodeError(.noNode, path) }
    guard parent.ephemeralOwner == 0 else { throw ZNodeError(.noChildrenForEphemerals, path) }
    let (zxid, timeMs) = (performed.transaction.zxid, performed.transaction.timeMs)
    performed.undo.append(.create(path: path, parentPzxid: parent.pzxid))
    nodes[path] = Node(
      data: data, czxid: zxid, mzxid: zxid, pzxid: zxid, ctime: timeMs, mtime: timeMs, version: 0, creations: 0,
      ephemeralOwner: owner)
    touch(parentPath, zxid) { parent in
      parent.children.insert(ZNodePath.name(of: path))
      parent.creations += 1
    }
    performed.events.append(ZNodeEvent(kind: .created, path: path))
    performed.events.append(ZNodeEvent(kind: .childrenChanged, path: parentPath))
  }

  private mutating func set(
    _ path: String, _ data: [UInt8], version: Int32?, in performed: inout Performed
  ) throws(ZNodeError) {
    try Self.check(data, path)
    guard var node = nodes[path] else { throw ZNodeError(.noNode, path) }
    try Self.check(version, of: node, path)
    performed.undo.append(.set(path: path, old: node))
    node.data = data
    node.mzxid = performed.transaction.zxid
    node.mtime = performed.transaction.timeMs
    node.version &+= 1
    nodes[path] = node
    performed.events.append(ZNodeEvent(kind: .dataChanged, path: path))
  }

  private mutating func delete(
    _ path: String, version: Int32?, in performed: inout Performed
  ) throws(ZNodeError) {
    guard path != "/" else { throw ZNodeError(.badArguments, path, detail: "the root stays") }
    guard let node = nodes[path] else { throw ZNodeError(.noNode, path) }
    try Self.check(version, of: node, path)
    guard node.children.isEmpty else { throw ZNodeError(.notEmpty, path) }
    let parentPath = ZNodePath.parent(of: path)
    performed.undo.append(.delete(path: path, old: node, parentPzxid: nodes[parentPath]?.pzxid ?? 0))
    nodes[path] = nil
    touch(parentPath, performed.transaction.zxid) { $0.children.remove(ZNodePath.name(of: path)) }
    performed.events.append(ZNodeEvent(kind: .deleted, path: path))
    performed.events.append(ZNodeEvent(kind: .childrenChanged, path: parentPath))
  }

  private mutating func touch(_ parent: String, _ zxid: Int64, _ change: (inout Node) -> Void) {
    guard let index = nodes.index(forKey: parent) else { preconditionFailure("\(parent) is a parent and is not there") }
    change(&nodes.values[index])
    nodes.values[index].pzxid = zxid
  }

  private static func check(_ data: [UInt8], _ path: String) throws(ZNodeError) {
    guard data.count <= ZNodeLimits.dataBytes else {
      throw ZNodeError(.badArguments, path, detail: "data has at most \(ZNodeLimits.dataBytes) bytes")
    }
  }

  private static func check(_ version: Int32?, of node: Node, _ path: String) throws(ZNodeError) {
    guard let version, version != node.version else { return }
    throw ZNodeError(.badVersion, path, detail: "expected \(version), is \(node.version)")
  }

  private static func tenDigits(_ number: Int32) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 10 - digits.utf8.count)) + digits
  }
}

/// One change of the tree as it is written: a step of a `multi`, with its final name.
struct ZNodeTransaction: Equatable {
  enum Change: Equatable {
    case create(path: String, data: [UInt8], ephemeralOwner: Int64)
    case set(path: String, data: [UInt8])
    case delete(path: String)
  }
  var zxid: Int64
  var timeMs: Int64
  var changes: [Change]
}
