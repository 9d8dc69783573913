package import Model
import Synchronization

/// Partitions that leave the directory.
extension LogDirectory {
  /// Renames a partition's directory so that it is no partition any more; `purgeDeleted` removes it later. The caller has
  /// let go of its log; readers that still hold file ranges read on.
  ///
  /// - Parameter syncing: false: the caller deletes many, and then calls `syncNames` once.
  package func delete(
    _ partition: TopicPartition, delayMs: Int64, nowMs: Int64, syncing: Bool = true
  ) throws(LogDirectoryError) {
    guard let renamed = try rename(partition, Self.deleteSuffix, nowMs: nowMs) else { return }
    if syncing { try syncNames() }
    state.withLock { $0.deleted.append((renamed, nowMs.addingClamped(delayMs))) }
  }

  /// Renames the directory of a partition that the tree does not know, so that it is no partition's any more, and keeps
  /// it for ever: a broker started on the wrong directory, or without its metadata, loses no records. Returns the new
  /// name.
  package func setAside(_ partition: TopicPartition, nowMs: Int64) throws(LogDirectoryError) -> String? {
    let renamed = try rename(partition, Self.straySuffix, nowMs: nowMs)
    if renamed != nil { try syncNames() }
    return renamed
  }

  /// Makes the present names of the partitions' directories durable.
  package func syncNames() throws(LogDirectoryError) {
    do { try disk.syncDirectory(path) } catch { throw .disk(error) }
  }

  /// Nil when there is no such directory.
  private func rename(
    _ partition: TopicPartition, _ kind: String, nowMs: Int64
  ) throws(LogDirectoryError) -> String? {
    let number = state.withLock { state in
      state.deletions += 1
      return state.deletions
    }
    // Kafka's form: `<topic>-<n>.<32 hex digits>-delete`, in at most 255 bytes.
    let unique = String(UInt64(bitPattern: nowMs), radix: 16) + "-" + String(number, radix: 16)
    let digits = String(repeating: "0", count: 33 - unique.count) + unique
    let suffix = "." + digits.filter { $0 != "-" } + kind
    let renamed = "\(path)/\(String(partition.description.prefix(255 - suffix.count)))\(suffix)"
    do {
      guard try disk.info(directory(of: partition)) != nil else { return nil }
      try disk.rename(directory(of: partition), to: renamed)
    } catch { throw .disk(error) }
    return renamed
  }

  /// Removes directories that were renamed away long enough ago, and those an earlier run left; returns how many.
  package func purgeDeleted(nowMs: Int64) throws(LogDirectoryError) -> Int {
    let waiting = state.withLock { state in
      let kept = state.deleted.filter { $0.removableAtMs > nowMs }
      state.deleted = kept
      return Set(kept.map(\.path))
    }
    do {
      let due = try disk.names(in: path).filter { $0.hasSuffix(Self.deleteSuffix) }.map { "\(path)/\($0)" }
        .filter { !waiting.contains($0) }
      for path in due { try removeTree(path) }
      return due.count
    } catch { throw .disk(error) }
  }

  /// When the next of those directories may be removed, of those that may not be yet; nil when none waits.
  package func nextPurgeMs(after nowMs: Int64) -> Int64? {
    state.withLock { $0.deleted.lazy.map(\.removableAtMs).filter { $0 > nowMs }.min() }
  }

  /// Removes a file, or a directory with all that is in it.
  func removeTree(_ path: String) throws(DiskError) {
    guard try disk.info(path)?.isDirectory == true else { return try disk.remove(path) }
    for name in try disk.names(in: path) { try removeTree("\(path)/\(name)") }
    try disk.removeDirectory(path)
  }
}
