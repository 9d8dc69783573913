internal import CMillrace
import Glibc
package import NIOCore

/// A user's own file as records, so that codecs can be tried on what he really sends.
///
/// The records are the file's beginning, next to each other as they lie in it: what a codec finds across the messages
/// of a batch is what neighbours have in common, so scattered samples would tell too little.
package struct RecordFile: Sendable {
  package enum Limits {
    /// One record; more means that the file is not split where its records end.
    static let recordBytesMax = 16 << 20
  }

  package enum Split: Sendable, Equatable {
    /// A record a line, without the line's end; empty lines are left out.
    case lines
    /// Records of so many bytes; the last may be smaller.
    case fixed(bytes: Int)
  }

  package let path: String
  /// Of the whole file.
  package let fileBytes: Int
  package let records: [ByteBuffer]
  package let emptyLines: Int
  /// Of the file that the records come from, line ends included.
  package let usedBytes: Int

  /// Records from the beginning of the file until their bytes pass `sampleBytes`, or to its end.
  package init(path: String, split: Split, sampleBytes: Int) throws(MechanismError) {
    if case .fixed(let bytes) = split, !(1...Limits.recordBytesMax).contains(bytes) {
      throw .badPlan("records of \(bytes) bytes: 1 to \(Limits.recordBytesMax)")
    }
    guard sampleBytes > 0 else { throw .badPlan("a sample of \(sampleBytes) bytes") }
    self.path = path
    let file = try check("open \(path)") { open(path, O_RDONLY | O_CLOEXEC) }
    defer { close(file) }
    var status = stat()
    try check("stat \(path)") { fstat(file, &status) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw .badPlan("\(path) is a directory") }
    fileBytes = Int(status.st_size)
    // One record beyond the sample may end outside of it.
    let bytes = try Self.beginning(of: file, path, upTo: sampleBytes + Limits.recordBytesMax)
    switch split {
    case .fixed(let size):
      records = stride(from: 0, to: min(bytes.count, sampleBytes), by: size).map { start in
        ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)])
      }
      (emptyLines, usedBytes) = (0, records.reduce(0) { $0 + $1.readableBytes })
    case .lines:
      let found = try Self.lines(bytes, path, sampleBytes)
      (records, emptyLines, usedBytes) = (found.records, found.empty, found.end)
    }
    guard !records.isEmpty else { throw .badPlan("\(path) holds no records") }
  }

  private static func beginning(of file: Int32, _ path: String, upTo most: Int) throws(MechanismError) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while bytes.count < most {
      let wanted = min(chunk.count, most - bytes.count)
      let count = try check("read \(path)") { read(file, &chunk, wanted) }
      if count == 0 { break }
      bytes.append(contentsOf: chunk[..<count])
    }
    return bytes
  }

  private static func lines(
    _ bytes: [UInt8], _ path: String, _ sampleBytes: Int
  ) throws(MechanismError) -> (records: [ByteBuffer], empty: Int, end: Int) {
    var records: [ByteBuffer] = []
    var (taken, empty, start) = (0, 0, 0)
    while start < bytes.count, taken < sampleBytes {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      guard end - start <= Limits.recordBytesMax else {
        throw .badPlan("\(path): a line longer than \(Limits.recordBytesMax) bytes (give --record-size)")
      }
      var line = bytes[start..<end]
      if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
      if line.isEmpty { empty += 1 } else { records.append(ByteBuffer(bytes: line)) }
      taken += line.count
      start = end + 1
    }
    return (records, empty, min(start, bytes.count))
  }
}
