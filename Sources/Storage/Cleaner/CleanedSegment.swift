import Model
import NIOCore

/// Writes the segment that takes the place of others: a `.log` and indexes, all called `.cleaned` until they are whole and on the disk.
///
/// Used by one thread.
final class CleanedSegment {
  private let segment: Segment
  private let disk: any Disk
  private let config: LogConfig
  private let modifiedMs: Int64
  /// Batches that are not written yet.
  private var waiting = ByteBuffer()
  private let bufferBytes: Int

  static let suffixes = [OffsetIndex.suffix, TimeIndex.suffix, TransactionIndex.suffix, Segment.logSuffix]

  /// - Parameters:
  ///   - modifiedMs: of the segments that it replaces.
  ///   - bufferBytes: so many are written together.
  init(
    in directory: String, on disk: any Disk, baseOffset: Offset, config: LogConfig, modifiedMs: Int64, bufferBytes: Int
  ) throws(DiskError) {
    var config = config
    config.preallocate = false
    segment = try Segment.create(
      disk: disk, directory: directory, baseOffset: baseOffset, config: config, nowMs: modifiedMs,
      ending: LogFileSuffix.cleaned)
    // One that a cleaning has left that was given up.
    try segment.transactionIndex.reset(on: disk)
    self.disk = disk
    self.config = config
    self.modifiedMs = modifiedMs
    self.bufferBytes = bufferBytes
  }

  var bytes: Int { segment.size }

  /// Appends a whole batch.
  func append(_ header: RecordBatchHeader, _ batch: UnsafeRawBufferPointer) throws(DiskError) {
    waiting.writeBytes(batch)
    try segment.makeIndexRoom()
    segment.wrote(header, indexIntervalBytes: config.indexIntervalBytes, nowMs: modifiedMs)
    if waiting.readableBytes >= bufferBytes { try write() }
  }

  func append(_ aborted: AbortedTransaction) throws(DiskError) {
    try segment.transactionIndex.append(aborted, on: disk)
  }

  private func write() throws(DiskError) {
    let file = try segment.file().file
    let at = segment.size - waiting.readableBytes
    try waiting.withUnsafeReadableBytes { bytes throws(DiskError) in
      try file.write(bytes, UnsafeRawBufferPointer(start: nil, count: 0), at: at)
    }
    waiting.clear()
  }

  /// Writes what waits, and returns when all files and their names would survive a power failure.
  func finish() throws(DiskError) {
    if waiting.readableBytes > 0 { try write() }
    var config = config
    // Zeros that a direct write has left behind the last batch are cut off.
    config.preallocate = disk.padsFiles
    try segment.finish(config: config)
    let file = try segment.file().file
    try file.setModified(toMs: modifiedMs)
    try file.sync()
    for suffix in [OffsetIndex.suffix, TimeIndex.suffix] {
      try disk.open(segment.path + suffix + LogFileSuffix.cleaned, creating: false).sync()
    }
    try segment.transactionIndex.sync(on: disk)
    try disk.syncDirectory(segment.directory)
  }

  /// Removes the files, as far as they are there.
  static func remove(at path: String, on disk: any Disk) {
    for suffix in suffixes { try? disk.remove(path + suffix + LogFileSuffix.cleaned) }
  }
}
