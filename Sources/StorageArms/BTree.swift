import Clmdb
import Glibc
import Storage

/// A B+tree in one file, by LMDB: tables from 64-bit keys to bytes, changed in transactions that copy the pages on the way
/// to what they change (copy on write) and then point a new root at them.
///
/// One owner at a time, as its log's lock has it: so LMDB's own locks and reader table are off (MDB_NOLOCK), and no read is
/// under way when a transaction begins. What a process wrote before it was killed is there when the file is opened
/// again: a commit is a write to the page cache, or, with `isDurable`, returns when it is on the disk.
final class BTree {
  /// Keys are offsets, but for `times` (a timestamp) and `marks` (a `Mark`).
  enum Table: Int, CaseIterable {
    case batches, times, aborted, producers, marks
  }

  enum Mark: UInt64 { case logEnd, logStart, epochs }

  static let fileName = "log.mdb"
  /// Addresses reserved for the mapping of one file at first; doubled when the file needs more. No memory, no disk.
  static let mapBytes = 1 << 30
  private static let mapBytesMax = 1 << 46

  let path: String
  private let environment: OpaquePointer
  private var tables: [MDB_dbi] = []
  /// Kept between reads, without a snapshot.
  private var reader: OpaquePointer?

  /// Whether each commit waits for the disk. Without it a power failure may leave a file that cannot be read: LMDB uses
  /// pages again that the last durable root still points at.
  var isDurable = false {
    didSet { if isDurable != oldValue { mdb_env_set_flags(environment, UInt32(MDB_NOSYNC), isDurable ? 0 : 1) } }
  }

  /// Opens the file, making it when it is not there.
  init(_ path: String, mapBytes: Int = BTree.mapBytes) throws(DiskError) {
    self.path = path
    var made: OpaquePointer?
    try Self.check(mdb_env_create(&made), "mdb_env_create", path)
    guard let made else { throw DiskError("mdb_env_create", path, code: ENOMEM) }
    environment = made
    // From here on `deinit` closes it, whatever is thrown.
    try Self.check(mdb_env_set_maxdbs(made, MDB_dbi(Table.allCases.count)), "mdb_env_set_maxdbs", path)
    try Self.check(mdb_env_set_mapsize(made, mapBytes), "mdb_env_set_mapsize", path)
    let flags = MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_NOSYNC | MDB_NOMEMINIT
    try Self.check(mdb_env_open(made, path, UInt32(flags), 0o644), "mdb_env_open", path)
    tables = try write { transaction throws(DiskError) in
      var tables: [MDB_dbi] = []
      for table in Table.allCases {
        var handle: MDB_dbi = 0
        let code = mdb_dbi_open(transaction.handle, "\(table)", UInt32(MDB_CREATE), &handle)
        try Self.check(code, "mdb_dbi_open", path)
        tables.append(handle)
      }
      return tables
    }
  }

  deinit {
    if let reader { mdb_txn_abort(reader) }
    mdb_env_close(environment)
  }

  /// Throws what LMDB refused. Its own codes are negative, the system's positive.
  fileprivate static func check(_ code: Int32, _ operation: String, _ path: String) throws(DiskError) {
    if code != 0 { throw DiskError(operation, path, code: code) }
  }

  /// A failure after which LMDB wants the file opened again.
  static func isFatal(_ error: DiskError) -> Bool {
    [MDB_PANIC, MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID].contains(error.code)
  }

  /// Lends a snapshot. Nothing that points into the file may leave `body`.
  func read<T>(_ body: (BTreeTransaction) throws(DiskError) -> T) throws(DiskError) -> T {
    if let reader {
      try Self.check(mdb_txn_renew(reader), "mdb_txn_renew", path)
    } else {
      try Self.check(mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &reader), "mdb_txn_begin", path)
    }
    guard let reader else { throw DiskError("mdb_txn_begin", path, code: ENOMEM) }
    defer { mdb_txn_reset(reader) }
    return try body(BTreeTransaction(reader, tables, path))
  }

  /// All that `body` changes, or nothing. It may be called again, when the file has outgrown its mapping: so it must not change
  /// anything else.
  func write<T>(_ body: (BTreeTransaction) throws(DiskError) -> T) throws(DiskError) -> T {
    while true {
      do throws(DiskError) { return try attempt(body) } catch {
        guard error.code == MDB_MAP_FULL else { throw error }
        try grow()
      }
    }
  }

  private func attempt<T>(_ body: (BTreeTransaction) throws(DiskError) -> T) throws(DiskError) -> T {
    var transaction: OpaquePointer?
    try Self.check(mdb_txn_begin(environment, nil, 0, &transaction), "mdb_txn_begin", path)
    guard let transaction else { throw DiskError("mdb_txn_begin", path, code: ENOMEM) }
    let result: T
    do throws(DiskError) { result = try body(BTreeTransaction(transaction, tables, path)) } catch {
      mdb_txn_abort(transaction)
      throw error
    }
    try Self.check(mdb_txn_commit(transaction), "mdb_txn_commit", path)
    return result
  }

  private func grow() throws(DiskError) {
    var info = MDB_envinfo()
    try Self.check(mdb_env_info(environment, &info), "mdb_env_info", path)
    guard info.me_mapsize < Self.mapBytesMax else { throw DiskError("mdb_env_set_mapsize", path, code: MDB_MAP_FULL) }
    // Nothing may hold on to the old mapping, the reader that is kept neither.
    if let reader { mdb_txn_abort(reader) }
    reader = nil
    try Self.check(mdb_env_set_mapsize(environment, info.me_mapsize * 2), "mdb_env_set_mapsize", path)
  }
}

/// One transaction: what `BTree.read` and `BTree.write` lend; keep no copy. (As a type that cannot be copied it would say so itself,
/// but the optimizer of Swift 6.3 fails on closures that borrow one.)
struct BTreeTransaction {
  fileprivate let handle: OpaquePointer
  private let tables: [MDB_dbi]
  private let path: String

  fileprivate init(_ handle: OpaquePointer, _ tables: [MDB_dbi], _ path: String) {
    self.handle = handle
    self.tables = tables
    self.path = path
  }

  /// Valid until the transaction ends or changes something.
  func value(_ key: UInt64, in table: BTree.Table) throws(DiskError) -> UnsafeRawBufferPointer? {
    var found = MDB_val()
    let code = withKey(key) { mdb_get(handle, tables[table.rawValue], $0, &found) }
    if code == MDB_NOTFOUND { return nil }
    try BTree.check(code, "mdb_get", path)
    return UnsafeRawBufferPointer(start: found.mv_data, count: found.mv_size)
  }

  func value(_ mark: BTree.Mark) throws(DiskError) -> UnsafeRawBufferPointer? { try value(mark.rawValue, in: .marks) }

  /// Makes room for `count` bytes under `key`, which `fill` must set, all of them.
  ///
  /// - Parameter isLast: the key is larger than all in the table: the tree then grows at its right edge, with full pages.
  func put(
    _ key: UInt64, in table: BTree.Table, count: Int, isLast: Bool, _ fill: (UnsafeMutableRawBufferPointer) -> Void
  ) throws(DiskError) {
    var value = MDB_val(mv_size: count, mv_data: nil)
    let flags = UInt32(MDB_RESERVE | (isLast ? MDB_APPEND : 0))
    try BTree.check(withKey(key) { mdb_put(handle, tables[table.rawValue], $0, &value, flags) }, "mdb_put", path)
    fill(UnsafeMutableRawBufferPointer(start: value.mv_data, count: count))
  }

  func put(_ key: UInt64, in table: BTree.Table, _ bytes: [UInt8], isLast: Bool = false) throws(DiskError) {
    try put(key, in: table, count: bytes.count, isLast: isLast) { $0.copyBytes(from: bytes) }
  }

  func put(_ mark: BTree.Mark, _ bytes: [UInt8]) throws(DiskError) { try put(mark.rawValue, in: .marks, bytes) }

  func put(_ mark: BTree.Mark, _ number: Int64) throws(DiskError) {
    var bytes: [UInt8] = []
    bytes.appendBigEndian(number)
    try put(mark, bytes)
  }

  /// Lends a cursor over a table.
  func withCursor<T>(
    _ table: BTree.Table, _ body: (BTreeCursor) throws(DiskError) -> T
  ) throws(DiskError) -> T {
    var cursor: OpaquePointer?
    try BTree.check(mdb_cursor_open(handle, tables[table.rawValue], &cursor), "mdb_cursor_open", path)
    guard let cursor else { throw DiskError("mdb_cursor_open", path, code: ENOMEM) }
    defer { mdb_cursor_close(cursor) }
    return try body(BTreeCursor(cursor, path))
  }
}

/// A place in a table, in the order of keys.
struct BTreeCursor {
  private let handle: OpaquePointer
  private let path: String

  /// Valid until the transaction ends or changes something.
  struct Entry {
    var key: UInt64
    var value: UnsafeRawBufferPointer

    /// The number a value begins with; 0 where it is too short for one.
    var number: UInt64 { value.count < 8 ? 0 : value.bigEndian(at: 0, as: UInt64.self) }
  }

  fileprivate init(_ handle: OpaquePointer, _ path: String) {
    self.handle = handle
    self.path = path
  }

  func first() throws(DiskError) -> Entry? { try move(MDB_FIRST) }
  func last() throws(DiskError) -> Entry? { try move(MDB_LAST) }
  func next() throws(DiskError) -> Entry? { try move(MDB_NEXT) }
  func previous() throws(DiskError) -> Entry? { try move(MDB_PREV) }

  /// The first entry whose key is `key` or larger.
  func ceiling(_ key: UInt64) throws(DiskError) -> Entry? {
    try withKey(key) { key throws(DiskError) in try move(MDB_SET_RANGE, to: key.pointee) }
  }

  /// The last entry whose key is `key` or smaller.
  func floor(_ key: UInt64) throws(DiskError) -> Entry? {
    guard let found = try ceiling(key) else { return try last() }
    return found.key == key ? found : try previous()
  }

  /// Removes the entry the cursor stands at; `next` then gives the one after it, `previous` the one before.
  func remove() throws(DiskError) { try BTree.check(mdb_cursor_del(handle, 0), "mdb_cursor_del", path) }

  private func move(_ operation: MDB_cursor_op, to wanted: MDB_val = MDB_val()) throws(DiskError) -> Entry? {
    var key = wanted
    var value = MDB_val()
    let code = mdb_cursor_get(handle, &key, &value, operation)
    if code == MDB_NOTFOUND { return nil }
    try BTree.check(code, "mdb_cursor_get", path)
    let bytes = UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size)
    guard bytes.count == 8 else { throw DiskError("mdb_cursor_get", path, code: MDB_CORRUPTED) }
    return Entry(
      key: bytes.bigEndian(at: 0, as: UInt64.self),
      value: UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size))
  }
}

/// Big-endian, so that LMDB's order of bytes is that of numbers.
private func withKey<T, Failure: Error>(
  _ key: UInt64, _ body: (UnsafeMutablePointer<MDB_val>) throws(Failure) -> T
) throws(Failure) -> T {
  var bytes = key.bigEndian
  return try withUnsafeMutablePointer(to: &bytes) { bytes throws(Failure) in
    var key = MDB_val(mv_size: 8, mv_data: bytes)
    return try body(&key)
  }
}
