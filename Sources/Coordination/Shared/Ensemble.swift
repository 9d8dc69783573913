/// The state of a `SharedTree`: the nodes, and what the ensemble and each client know of their session.
struct Ensemble {
  struct Session {
    enum Connection {
      case up
      /// `zxid`: the newest change that the client has heard of.
      case cut(nextWrite: SharedTree.WriteInFlight, zxid: Int64)
    }

    var connection = Connection.up
    /// What the client knows of its end.
    var end = SessionEnd()
    var watches = ZNodeWatches()
    /// What the client is to be told, in order.
    var due: [@Sendable () -> Void] = []
    /// One thing is being told: the next one waits, so that none overtakes another.
    var isDelivering = false

    var isUp: Bool { if case .up = connection { true } else { false } }
  }

  private(set) var state = ZNodeState()
  var sessions: [Int64: Session] = [:]
  /// The sessions that have not ended on the ensemble's side, in the order of their numbers.
  private(set) var living: [Int64] = []
  private var lastID: Int64 = 0

  /// Opening a session is a change, as in ZooKeeper: it takes a zxid.
  mutating func connect(timeMs: Int64) -> Int64 {
    lastID += 1
    _ = try? state.perform([], session: lastID, timeMs: timeMs)
    sessions[lastID] = Session()
    living.append(lastID)
    return lastID
  }

  func checkConnection(of id: Int64, _ path: String) throws(ZNodeError) {
    guard let session = sessions[id] else { throw ZNodeError(.closed, path) }
    try session.end.check(path)
    guard session.isUp else { throw ZNodeError(.connectionLost, path, detail: "the connection is cut") }
  }

  /// Returns no results where the change may have been made and its answer is lost; and who is to be told of it.
  mutating func write(
    _ operations: [ZNodeOperation], by id: Int64, timeMs: Int64
  ) throws(ZNodeError) -> (results: [ZNodeResult]?, told: [Int64]) {
    if case .cut(.made, let zxid)? = sessions[id]?.connection, sessions[id]?.end.code == nil, living.contains(id) {
      sessions[id]?.connection = .cut(nextWrite: .lost, zxid: zxid)
      guard let performed = try? state.perform(operations, session: id, timeMs: timeMs) else { return (nil, []) }
      return (nil, setOff(performed.events))
    }
    try checkConnection(of: id, operations.first?.path ?? "")
    let performed = try state.perform(operations, session: id, timeMs: timeMs)
    return (performed.results, setOff(performed.events))
  }

  // MARK: Ends and connections

  /// Ends a session on the ensemble's side. Returns who is to be told.
  mutating func end(_ id: Int64, timeMs: Int64) -> [Int64] {
    guard let index = living.firstIndex(of: id) else { return [] }
    living.remove(at: index)
    let isUp = sessions[id]?.isUp == true
    if isUp { endClient(id) }
    return deleteEphemerals(of: id, timeMs: timeMs) + (isUp ? [id] : [])
  }

  /// Ends a session on the client's side. Returns the client's bodies for that, and who else is to be told.
  mutating func close(_ id: Int64, timeMs: Int64) -> (bodies: [@Sendable () -> Void], told: [Int64]) {
    guard sessions[id]?.end.code == nil, let bodies = sessions[id]?.end.end(.closed) else { return ([], []) }
    sessions[id]?.watches = ZNodeWatches()
    sessions[id]?.due = []
    guard sessions[id]?.isUp == true, let index = living.firstIndex(of: id) else { return (bodies, []) }
    living.remove(at: index)
    return (bodies, deleteEphemerals(of: id, timeMs: timeMs))
  }

  mutating func cut(_ id: Int64, _ nextWrite: SharedTree.WriteInFlight) {
    guard sessions[id]?.isUp == true else { return }
    sessions[id]?.connection = .cut(nextWrite: nextWrite, zxid: state.lastZxid)
  }

  /// Returns who is to be told.
  mutating func mend(_ id: Int64) -> [Int64] {
    guard case .cut(_, let zxid)? = sessions[id]?.connection, sessions[id]?.end.code == nil else { return [] }
    sessions[id]?.connection = .up
    if living.contains(id) { setOffMissed(of: id, since: zxid) } else { endClient(id) }
    return sessions[id]?.due.isEmpty == false ? [id] : []
  }

  private mutating func endClient(_ id: Int64) {
    let bodies = sessions[id]?.end.end(.sessionExpired) ?? []
    sessions[id]?.watches = ZNodeWatches()
    sessions[id]?.due += bodies
  }

  /// One change, as ZooKeeper's closeSession is.
  private mutating func deleteEphemerals(of id: Int64, timeMs: Int64) -> [Int64] {
    let deletes = state.ephemerals(of: id).map { ZNodeOperation.delete(path: $0, version: nil) }
    guard let performed = try? state.perform(deletes, session: id, timeMs: timeMs) else {
      preconditionFailure("an ephemeral node could not be deleted: it has no children, and any version will do")
    }
    return setOff(performed.events)
  }

  // MARK: Watches

  /// Makes events due in the sessions that watch for them. Returns these, in the order of their numbers.
  private mutating func setOff(_ events: [ZNodeEvent]) -> [Int64] {
    var told: [Int64] = []
    for id in living where sessions[id]?.isUp == true {
      let before = sessions[id]?.due.count ?? 0
      for event in events {
        let watches = sessions[id]?.watches.take(event) ?? []
        sessions[id]?.due += watches.map { watch in { watch(event) } }
      }
      if sessions[id]?.due.count ?? 0 > before { told.append(id) }
    }
    return told
  }

  /// Sets off the watches of a session that was not connected, as ZooKeeper's SetWatches does: what counts is how the nodes
  /// differ from those of change `zxid`, not what happened in between.
  private mutating func setOffMissed(of id: Int64, since zxid: Int64) {
    guard let watches = sessions[id]?.watches else { return }
    var events: [ZNodeEvent] = []
    for path in watches.data.keys.sorted() {
      guard let node = state.nodes[path] else { events.append(ZNodeEvent(kind: .deleted, path: path)); continue }
      if node.mzxid > zxid { events.append(ZNodeEvent(kind: .dataChanged, path: path)) }
    }
    for path in watches.absence.keys.sorted() where state.nodes[path] != nil {
      events.append(ZNodeEvent(kind: .created, path: path))
    }
    for path in watches.children.keys.sorted() {
      guard let node = state.nodes[path] else { events.append(ZNodeEvent(kind: .deleted, path: path)); continue }
      if node.pzxid > zxid { events.append(ZNodeEvent(kind: .childrenChanged, path: path)) }
    }
    for event in events {
      let fired = sessions[id]?.watches.take(event) ?? []
      sessions[id]?.due += fired.map { watch in { watch(event) } }
    }
  }

  /// The next thing to tell a session; nil when there is none, or one is being told.
  mutating func beginDelivery(to id: Int64) -> (@Sendable () -> Void)? {
    guard let session = sessions[id], session.isUp, !session.isDelivering, !session.due.isEmpty else { return nil }
    sessions[id]?.isDelivering = true
    return sessions[id]?.due.removeFirst()
  }
}
