import Coordination
import Synchronization

/// Says whether something at ZooKeeper may have changed since the last look, so that who waits asks the ensemble only then, and not in a loop:
/// hundreds of agents may wait for days.
///
///     let change = Change(of: tree)
///     while …
///       if change.take() { names = try change.look { watch in try tree.children(of: path, watch: watch) } }
///       sleep a little; nothing is sent meanwhile
final class Change: Sendable {
  private let isDue = Atomic(true)

  /// The end of the session is a change, too: watches that are set are never called then.
  init(of tree: any ZNodeTree) {
    tree.whenSessionEnds { [weak self] in self?.note() }
  }

  /// Makes the next look due.
  func note() { isDue.store(true, ordering: .releasing) }

  /// Whether a look is due; it is not again until something changes.
  func take() -> Bool { isDue.exchange(false, ordering: .acquiring) }

  /// Looks, and has the next change noted. A look that fails has set no watch: the next one is due at once.
  func look<Found>(_ body: (ZNodeWatch?) throws(ZNodeError) -> Found) throws(ZNodeError) -> Found {
    do throws(ZNodeError) {
      return try body { [weak self] _ in self?.note() }
    } catch {
      note()
      throw error
    }
  }
}

extension Change {
  /// The names of a node's children, with their next change noted.
  func names(in path: String, _ tree: any ZNodeTree) throws(ZNodeError) -> [String] {
    try look { (watch) throws(ZNodeError) in try tree.children(of: path, watch: watch) }
  }

  /// A node's stat, nil where there is no such node, with its next change noted.
  func stat(of path: String, _ tree: any ZNodeTree) throws(ZNodeError) -> ZNodeStat? {
    try look { (watch) throws(ZNodeError) in try tree.exists(path, watch: watch) }
  }
}
