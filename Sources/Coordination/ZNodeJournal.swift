internal import CMillrace

/// The journal's bytes: a header, perhaps a snapshot, then the changes since, each once it is on disk. All numbers are
/// big-endian.
///
///     file    = header record*
///     header  = magic "MLZNODES" 8 │ version u32 = 1 │ CRC-32C of those 12 bytes u32
///     record  = length of payload u32 │ CRC-32C of those 4 bytes u32 │ CRC-32C of payload u32 │ payload
///     payload = kind u8 │ …
///       1 change:   zxid i64 │ time ms i64 │ count u32 │ count × step
///           step  = 1 u8 │ path │ data │ ephemeral owner i64     created
///                 | 2 u8 │ path │ data                           set
///                 | 3 u8 │ path                                  deleted
///       2 nodes:    count u32 │ count × (path │ data │ czxid mzxid pzxid ctime mtime i64 │ version creations i32 │ owner i64)
///       3 end of a snapshot: last zxid i64 │ nodes u64
///     path, data = length u32 │ bytes
///
/// A snapshot (kinds 2 and 3) can only stand at the beginning: compaction writes a new file and renames it into place, so
/// one file is always the whole truth. Every append is flushed before it is acknowledged, so only the last record can be
/// torn: some of its sectors written, the others missing or zero. Such an end is cut off. Anything else that does not check
/// out is damage, and never passed over: acknowledged changes come after it.
enum ZNodeJournal {
  static let magic: [UInt8] = Array("MLZNODES".utf8)
  static let version: UInt32 = 1
  static let headerBytes = 16
  static let recordHeaderBytes = 12
  /// The unit in which a write that was cut off by a crash is there or not.
  static let sectorBytes = 512
  static let kindChange: UInt8 = 1, kindNodes: UInt8 = 2, kindEnd: UInt8 = 3
  static let stepCreated: UInt8 = 1, stepSet: UInt8 = 2, stepDeleted: UInt8 = 3

  enum Limits {
    /// A longer record is taken for damage.
    static let payloadBytes = 256 << 20
    /// A snapshot's records are about so long.
    static let snapshotRecordBytes = 1 << 20
  }

  static var header: [UInt8] {
    var out = ByteWriter()
    out.bytes += magic
    out.uint32(version)
    out.uint32(crc(out.bytes[...]))
    return out.bytes
  }

  static func record(_ transaction: ZNodeTransaction) -> [UInt8] {
    var out = ByteWriter()
    out.uint8(kindChange)
    out.int64(transaction.zxid)
    out.int64(transaction.timeMs)
    out.uint32(UInt32(transaction.changes.count))
    for change in transaction.changes {
      switch change {
      case .create(let path, let data, let owner):
        out.uint8(stepCreated)
        out.blob(Array(path.utf8))
        out.blob(data)
        out.int64(owner)
      case .set(let path, let data):
        out.uint8(stepSet)
        out.blob(Array(path.utf8))
        out.blob(data)
      case .delete(let path):
        out.uint8(stepDeleted)
        out.blob(Array(path.utf8))
      }
    }
    return framed(out.bytes)
  }

  /// A whole file that holds `state` and nothing else.
  static func snapshot(_ state: ZNodeState) -> [UInt8] {
    var file = header
    var part = ByteWriter()
    var count: UInt32 = 0
    func flush() {
      guard count > 0 else { return }
      var payload = ByteWriter()
      payload.uint8(kindNodes)
      payload.uint32(count)
      file += framed(payload.bytes + part.bytes)
      part = ByteWriter()
      count = 0
    }
    // A path sorts after its parent's.
    for (path, node) in state.nodes.sorted(by: { $0.key < $1.key }) {
      part.node(path, node)
      count += 1
      if part.bytes.count >= Limits.snapshotRecordBytes { flush() }
    }
    flush()
    var end = ByteWriter()
    end.uint8(kindEnd)
    end.int64(state.lastZxid)
    end.int64(Int64(state.nodes.count))
    return file + framed(end.bytes)
  }

  /// What a journal adds up to.
  struct Replayed {
    var state = ZNodeState()
    /// The bytes that count; what follows is a torn end.
    var validBytes = 0
    /// Where the changes begin: the size of header and snapshot.
    var snapshotBytes = headerBytes
  }

  /// Reads a whole journal. A file that is empty, or holds only a part of the header, is a journal without changes.
  static func replay(_ file: [UInt8]) throws(ZNodeError) -> Replayed {
    var replayed = Replayed()
    guard file.count >= headerBytes else {
      guard header.starts(with: file) || file.allSatisfy({ $0 == 0 }) else { throw notAJournal }
      return replayed
    }
    guard file[..<headerBytes] == header[...] else { throw notAJournal }
    replayed.validBytes = headerBytes
    var restoring = false
    while let payload = try nextPayload(file, at: replayed.validBytes) {
      try take(payload, in: file, into: &replayed, restoring: &restoring)
    }
    guard !restoring else { throw corrupt(replayed.validBytes, "a snapshot without its end") }
    return replayed
  }

  /// The range of the payload of the record at `position`; nil at the end, which may be torn.
  private static func nextPayload(_ file: [UInt8], at position: Int) throws(ZNodeError) -> Range<Int>? {
    let start = position + recordHeaderBytes
    guard start <= file.count else { return nil }
    var reader = ByteReader(bytes: file[position..<start])
    let length = Int(try reader.uint32()), lengthChecksum = try reader.uint32(), checksum = try reader.uint32()
    guard crc(file[position..<position + 4]) == lengthChecksum else {
      guard lacksASector(file, position..<start) else {
        throw corrupt(position, "a length that does not match its checksum")
      }
      return nil
    }
    guard length <= Limits.payloadBytes else { throw corrupt(position, "a record of \(length) bytes") }
    guard length <= file.count - start else { return nil }
    let payload = start..<start + length
    guard crc(file[payload]) == checksum else {
      guard payload.upperBound == file.count else { throw corrupt(position, "a checksum that does not match") }
      return nil
    }
    return payload
  }

  /// The part of `range` on one of its sectors is all zeros.
  private static func lacksASector(_ file: [UInt8], _ range: Range<Int>) -> Bool {
    let border = min(range.upperBound, (range.lowerBound / sectorBytes + 1) * sectorBytes)
    return file[range.lowerBound..<border].allSatisfy { $0 == 0 }
      || (border < range.upperBound && file[border..<range.upperBound].allSatisfy { $0 == 0 })
  }

  private static func take(
    _ payload: Range<Int>, in file: [UInt8], into replayed: inout Replayed, restoring: inout Bool
  ) throws(ZNodeError) {
    let position = payload.lowerBound - recordHeaderBytes
    var reader = ByteReader(bytes: file[payload])
    let kind = try reader.uint8()
    switch kind {
    case kindChange:
      guard !restoring else { throw corrupt(position, "a change inside a snapshot") }
      try replayed.state.replay(try reader.transaction())
    case kindNodes:
      guard restoring || position == headerBytes else {
        throw corrupt(position, "a snapshot that is not the beginning")
      }
      restoring = true
      for _ in 0..<(try reader.uint32()) {
        let (path, node) = try reader.node()
        try replayed.state.restore(path, node)
      }
    case kindEnd:
      let zxid = try reader.int64(), count = try reader.int64()
      guard restoring, count == Int64(replayed.state.nodes.count) else {
        throw corrupt(position, "a snapshot of \(replayed.state.nodes.count) nodes whose end says \(count)")
      }
      restoring = false
      replayed.state.restored(upTo: zxid)
      replayed.snapshotBytes = payload.upperBound
    default: throw corrupt(position, "a record of kind \(kind)")
    }
    guard reader.bytes.isEmpty else { throw corrupt(position, "a record with \(reader.bytes.count) bytes too many") }
    replayed.validBytes = payload.upperBound
  }

  private static func framed(_ payload: [UInt8]) -> [UInt8] {
    var out = ByteWriter()
    out.bytes.reserveCapacity(payload.count + recordHeaderBytes)
    out.uint32(UInt32(payload.count))
    out.uint32(crc(out.bytes[...]))
    out.uint32(crc(payload[...]))
    out.bytes += payload
    return out.bytes
  }

  private static func crc(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.withUnsafeBytes { millrace_crc32c(0, $0.baseAddress, $0.count) }
  }

  private static func corrupt(_ position: Int, _ what: String) -> ZNodeError {
    ZNodeError(.disk, "", detail: "the z-node journal is damaged at byte \(position): \(what)")
  }

  private static var notAJournal: ZNodeError {
    ZNodeError(.disk, "", detail: "not a z-node journal of version \(version)")
  }
}

/// Appends big-endian numbers and length-prefixed bytes.
struct ByteWriter {
  var bytes: [UInt8] = []

  mutating func uint8(_ value: UInt8) { bytes.append(value) }
  mutating func uint32(_ value: UInt32) { integer(value) }
  mutating func int64(_ value: Int64) { integer(value) }

  mutating func blob(_ value: [UInt8]) {
    uint32(UInt32(value.count))
    bytes += value
  }

  mutating func node(_ path: String, _ node: ZNodeState.Node) {
    blob(Array(path.utf8))
    blob(node.data)
    for number in [node.czxid, node.mzxid, node.pzxid, node.ctime, node.mtime] { int64(number) }
    integer(node.version)
    integer(node.creations)
    int64(node.ephemeralOwner)
  }

  private mutating func integer(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
  }
}

/// Reads what `ByteWriter` writes; throws where the bytes end too soon.
struct ByteReader {
  var bytes: ArraySlice<UInt8>

  mutating func uint8() throws(ZNodeError) -> UInt8 { try integer() }
  mutating func uint32() throws(ZNodeError) -> UInt32 { try integer() }
  mutating func int64() throws(ZNodeError) -> Int64 { try integer() }

  mutating func blob() throws(ZNodeError) -> ArraySlice<UInt8> {
    let count = Int(try uint32())
    guard count <= bytes.count else { throw tooShort }
    defer { bytes = bytes.dropFirst(count) }
    return bytes.prefix(count)
  }

  mutating func path() throws(ZNodeError) -> String { String(decoding: try blob(), as: UTF8.self) }

  mutating func transaction() throws(ZNodeError) -> ZNodeTransaction {
    var transaction = ZNodeTransaction(zxid: try int64(), timeMs: try int64(), changes: [])
    for _ in 0..<(try uint32()) {
      let step = try uint8()
      switch step {
      case ZNodeJournal.stepCreated:
        transaction.changes.append(
          .create(path: try path(), data: Array(try blob()), ephemeralOwner: try int64()))
      case ZNodeJournal.stepSet: transaction.changes.append(.set(path: try path(), data: Array(try blob())))
      case ZNodeJournal.stepDeleted: transaction.changes.append(.delete(path: try path()))
      default: throw ZNodeError(.disk, "", detail: "a step of kind \(step) in the z-node journal")
      }
    }
    return transaction
  }

  mutating func node() throws(ZNodeError) -> (String, ZNodeState.Node) {
    let path = try path()
    let node = ZNodeState.Node(
      data: Array(try blob()), czxid: try int64(), mzxid: try int64(), pzxid: try int64(), ctime: try int64(),
      mtime: try int64(), version: try integer(), creations: try integer(), ephemeralOwner: try int64())
    return (path, node)
  }

  private mutating func integer<Number: FixedWidthInteger>() throws(ZNodeError) -> Number {
    let size = MemoryLayout<Number>.size
    guard bytes.count >= size else { throw tooShort }
    defer { bytes = bytes.dropFirst(size) }
    return bytes.withUnsafeBytes { Number(bigEndian: $0.loadUnaligned(as: Number.self)) }
  }

  private var tooShort: ZNodeError {
    ZNodeError(.disk, "", detail: "a record of the z-node journal that ends too soon")
  }
}
