internal import Base

/// A session with a ZooKeeper ensemble, by Apache's C client.
///
/// The C client keeps the session alive, and connects to another server of the ensemble when it loses one. A call waits for a
/// connection and for its answer, together no longer than `callTimeoutMs`; then it fails with `.connectionLost`. A read whose
/// connection was lost is done again within that time; a write that was sent is not, because nobody can say whether it was
/// made.
///
/// Watches are called on a thread of the tree, one after the other. A call returns only when the watches that went off before
/// its answer have been called, so a watch must not wait for one who waits for a call.
package final class ZooKeeperTree: ZNodeTree {
  private let session: ZooKeeperSession
  private let address: ZooKeeperConnect
  private let callTimeoutMs: Int

  /// Connects, and makes the nodes of a chroot that are not there. Waits at most `connectTimeoutMs`.
  ///
  /// - Parameters:
  ///   - connect: as Kafka's `zookeeper.connect`: `host:port,host:port/chroot`.
  ///   - sessionTimeoutMs: after how long without a connection the ensemble ends the session. The servers may grant another.
  ///   - connectTimeoutMs: by default the session's timeout.
  ///   - callTimeoutMs: by default the session's timeout.
  ///   - makesChroot: false for one who only looks.
  ///   - notice: gets a sentence each time the connection changes, on any thread.
  /// - Throws: `.connectionLost` when no server was reached; `.badArguments` when `connect` is malformed.
  package init(
    connect: String, sessionTimeoutMs: Int, connectTimeoutMs: Int? = nil, callTimeoutMs: Int? = nil,
    makesChroot: Bool = true, notice: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(ZNodeError) {
    let address = try ZooKeeperConnect(connect)
    self.address = address
    self.callTimeoutMs = callTimeoutMs ?? sessionTimeoutMs
    session = try ZooKeeperSession(
      servers: address.servers, timeoutMs: sessionTimeoutMs, inside: { address.inside($0) }, notice: notice)
    let waitMs = connectTimeoutMs ?? sessionTimeoutMs
    do {
      try awaitConnection(until: Self.deadline(waitMs), waitedMs: waitMs, "")
      if makesChroot { try makeChroot() }
    } catch {
      session.close()
      throw error
    }
  }

  deinit { session.close() }

  package var sessionID: Int64 { session.state.withLock { $0.id } }

  /// The timeout that the servers granted, in milliseconds.
  package var sessionTimeoutMs: Int { session.state.withLock { $0.timeoutMs } }

  package var largestMulti: Int { ZNodeLimits.multiBytes }

  package func whenSessionEnds(_ body: @escaping @Sendable () -> Void) {
    if !session.state.withLock({ $0.end.keep(body) }) { body() }
  }

  /// Tells the server, and waits a few seconds at most for it to hear that: the session's ephemeral nodes are then gone. Where
  /// no server is connected, they are once the session has expired.
  package func close() { session.close() }

  // MARK: Reads

  package func get(_ path: String, watch: ZNodeWatch?) throws(ZNodeError) -> ZNode {
    guard case .node(let node) = try read(path, watch, { .get($0) }) else { throw Self.misanswered(path) }
    return node
  }

  package func exists(_ path: String, watch: ZNodeWatch?) throws(ZNodeError) -> ZNodeStat? {
    guard case .stat(let stat) = try read(path, watch, { .exists($0) }) else { throw Self.misanswered(path) }
    return stat
  }

  package func children(of path: String, watch: ZNodeWatch?) throws(ZNodeError) -> [String] {
    guard case .children(let names) = try read(path, watch, { .children($0) }) else { throw Self.misanswered(path) }
    return names
  }

  /// Many reads are under way at once. Where the connection is lost in between, those without an answer are sent again.
  package func get(all paths: [String]) throws(ZNodeError) -> [ZNode?] {
    for path in paths { try Self.check(path) }
    var nodes = [ZNode?](repeating: nil, count: paths.count)
    var missing = Array(paths.indices)
    var deadline = Self.deadline(callTimeoutMs)
    while !missing.isEmpty {
      let before = missing.count
      try awaitConnection(until: deadline, waitedMs: callTimeoutMs, paths[missing[0]])
      missing = try readOnce(missing, of: paths, into: &nodes, deadline)
      if missing.count < before {
        deadline = Self.deadline(callTimeoutMs)
      } else if let first = missing.first {
        try pause(until: deadline, paths[first])
      }
    }
    return nodes
  }

  /// Returns those for which there was no answer.
  private func readOnce(
    _ indices: [Int], of paths: [String], into nodes: inout [ZNode?], _ deadline: UInt64
  ) throws(ZNodeError) -> [Int] {
    var calls: [ZooKeeperCall] = []
    var missing: [Int] = []
    for position in 0..<indices.count + ZooKeeperLimits.readsInFlight {
      // Answers come in the order of the requests.
      let oldest = position - ZooKeeperLimits.readsInFlight
      if oldest >= 0, oldest < indices.count {
        let index = indices[oldest]
        switch session.answer(to: calls[oldest], until: deadline) {
        case .node(let node): nodes[index] = node
        case .failed(let code):
          let error = failure(code, paths[index])
          if error.code == .connectionLost { missing.append(index) } else if error.code != .noNode { throw error }
        default: missing.append(index)
        }
      }
      if position < indices.count {
        calls.append(session.submit(.get(address.outside(paths[indices[position]])), watch: nil))
      }
    }
    return missing
  }

  private func read(
    _ path: String, _ watch: ZNodeWatch?, _ request: (String) -> ZooKeeperRequest
  ) throws(ZNodeError) -> ZooKeeperAnswer {
    try Self.check(path)
    let deadline = Self.deadline(callTimeoutMs)
    while true {
      try awaitConnection(until: deadline, waitedMs: callTimeoutMs, path)
      let answer = session.answer(
        to: session.submit(request(address.outside(path)), watch: watch), until: deadline)
      switch answer {
      case .notSent: try pause(until: deadline, path)
      case .failed(let code):
        let error = failure(code, path)
        guard error.code == .connectionLost, Clocks.monotonicNs() < deadline else { throw error }
      default: return answer
      }
    }
  }

  // MARK: Writes

  @discardableResult
  package func multi(_ operations: [ZNodeOperation]) throws(ZNodeError) -> [ZNodeResult] {
    try ZNodeOperation.check(operations, largestMulti: largestMulti)
    guard let first = operations.first else { return [] }
    let request: ZooKeeperRequest
    if operations.count == 1, case .create(let path, let data, let mode) = first {
      // The only request that is answered with the new node's stat.
      request = .create(path: address.outside(path), data: data, mode: mode)
    } else {
      request = .multi(operations.map { $0.moved(to: address.outside($0.path)) })
    }
    let deadline = Self.deadline(callTimeoutMs)
    while true {
      try awaitConnection(until: deadline, waitedMs: callTimeoutMs, first.path)
      switch session.answer(to: session.submit(request, watch: nil), until: deadline) {
      case .created(let path, let stat): return [.created(path: address.inside(path), stat: stat)]
      case .results(let results): return results.map { $0.inside(address) }
      case .refused(let code, let index):
        var error = failure(code, operations[index].path)
        error.operation = index
        throw error
      case .failed(let code): throw failure(code, first.path)
      case .notSent: try pause(until: deadline, first.path)
      default: throw Self.misanswered(first.path)
      }
    }
  }

  private func makeChroot() throws(ZNodeError) {
    var path = ""
    for name in address.chroot.split(separator: "/") {
      path += "/\(name)"
      let request = ZooKeeperRequest.create(path: path, data: [], mode: .persistent)
      let answer = session.answer(
        to: session.submit(request, watch: nil), until: Self.deadline(callTimeoutMs))
      switch answer {
      case .created: break
      case .failed(let code):
        let error = failure(code, path)
        guard error.code == .nodeExists else { throw error }
      default: throw ZNodeError(.connectionLost, path)
      }
    }
  }

  // MARK: Waiting and failing

  private func awaitConnection(until deadline: UInt64, waitedMs: Int, _ path: String) throws(ZNodeError) {
    let outcome = session.state.wait(until: deadline) { state -> ZNodeError.Code?? in
      if let code = state.end.code { return .some(code) }
      return state.isConnected ? .some(nil) : nil
    }
    guard let outcome else {
      throw ZNodeError(
        .connectionLost, path, detail: "no ZooKeeper server of \(address.servers) was reached in \(waitedMs) ms")
    }
    if let ended = outcome { throw ZNodeError(ended, path) }
  }

  /// Before another attempt: the session's state follows the connection's a little later.
  private func pause(until deadline: UInt64, _ path: String) throws(ZNodeError) {
    guard Clocks.monotonicNs() < deadline else {
      throw ZNodeError(
        .connectionLost, path, detail: "no ZooKeeper server of \(address.servers) was reached in \(callTimeoutMs) ms")
    }
    Clocks.nap(milliseconds: ZooKeeperLimits.retryMs)
  }

  /// A code of the C client; after the session's end that is what every call fails with.
  private func failure(_ code: Int32, _ path: String) -> ZNodeError {
    if let ended = session.state.withLock({ $0.end.code }) { return ZNodeError(ended, path) }
    return ZNodeError(zooKeeper: code, path)
  }

  private static func deadline(_ milliseconds: Int) -> UInt64 {
    Clocks.monotonicNs() + UInt64(max(0, min(milliseconds, Int(Int32.max)))) * 1_000_000
  }

  private static func check(_ path: String) throws(ZNodeError) {
    if let problem = ZNodePath.problem(with: path) { throw ZNodeError(.badArguments, path, detail: problem) }
  }

  private static func misanswered(_ path: String) -> ZNodeError {
    ZNodeError(.refused, path, detail: "the answer to another request came")
  }
}

extension ZNodeOperation {
  fileprivate func moved(to path: String) -> ZNodeOperation {
    switch self {
    case .create(_, let data, let mode): .create(path: path, data: data, mode: mode)
    case .set(_, let data, let version): .set(path: path, data: data, version: version)
    case .delete(_, let version): .delete(path: path, version: version)
    case .check(_, let version): .check(path: path, version: version)
    }
  }
}

extension ZNodeResult {
  fileprivate func inside(_ address: ZooKeeperConnect) -> ZNodeResult {
    guard case .created(let path, let stat) = self else { return self }
    return .created(path: address.inside(path), stat: stat)
  }
}
