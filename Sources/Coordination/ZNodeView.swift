import Storage

/// A tree as its journal describes it, read beside the broker that owns it (`millrace znodes`). Nothing is locked or
/// written: a change that is just being written may or may not be seen.
package struct ZNodeView: Sendable {
  private let state: ZNodeState

  /// - Throws: `.noNode` when the directory has no journal; `.disk` when it cannot be read or is damaged.
  package init(directory: String) throws(ZNodeError) {
    let bytes: [UInt8]?
    do { bytes = try JournalFile.read(disk: RealDisk(), directory: directory) } catch { throw ZNodeError(error) }
    guard let bytes else { throw ZNodeError(.noNode, directory, detail: "no \(JournalFile.name) in this directory") }
    try self.init(journal: bytes)
  }

  init(journal: [UInt8]) throws(ZNodeError) { state = try ZNodeJournal.replay(journal).state }

  package func get(_ path: String) throws(ZNodeError) -> ZNode {
    let node = try state.node(path)
    return ZNode(data: node.data, stat: node.stat)
  }

  package func children(of path: String) throws(ZNodeError) -> [String] { try state.children(of: path) }

  /// Every path, sorted.
  package var paths: [String] { state.nodes.keys.sorted() }
}
