package import Storage
internal import Synchronization

/// A tree kept in memory and journalled in the data directory: a single broker's ZooKeeper.
///
/// A change is done in memory, written to the journal and flushed, under one lock; then it returns and watches are called.
/// A session lasts until the tree is closed, or as long as the process: opening the journal again ends the one before, and
/// its ephemeral nodes are gone.
package final class EmbeddedTree: ZNodeTree {
  package let sessionID: Int64
  private let now: @Sendable () -> Int64
  private let inside: Mutex<Inside>

  /// Sizes at which the journal is rewritten as a snapshot: when the changes are this long, and longer than the snapshot.
  package struct CompactionLimits: Sendable {
    package var changeBytes: Int
    package init(changeBytes: Int = 4 << 20) { self.changeBytes = changeBytes }
  }

  private struct Inside: ~Copyable {
    var state: ZNodeState
    var journal: OpenJournal
    var watches = ZNodeWatches()
    var end = SessionEnd()
    /// Watches that have gone off and are not yet called, in the order of the changes.
    var due: [(ZNodeWatch, ZNodeEvent)] = []
    var isDelivering = false
  }

  /// Opens the tree of a data directory, which must exist.
  ///
  /// - Parameter now: milliseconds since 1970.
  /// - Throws: `.disk` when another process has it open, or the journal is damaged before its end.
  package convenience init(
    disk: any Disk, directory: String, compaction: CompactionLimits = CompactionLimits(),
    now: @escaping @Sendable () -> Int64
  ) throws(ZNodeError) {
    let file: JournalFile
    do { file = try JournalFile(disk: disk, directory: directory) } catch { throw ZNodeError(error) }
    do { try self.init(store: file, compaction: compaction, now: now) } catch {
      guard error.code == .disk, error.path.isEmpty else { throw error }
      // Damage, which the journal's bytes cannot say the place of.
      let path = "\(directory)/\(JournalFile.name)"
      throw ZNodeError(
        .disk, path,
        detail: "\(path): \(error.detail). Put a copy of the file back that is whole, and as new as the log directories"
      )
    }
  }

  package init(
    store: sending any JournalStore, compaction: CompactionLimits = CompactionLimits(),
    now: @escaping @Sendable () -> Int64
  ) throws(ZNodeError) {
    var state = ZNodeState()
    var journal = try OpenJournal(opening: store, compaction: compaction, state: &state)
    // The change that ends the old session is the first of the new one, and gives it its number.
    let session = state.lastZxid + 1
    let ended = try state.perform(
      state.ephemerals.map { .delete(path: $0, version: nil) }, session: session, timeMs: now())
    try journal.append(ended.transaction, state: state)
    self.now = now
    sessionID = session
    inside = Mutex(Inside(state: state, journal: journal))
  }

  package func get(_ path: String, watch: ZNodeWatch?) throws(ZNodeError) -> ZNode {
    try inside.withLock { inside throws(ZNodeError) in
      try inside.end.check(path)
      let node = try inside.state.node(path)
      if let watch { inside.watches.data[path, default: []].append(watch) }
      return ZNode(data: node.data, stat: node.stat)
    }
  }

  package func exists(_ path: String, watch: ZNodeWatch?) throws(ZNodeError) -> ZNodeStat? {
    try inside.withLock { inside throws(ZNodeError) in
      try inside.end.check(path)
      if let problem = ZNodePath.problem(with: path) { throw ZNodeError(.badArguments, path, detail: problem) }
      let stat = inside.state.nodes[path]?.stat
      if let watch { inside.watches.set(watch, on: path, isThere: stat != nil) }
      return stat
    }
  }

  package func children(of path: String, watch: ZNodeWatch?) throws(ZNodeError) -> [String] {
    try inside.withLock { inside throws(ZNodeError) in
      try inside.end.check(path)
      let children = try inside.state.children(of: path)
      if let watch { inside.watches.children[path, default: []].append(watch) }
      return children
    }
  }

  @discardableResult
  package func multi(_ operations: [ZNodeOperation]) throws(ZNodeError) -> [ZNodeResult] {
    let results = try inside.withLock { inside throws(ZNodeError) -> [ZNodeResult] in
      try inside.end.check()
      let performed = try inside.state.perform(operations, session: sessionID, timeMs: now())
      do throws(ZNodeError) {
        try inside.journal.append(performed.transaction, state: inside.state)
      } catch {
        inside.state.undo(performed)
        throw error
      }
      for event in performed.events { inside.due += inside.watches.take(event).map { ($0, event) } }
      return performed.results
    }
    deliver()
    return results
  }

  package func whenSessionEnds(_ body: @escaping @Sendable () -> Void) {
    if !inside.withLock({ $0.end.keep(body) }) { body() }
  }

  /// Closes the journal and leaves it as it is: the ephemeral nodes are deleted when it is next opened.
  package func close() {
    let bodies = inside.withLock { inside in
      inside.journal.close()
      inside.watches = ZNodeWatches()
      return inside.end.end(.closed)
    }
    for body in bodies { body() }
  }

  /// Calls the watches that are due, in order. One thread at a time does, so that no watch overtakes another.
  private func deliver() {
    while true {
      let batch = inside.withLock { inside -> [(ZNodeWatch, ZNodeEvent)] in
        guard !inside.isDelivering, !inside.due.isEmpty else { return [] }
        inside.isDelivering = true
        defer { inside.due = [] }
        return inside.due
      }
      guard !batch.isEmpty else { return }
      for (watch, event) in batch { watch(event) }
      inside.withLock { $0.isDelivering = false }
    }
  }
}

/// The open journal: appends changes, and rewrites itself as a snapshot when the changes are many.
private struct OpenJournal {
  private let store: any JournalStore
  private let compaction: EmbeddedTree.CompactionLimits
  private var length: Int
  private var snapshotBytes: Int
  /// Why nothing more is written.
  private var failure: ZNodeError?

  /// Replays the journal into `state` and cuts off a torn end.
  init(
    opening store: any JournalStore, compaction: EmbeddedTree.CompactionLimits, state: inout ZNodeState
  ) throws(ZNodeError) {
    let bytes: [UInt8]
    do { bytes = try store.load() } catch { throw ZNodeError(error) }
    let replayed = try ZNodeJournal.replay(bytes)
    state = replayed.state
    self.store = store
    self.compaction = compaction
    length = max(replayed.validBytes, ZNodeJournal.headerBytes)
    snapshotBytes = replayed.snapshotBytes
    do {
      if replayed.validBytes < bytes.count { try store.truncate(to: replayed.validBytes) }
      if replayed.validBytes == 0 { try store.append(ZNodeJournal.header, at: 0) }
    } catch { throw ZNodeError(error) }
  }

  /// Makes `transaction` durable; `state` already has it.
  mutating func append(_ transaction: ZNodeTransaction, state: ZNodeState) throws(ZNodeError) {
    if let failure { throw failure }
    let record = ZNodeJournal.record(transaction)
    do {
      try store.append(record, at: length)
    } catch {
      failed(error)
      throw ZNodeError(error)
    }
    length += record.count
    if length - snapshotBytes >= max(compaction.changeBytes, snapshotBytes) { compact(state) }
  }

  mutating func close() {
    store.close()
    failure = ZNodeError(.closed, "")
  }

  /// A half-written record is cut off, so that the next one follows the last whole one; where that fails, or the flush
  /// failed, what is on disk is unknown, and nothing more is written.
  private mutating func failed(_ error: JournalStoreError) {
    guard !error.isFlush else {
      failure = ZNodeError(error)
      return
    }
    do { try store.truncate(to: length) } catch { failure = ZNodeError(error) }
  }

  /// A snapshot that cannot be written costs nothing but the space: the old journal stays whole. Once it has the name, an
  /// error leaves open which of the two a crash would bring back, so then nothing more is written.
  private mutating func compact(_ state: ZNodeState) {
    let snapshot = ZNodeJournal.snapshot(state)
    do {
      try store.replace(with: snapshot)
    } catch {
      if error.isFlush { failure = ZNodeError(error) }
      // Not again at the next change, but after as many more.
      snapshotBytes = length
      return
    }
    length = snapshot.count
    snapshotBytes = snapshot.count
  }
}

extension ZNodeError {
  package init(_ error: JournalStoreError) {
    let isInUse = error.call == "flock"
    let cause = isInUse ? nil : DiskError(error.call, error.path, code: error.errno)
    self.init(.disk, error.path, detail: error.description, cause: cause)
  }
}
