package import Storage

/// A session with a tree of small named values shared by the parts of a cluster, with ZooKeeper's meaning: `EmbeddedTree`
/// keeps one for a single broker.
///
/// Every call blocks until it is done, and no longer than a bounded time; a change is durable when it returns. Calls may
/// come from any thread; changes happen one after another, in the order of their zxids.
///
/// A session sees the event of a watch before it sees the change in what it reads. It ends when it is closed or has expired:
/// its ephemeral nodes are deleted, watches that are still set are never called, and every later call fails with `.closed` or
/// `.sessionExpired`.
package protocol ZNodeTree: AnyObject, Sendable {
  /// Owner of the ephemeral nodes made through this tree.
  var sessionID: Int64 { get }

  /// The node's data. `watch` is called once, when the data next changes or the node is deleted.
  func get(_ path: String, watch: ZNodeWatch?) throws(ZNodeError) -> ZNode

  /// The nodes of `paths`, in their order; nil for one that is not there. Not read at one moment: other sessions' changes can
  /// come in between.
  func get(all paths: [String]) throws(ZNodeError) -> [ZNode?]

  /// nil when there is no such node. `watch` is called once, when the node is next created, changed or deleted.
  func exists(_ path: String, watch: ZNodeWatch?) throws(ZNodeError) -> ZNodeStat?

  /// The names of the node's children, sorted. `watch` is called once, when a child is next created or deleted, or the
  /// node itself is deleted.
  func children(of path: String, watch: ZNodeWatch?) throws(ZNodeError) -> [String]

  /// How many bytes the operations of one `multi` may have together, each counted as `ZNodeOperation.bytes`: one with more is
  /// refused with `.badArguments`.
  var largestMulti: Int { get }

  /// Does all of `operations` in order, or none: the error then names the first that could not be done.
  @discardableResult
  func multi(_ operations: [ZNodeOperation]) throws(ZNodeError) -> [ZNodeResult]

  /// `body` is called once, on any thread, when the session has ended: it has expired, or `close` was called. It is called at
  /// once where the session has ended already.
  func whenSessionEnds(_ body: @escaping @Sendable () -> Void)

  /// Ends the session. A second call does nothing.
  func close()
}

/// Called once, after the change, never while the tree is locked: it may read and change the tree.
package typealias ZNodeWatch = @Sendable (ZNodeEvent) -> Void

package struct ZNodeEvent: Sendable, Hashable {
  package enum Kind: Sendable { case created, dataChanged, deleted, childrenChanged }
  package var kind: Kind
  package var path: String
}

package struct ZNode: Sendable, Equatable {
  package var data: [UInt8]
  package var stat: ZNodeStat
}

/// What ZooKeeper's `stat` shows of a node.
package struct ZNodeStat: Sendable, Equatable {
  /// The change that created the node, that last changed its data, and that last created or deleted a child.
  package var czxid: Int64, mzxid: Int64, pzxid: Int64
  /// Milliseconds since 1970: when it was created, when its data was last changed.
  package var ctime: Int64, mtime: Int64
  /// How often the data was changed, and how often a child was created or deleted.
  package var version: Int32, cversion: Int32
  /// The session whose end deletes the node; 0: persistent.
  package var ephemeralOwner: Int64
  package var dataLength: Int, numChildren: Int
}

package enum ZNodeOperation: Sendable, Equatable {
  /// The parent must be there, and not be ephemeral.
  case create(path: String, data: [UInt8], mode: ZNodeMode = .persistent)
  /// `version` nil: whatever the node's version is.
  case set(path: String, data: [UInt8], version: Int32? = nil)
  /// The node must have no children.
  case delete(path: String, version: Int32? = nil)
  /// Changes nothing; fails unless the node is there with this version.
  case check(path: String, version: Int32)

  package var path: String {
    switch self {
    case .create(let path, _, _), .set(let path, _, _), .delete(let path, _), .check(let path, _): path
    }
  }
}

package enum ZNodeMode: Sendable {
  case persistent, ephemeral
  /// Ten digits, larger for each later one under the same parent, are added to the name.
  case persistentSequential, ephemeralSequential

  package var isEphemeral: Bool { self == .ephemeral || self == .ephemeralSequential }
  package var isSequential: Bool { self == .persistentSequential || self == .ephemeralSequential }
}

package enum ZNodeResult: Sendable, Equatable {
  /// The node was created; `path` is the name it got (a sequential one has its digits). `stat` is nil where a ZooKeeper server
  /// does not tell it: in a multi of several operations.
  case created(path: String, stat: ZNodeStat?)
  case set(ZNodeStat)
  case deleted
  case checked
}

package struct ZNodeError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: Sendable, Equatable {
    case noNode, nodeExists, badVersion, notEmpty, noChildrenForEphemerals
    /// A path or a value ZooKeeper would not take either; the detail says why.
    case badArguments
    /// The journal could not be written, or read. After a failed flush nothing more is written: what is on disk is unknown.
    case disk
    /// `close` was called: this call and every later one fails with it.
    case closed
    /// The server ended the session, because it heard nothing from it for the session's timeout: as `.closed`.
    case sessionExpired
    /// No server was reached, or none answered in time: the changes of a `multi` may or may not have been made.
    case connectionLost
    /// The server does not permit it, for instance for want of a right; the detail has its reason.
    case refused
  }
  package var code: Code
  package var path: String
  /// Which operation of a `multi`, from 0.
  package var operation: Int
  package var detail: String
  /// What the system refused, where it was the disk.
  package var cause: DiskError?

  package init(_ code: Code, _ path: String, operation: Int = 0, detail: String = "", cause: DiskError? = nil) {
    self.code = code
    self.path = path
    self.operation = operation
    self.detail = detail
    self.cause = cause
  }

  package var description: String {
    // What the disk says names the file already.
    if code == .disk, !detail.isEmpty { return detail }
    let what = path.isEmpty ? "\(code)" : "\(code) for \(path)"
    return detail.isEmpty ? what : "\(what): \(detail)"
  }
}

extension ZNodeTree {
  package var largestMulti: Int { .max }

  package func get(_ path: String) throws(ZNodeError) -> ZNode { try get(path, watch: nil) }
  package func exists(_ path: String) throws(ZNodeError) -> ZNodeStat? { try exists(path, watch: nil) }
  package func children(of path: String) throws(ZNodeError) -> [String] { try children(of: path, watch: nil) }

  /// Returns the path as created.
  @discardableResult
  package func create(_ path: String, _ data: [UInt8] = [], mode: ZNodeMode = .persistent) throws(ZNodeError) -> String
  {
    guard case .created(let created, _)? = try multi([.create(path: path, data: data, mode: mode)]).first else {
      preconditionFailure("a create answers with what it created")
    }
    return created
  }

  @discardableResult
  package func set(_ path: String, _ data: [UInt8], version: Int32? = nil) throws(ZNodeError) -> ZNodeStat {
    guard case .set(let stat)? = try multi([.set(path: path, data: data, version: version)]).first else {
      preconditionFailure("a set answers with the node's stat")
    }
    return stat
  }

  package func delete(_ path: String, version: Int32? = nil) throws(ZNodeError) {
    try multi([.delete(path: path, version: version)])
  }

  package func get(all paths: [String]) throws(ZNodeError) -> [ZNode?] {
    var nodes: [ZNode?] = []
    nodes.reserveCapacity(paths.count)
    for path in paths { nodes.append(try find(path)) }
    return nodes
  }

  /// The node's data, or nil when there is no such node.
  package func find(_ path: String) throws(ZNodeError) -> ZNode? {
    do { return try get(path) } catch {
      guard error.code == .noNode else { throw error }
      return nil
    }
  }
}

/// Paths: `/`, or names each led by a slash; no name is empty, `.` or `..`, and no character is a control character.
package enum ZNodePath {
  package static func parent(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.utf8.startIndex else { return "/" }
    return String(path[..<slash])
  }

  package static func name(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
    return String(path[path.utf8.index(after: slash)...])
  }

  package static func child(_ name: String, of path: String) -> String { path == "/" ? "/\(name)" : "\(path)/\(name)" }

  /// Why `path` is none; nil when it is one.
  static func problem(with path: String) -> String? {
    let bytes = path.utf8
    guard bytes.first == UInt8(ascii: "/") else { return "a path begins with a slash" }
    guard bytes.count <= ZNodeLimits.pathBytes else { return "a path has at most \(ZNodeLimits.pathBytes) bytes" }
    if bytes.count == 1 { return nil }
    guard bytes.last != UInt8(ascii: "/") else { return "a path does not end with a slash" }
    var length = 0
    var dots = 0
    for byte in bytes.dropFirst() {
      guard byte >= 0x20, byte != 0x7F else { return "a path has no control characters" }
      guard byte == UInt8(ascii: "/") else {
        length += 1
        dots += byte == UInt8(ascii: ".") ? 1 : 0
        continue
      }
      if length == 0 { return "a name is not empty" }
      if length <= 2, dots == length { return "a name is not . or .." }
      length = 0
      dots = 0
    }
    return length <= 2 && dots == length ? "a name is not . or .." : nil
  }
}
