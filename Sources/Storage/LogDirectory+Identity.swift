package import Model
import Synchronization

/// Whose directory it is, and which others the broker had when it was accepted.
extension LogDirectory {
  /// The broker and cluster to which a directory belongs.
  package struct Identity: Hashable, Sendable {
    package var brokerID: BrokerID
    /// 22 characters of base64url.
    package var clusterID: String

    package init(brokerID: BrokerID, clusterID: String) {
      self.brokerID = brokerID
      self.clusterID = clusterID
    }
  }

  /// Whose directory meta.properties says it is; nil for a new one.
  package var identity: Identity? { state.withLock { $0.identity } }

  /// Refuses a directory that is another broker's, or another cluster's; a new one belongs to none.
  package func check(_ identity: Identity) throws(LogDirectoryError) {
    guard let known = self.identity, known != identity else { return }
    throw .belongsTo(brokerID: known.brokerID, clusterID: known.clusterID, path: path)
  }

  /// Takes the directory as `identity`'s: writes meta.properties in a new one, refuses another's.
  package func confirm(_ identity: Identity) throws(LogDirectoryError) {
    try check(identity)
    guard self.identity == nil else { return }
    do { try MetaProperties.write(identity, in: path, on: disk) } catch { throw .disk(error) }
    state.withLock { $0.identity = identity }
  }

  /// The directory's id and its neighbours at the last start; nil for one that no start has accepted yet.
  package var roster: DirectoryRoster? { state.withLock { $0.roster } }

  /// Writes the directory's id and its neighbours, all accepted by the start.
  package func write(_ roster: DirectoryRoster) throws(LogDirectoryError) {
    guard self.roster != roster else { return }
    do { try CheckpointFile.replace("\(path)/\(DirectoryRoster.fileName)", with: roster.text, on: disk) } catch {
      throw .disk(error)
    }
    state.withLock { $0.roster = roster }
  }

  static func readRoster(_ path: String, on disk: any Disk) throws -> DirectoryRoster? {
    let file = "\(path)/\(DirectoryRoster.fileName)"
    guard let bytes = try disk.contents(of: file) else { return nil }
    guard let roster = DirectoryRoster(String(decoding: bytes, as: UTF8.self)) else {
      throw LogDirectoryError.malformed(path: file, line: "lines of an id and a path are needed")
    }
    return roster
  }
}
