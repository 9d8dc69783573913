internal import Csqlite
import Glibc

/// A B-tree of 4 KiB pages behind a write-ahead log (SQLite): the key is the row's own number.
final class SQLiteStore: RecordStore {
  private var database: OpaquePointer?
  private var insert: OpaquePointer?
  private var select: OpaquePointer?
  private var begin: OpaquePointer?
  private var commit: OpaquePointer?
  private var isDurable = true

  init(directory: String) throws(MechanismError) {
    let path = "\(directory)/records.sqlite"
    try sqlite("open \(path)", sqlite3_open(path, &database))
    for statement in [
      "PRAGMA page_size = 4096", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
      "CREATE TABLE log (key INTEGER PRIMARY KEY, value BLOB NOT NULL)",
    ] { try sqlite(statement, sqlite3_exec(database, statement, nil, nil, nil)) }
    insert = try prepared("INSERT INTO log (key, value) VALUES (?, ?)")
    select = try prepared("SELECT value FROM log WHERE key = ?")
    begin = try prepared("BEGIN IMMEDIATE")
    commit = try prepared("COMMIT")
  }

  func put(_ batch: KeyedBatch, durable: Bool) throws(MechanismError) {
    if durable != isDurable {
      let pragma = "PRAGMA synchronous = \(durable ? "FULL" : "OFF")"
      try sqlite(pragma, sqlite3_exec(database, pragma, nil, nil, nil))
      isDurable = durable
    }
    try step(begin)
    for (index, key) in batch.keys.enumerated() {
      let value = batch.value(index)
      try sqlite("bind", sqlite3_bind_int64(insert, 1, Int64(bitPattern: key)))
      // No destructor: the batch outlives the step.
      try sqlite("bind", sqlite3_bind_blob(insert, 2, value.baseAddress, Int32(value.count), nil))
      try step(insert)
    }
    try step(commit)
  }

  func get(_ key: UInt64, _ body: (UnsafeRawBufferPointer) -> Void) throws(MechanismError) -> Bool {
    try sqlite("bind", sqlite3_bind_int64(select, 1, Int64(bitPattern: key)))
    defer { sqlite3_reset(select) }
    switch sqlite3_step(select) {
    case SQLITE_ROW:
      body(
        UnsafeRawBufferPointer(start: sqlite3_column_blob(select, 0), count: Int(sqlite3_column_bytes(select, 0))))
      return true
    case SQLITE_DONE: return false
    case let code: throw failure("SELECT", code)
    }
  }

  /// Moves the write-ahead log into the tree and syncs both.
  func sync() throws(MechanismError) {
    let full = "PRAGMA synchronous = FULL"
    try sqlite(full, sqlite3_exec(database, full, nil, nil, nil))
    isDurable = true
    try sqlite(
      "wal_checkpoint", sqlite3_wal_checkpoint_v2(database, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil))
  }

  func close() {
    for statement in [insert, select, begin, commit] { sqlite3_finalize(statement) }
    sqlite3_close(database)
  }

  private func prepared(_ text: String) throws(MechanismError) -> OpaquePointer? {
    var statement: OpaquePointer?
    try sqlite(text, sqlite3_prepare_v2(database, text, -1, &statement, nil))
    return statement
  }

  private func step(_ statement: OpaquePointer?) throws(MechanismError) {
    let code = sqlite3_step(statement)
    sqlite3_reset(statement)
    if code != SQLITE_DONE { throw failure(String(cString: sqlite3_sql(statement)), code) }
  }

  private func sqlite(_ call: String, _ code: Int32) throws(MechanismError) {
    if code != SQLITE_OK { throw failure(call, code) }
  }

  private func failure(_ call: String, _ code: Int32) -> MechanismError {
    .badPlan("\(call): \(String(cString: sqlite3_errstr(code))), \(String(cString: sqlite3_errmsg(database)))")
  }
}
