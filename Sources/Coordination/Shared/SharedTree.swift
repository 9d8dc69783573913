internal import Synchronization

/// A ZooKeeper ensemble in memory, for tests and for the simulation: one tree, and any number of sessions with it.
///
/// It has no threads, no clock of its own and no chance: a session lasts until `expire` or its `close`, and all that happens
/// follows from the calls. A read sees the newest change, as one that follows a sync does.
package final class SharedTree: Sendable {
  /// Takes what a session is to be told, a watch's event or its end, and calls `body` at once or later, in the order in which
  /// bodies come. No lock is held. Events that are still on their way when the session makes a call are told before that call
  /// returns; `body` then does nothing.
  package typealias Delivery = @Sendable (_ session: Int64, _ body: @escaping @Sendable () -> Void) -> Void

  /// What becomes of the first write after a connection was cut.
  package enum WriteInFlight: Sendable {
    /// The ensemble makes the change, and its answer is lost.
    case made
    /// The request is lost.
    case lost
  }

  private let now: @Sendable () -> Int64
  private let deliver: Delivery
  let largestMulti: Int
  private let ensemble = Mutex(Ensemble())

  /// - Parameters:
  ///   - now: milliseconds since 1970: the times of changes.
  ///   - largestMulti: as `ZNodeTree.largestMulti`, by default that of a ZooKeeper server.
  ///   - deliver: by default watches are called before the call that sets them off returns.
  package init(
    now: @escaping @Sendable () -> Int64, largestMulti: Int = ZNodeLimits.multiBytes,
    deliver: @escaping Delivery = { _, body in body() }
  ) {
    self.now = now
    self.largestMulti = largestMulti
    self.deliver = deliver
  }

  // MARK: Sessions

  /// Opens a session; its number is one that no session had.
  package func connect() -> SharedSession {
    let id = ensemble.withLock { $0.connect(timeMs: now()) }
    return SharedSession(id: id, server: self)
  }

  /// Ends a session as the ensemble does when it has not heard of it for too long: its ephemeral nodes are deleted. The
  /// session is told, where it is connected; otherwise when it is mended. Does nothing to a session that has ended.
  package func expire(_ session: SharedSession) {
    let told = ensemble.withLock { $0.end(session.sessionID, timeMs: now()) }
    tell(told)
  }

  /// Cuts a session's connection: until `mend` its calls fail with `.connectionLost`, and it hears of no event. The session
  /// itself goes on.
  package func cut(_ session: SharedSession, writeInFlight: WriteInFlight = .lost) {
    ensemble.withLock { $0.cut(session.sessionID, writeInFlight) }
  }

  /// Connects a session again: it hears of what its watches have missed, or that it has expired.
  package func mend(_ session: SharedSession) {
    let told = ensemble.withLock { $0.mend(session.sessionID) }
    tell(told)
  }

  /// The sessions that the ensemble holds to be alive, connected or not, in the order in which they were opened.
  package var livingSessions: [Int64] { ensemble.withLock { $0.living } }

  /// The number of the last change.
  package var lastZxid: Int64 { ensemble.withLock { $0.state.lastZxid } }

  // MARK: Calls of sessions

  func read<Result>(
    _ id: Int64, _ path: String, _ body: (ZNodeState, inout ZNodeWatches) throws(ZNodeError) -> Result
  ) throws(ZNodeError) -> Result {
    defer { deliverDue(to: id) }
    return try ensemble.withLock { ensemble throws(ZNodeError) in
      try ensemble.checkConnection(of: id, path)
      return try body(ensemble.state, &ensemble.sessions[id, default: .init()].watches)
    }
  }

  func write(_ id: Int64, _ operations: [ZNodeOperation]) throws(ZNodeError) -> [ZNodeResult] {
    try ZNodeOperation.check(operations, largestMulti: largestMulti)
    defer { deliverDue(to: id) }
    let (results, told) = try ensemble.withLock { ensemble throws(ZNodeError) in
      try ensemble.write(operations, by: id, timeMs: now())
    }
    tell(told)
    guard let results else { throw ZNodeError(.connectionLost, operations.first?.path ?? "") }
    return results
  }

  func whenSessionEnds(_ id: Int64, _ body: @escaping @Sendable () -> Void) {
    if !ensemble.withLock({ $0.sessions[id]?.end.keep(body) ?? false }) { body() }
  }

  func close(_ id: Int64) {
    let (bodies, told) = ensemble.withLock { $0.close(id, timeMs: now()) }
    for body in bodies { body() }
    tell(told)
  }

  private func tell(_ sessions: [Int64]) {
    for id in sessions { deliver(id) { self.deliverDue(to: id) } }
  }

  /// Tells a session what is due, in order. Does nothing inside of what is being told: the call outside goes on with it.
  private func deliverDue(to id: Int64) {
    while let body = ensemble.withLock({ $0.beginDelivery(to: id) }) {
      body()
      ensemble.withLock { $0.sessions[id]?.isDelivering = false }
    }
  }
}

/// One session with a `SharedTree`.
package final class SharedSession: ZNodeTree {
  package let sessionID: Int64
  private let server: SharedTree

  init(id: Int64, server: SharedTree) {
    sessionID = id
    self.server = server
  }

  package var largestMulti: Int { server.largestMulti }

  package func get(_ path: String, watch: ZNodeWatch?) throws(ZNodeError) -> ZNode {
    try server.read(sessionID, path) { state, watches throws(ZNodeError) in
      let node = try state.node(path)
      if let watch { watches.data[path, default: []].append(watch) }
      return ZNode(data: node.data, stat: node.stat)
    }
  }

  package func exists(_ path: String, watch: ZNodeWatch?) throws(ZNodeError) -> ZNodeStat? {
    try server.read(sessionID, path) { state, watches throws(ZNodeError) in
      if let problem = ZNodePath.problem(with: path) { throw ZNodeError(.badArguments, path, detail: problem) }
      let stat = state.nodes[path]?.stat
      if let watch { watches.set(watch, on: path, isThere: stat != nil) }
      return stat
    }
  }

  package func children(of path: String, watch: ZNodeWatch?) throws(ZNodeError) -> [String] {
    try server.read(sessionID, path) { state, watches throws(ZNodeError) in
      let children = try state.children(of: path)
      if let watch { watches.children[path, default: []].append(watch) }
      return children
    }
  }

  @discardableResult
  package func multi(_ operations: [ZNodeOperation]) throws(ZNodeError) -> [ZNodeResult] {
    try server.write(sessionID, operations)
  }

  package func whenSessionEnds(_ body: @escaping @Sendable () -> Void) { server.whenSessionEnds(sessionID, body) }

  /// Where the connection is cut, the ensemble does not hear of it, and the session's ephemeral nodes stay until it expires.
  package func close() { server.close(sessionID) }
}
