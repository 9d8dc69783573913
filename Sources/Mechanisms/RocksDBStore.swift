internal import Crocksdb
import Glibc

/// A log-structured merge tree (RocksDB): writes go to a log and a table in memory, and are merged into sorted files later.
final class RocksDBStore: RecordStore {
  private enum Limits {
    /// The table in memory: small beside the memory of the group it runs in, so that merging is part of what is measured.
    static let memtableBytes = 4 << 20
  }

  private let options: OpaquePointer?
  private let durableWrites: OpaquePointer?
  private let plainWrites: OpaquePointer?
  private let reads: OpaquePointer?
  private let database: OpaquePointer?

  init(directory: String) throws(MechanismError) {
    options = rocksdb_options_create()
    rocksdb_options_set_create_if_missing(options, 1)
    rocksdb_options_set_compression(options, Int32(rocksdb_no_compression))
    rocksdb_options_set_write_buffer_size(options, Limits.memtableBytes)
    rocksdb_options_set_target_file_size_base(options, UInt64(Limits.memtableBytes))
    durableWrites = rocksdb_writeoptions_create()
    rocksdb_writeoptions_set_sync(durableWrites, 1)
    plainWrites = rocksdb_writeoptions_create()
    reads = rocksdb_readoptions_create()
    var error: UnsafeMutablePointer<CChar>?
    database = rocksdb_open(options, "\(directory)/rocksdb", &error)
    try Self.throwing(error, "open \(directory)/rocksdb")
  }

  func put(_ batch: KeyedBatch, durable: Bool) throws(MechanismError) {
    let writes = rocksdb_writebatch_create()
    defer { rocksdb_writebatch_destroy(writes) }
    for (index, key) in batch.keys.enumerated() {
      let value = batch.value(index)
      // Big-endian, so that the byte order of keys is that of the numbers.
      withUnsafeBytes(of: key.bigEndian) { name in
        rocksdb_writebatch_put(
          writes, name.baseAddress?.assumingMemoryBound(to: CChar.self), name.count,
          value.baseAddress?.assumingMemoryBound(to: CChar.self), value.count)
      }
    }
    var error: UnsafeMutablePointer<CChar>?
    rocksdb_write(database, durable ? durableWrites : plainWrites, writes, &error)
    try Self.throwing(error, "write")
  }

  func get(_ key: UInt64, _ body: (UnsafeRawBufferPointer) -> Void) throws(MechanismError) -> Bool {
    var error: UnsafeMutablePointer<CChar>?
    let slice = withUnsafeBytes(of: key.bigEndian) { name in
      rocksdb_get_pinned(
        database, reads, name.baseAddress?.assumingMemoryBound(to: CChar.self), name.count, &error)
    }
    try Self.throwing(error, "get")
    guard let slice else { return false }
    defer { rocksdb_pinnableslice_destroy(slice) }
    var count = 0
    let value = rocksdb_pinnableslice_value(slice, &count)
    body(UnsafeRawBufferPointer(start: value, count: count))
    return true
  }

  func sync() throws(MechanismError) {
    var error: UnsafeMutablePointer<CChar>?
    rocksdb_flush_wal(database, 1, &error)
    try Self.throwing(error, "flush of the log")
  }

  func close() {
    rocksdb_close(database)
    rocksdb_readoptions_destroy(reads)
    rocksdb_writeoptions_destroy(plainWrites)
    rocksdb_writeoptions_destroy(durableWrites)
    rocksdb_options_destroy(options)
  }

  private static func throwing(_ error: UnsafeMutablePointer<CChar>?, _ call: String) throws(MechanismError) {
    guard let error else { return }
    defer { rocksdb_free(error) }
    throw .badPlan("RocksDB \(call): \(String(cString: error))")
  }
}
