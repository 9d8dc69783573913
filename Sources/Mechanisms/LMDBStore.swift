internal import Clmdb
import Glibc

/// A copy-on-write B+tree in a mapping (LMDB): one file, no log, readers see the last committed tree.
final class LMDBStore: RecordStore {
  private enum Limits {
    /// Address space, not disk: the file grows as it is written.
    static let mapBytes = 64 << 30
  }

  private var environment: OpaquePointer?
  private var database: MDB_dbi = 0
  /// Keys rise: then a page that is full is left full, not split in halves.
  private let keysRise: Bool
  private var isDurable = true

  init(directory: String, keysRise: Bool) throws(MechanismError) {
    self.keysRise = keysRise
    try lmdb("mdb_env_create", mdb_env_create(&environment))
    try lmdb("mdb_env_set_mapsize", mdb_env_set_mapsize(environment, Limits.mapBytes))
    // Random reads of a file beyond memory want single pages, so the mapping is not read ahead.
    let flags = UInt32(MDB_NOSUBDIR | MDB_NORDAHEAD | MDB_NOTLS)
    try lmdb("open \(directory)/lmdb", mdb_env_open(environment, "\(directory)/lmdb", flags, 0o644))
    var transaction: OpaquePointer?
    try lmdb("mdb_txn_begin", mdb_txn_begin(environment, nil, 0, &transaction))
    let opened = mdb_dbi_open(transaction, nil, UInt32(MDB_CREATE | MDB_INTEGERKEY), &database)
    if opened != 0 { mdb_txn_abort(transaction) }
    try lmdb("mdb_dbi_open", opened)
    try lmdb("mdb_txn_commit", mdb_txn_commit(transaction))
  }

  func put(_ batch: KeyedBatch, durable: Bool) throws(MechanismError) {
    if durable != isDurable {
      try lmdb("mdb_env_set_flags", mdb_env_set_flags(environment, UInt32(MDB_NOSYNC), durable ? 0 : 1))
      isDurable = durable
    }
    var transaction: OpaquePointer?
    try lmdb("mdb_txn_begin", mdb_txn_begin(environment, nil, 0, &transaction))
    let flags = UInt32(keysRise ? MDB_APPEND : MDB_NOOVERWRITE)
    for (index, key) in batch.keys.enumerated() {
      var number = key
      let source = batch.value(index)
      var value = MDB_val(mv_size: source.count, mv_data: UnsafeMutableRawPointer(mutating: source.baseAddress))
      let code = withUnsafeMutableBytes(of: &number) { bytes in
        var name = MDB_val(mv_size: bytes.count, mv_data: bytes.baseAddress)
        return mdb_put(transaction, database, &name, &value, flags)
      }
      if code != 0 {
        mdb_txn_abort(transaction)
        try lmdb("mdb_put", code)
      }
    }
    try lmdb("mdb_txn_commit", mdb_txn_commit(transaction))
  }

  func get(_ key: UInt64, _ body: (UnsafeRawBufferPointer) -> Void) throws(MechanismError) -> Bool {
    var transaction: OpaquePointer?
    try lmdb("mdb_txn_begin", mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &transaction))
    defer { mdb_txn_abort(transaction) }
    var number = key
    var value = MDB_val()
    let code = withUnsafeMutableBytes(of: &number) { bytes in
      var name = MDB_val(mv_size: bytes.count, mv_data: bytes.baseAddress)
      return mdb_get(transaction, database, &name, &value)
    }
    if code == MDB_NOTFOUND { return false }
    try lmdb("mdb_get", code)
    body(UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size))
    return true
  }

  func sync() throws(MechanismError) { try lmdb("mdb_env_sync", mdb_env_sync(environment, 1)) }

  func close() {
    mdb_env_close(environment)
    environment = nil
  }

  private func lmdb(_ call: String, _ code: Int32) throws(MechanismError) {
    if code != 0 { throw .badPlan("\(call): \(String(cString: mdb_strerror(code)))") }
  }
}
