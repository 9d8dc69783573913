/// Writes and reads tar archives of small plain files (ustar): what `tar -xf` unpacks. Pure: bytes in, bytes out.
///
///     name 100 │ mode 8 │ uid 8 │ gid 8 │ size 12 │ mtime 12 │ checksum 8 │ type 1 │ link 100 │ magic 6 │ version 2 │ … │ prefix 155
///
/// Numbers are octal text. The file follows in whole blocks of 512 bytes; two empty blocks end the archive.
package enum Tar {
  package struct File: Sendable, Equatable {
    /// Relative, with slashes.
    package var path: String
    package var bytes: [UInt8]

    package init(path: String, bytes: [UInt8]) {
      self.path = path
      self.bytes = bytes
    }
  }

  package enum Failure: Error, Equatable, CustomStringConvertible {
    /// The path has more bytes than a header has room for, or leads out of the directory.
    case badPath(String)
    case cutOff
    case badHeader(at: Int)
    case tooMany(limit: Int)

    package var description: String {
      switch self {
      case .badPath(let path): "'\(path)' is no path for an archive"
      case .cutOff: "the archive is cut off"
      case .badHeader(let place): "the header at byte \(place) is damaged"
      case .tooMany(let limit): "the archive has more than \(limit) files"
      }
    }
  }

  package enum Limits {
    /// Beyond it reading fails.
    package static let files = 10_000
  }

  private enum Field {
    static let block = 512
    static let name = 0..<100, mode = 100..<108, uid = 108..<116, gid = 116..<124, size = 124..<136, time = 136..<148
    static let checksum = 148..<156, type = 156, magic = 257..<265, prefix = 345..<500
    static let plain = UInt8(ascii: "0")
  }

  /// The same bytes for the same files: no owner, and no time.
  package static func archive(_ files: [File]) throws(Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    for file in files {
      bytes += try header(file)
      bytes += file.bytes
      bytes += [UInt8](repeating: 0, count: padding(file.bytes.count))
    }
    return bytes + [UInt8](repeating: 0, count: 2 * Field.block)
  }

  /// The plain files; directories, links and extended headers are passed over.
  package static func files(in bytes: [UInt8]) throws(Failure) -> [File] {
    var files: [File] = []
    var place = 0
    while place < bytes.count {
      guard bytes.count - place >= Field.block else { throw .cutOff }
      let header = Array(bytes[place..<place + Field.block])
      if header.allSatisfy({ $0 == 0 }) { return files }
      guard let sum = octal(header[Field.checksum]), sum == checksum(header), let size = octal(header[Field.size])
      else {
        throw .badHeader(at: place)
      }
      let start = place + Field.block
      guard size <= bytes.count - start else { throw .cutOff }
      if header[Field.type] == Field.plain || header[Field.type] == 0 {
        let prefix = text(header[Field.prefix])
        let path = (prefix.isEmpty ? "" : prefix + "/") + text(header[Field.name])
        guard isInside(path) else { throw .badPath(path) }
        guard files.count < Limits.files else { throw .tooMany(limit: Limits.files) }
        files.append(File(path: path, bytes: Array(bytes[start..<start + size])))
      }
      place = start + size
      place = min(bytes.count, place + padding(size))
    }
    throw .cutOff
  }

  private static func header(_ file: File) throws(Failure) -> [UInt8] {
    guard isInside(file.path), let (prefix, name) = split(file.path) else { throw .badPath(file.path) }
    var header = [UInt8](repeating: 0, count: Field.block)
    func put(_ bytes: some Collection<UInt8>, _ field: Range<Int>) {
      header.replaceSubrange(field.lowerBound..<field.lowerBound + bytes.count, with: bytes)
    }
    func put(_ number: Int, _ field: Range<Int>) {
      let digits = String(number, radix: 8)
      put(Array((String(repeating: "0", count: field.count - 1 - digits.count) + digits).utf8), field)
    }
    put(name.utf8, Field.name)
    put(prefix.utf8, Field.prefix)
    put(0o644, Field.mode)
    for field in [Field.uid, Field.gid, Field.time] { put(0, field) }
    put(file.bytes.count, Field.size)
    header[Field.type] = Field.plain
    put(Array("ustar\0".utf8) + Array("00".utf8), Field.magic)
    put(checksum(header), Field.checksum.lowerBound..<Field.checksum.upperBound - 1)
    header[Field.checksum.upperBound - 1] = UInt8(ascii: " ")
    return header
  }

  /// At the last slash that leaves both parts their room; nil where none does.
  private static func split(_ path: String) -> (prefix: String, name: String)? {
    if path.utf8.count <= Field.name.count { return ("", path) }
    let slashes = path.indices.filter { path[$0] == "/" }
    return slashes.lazy.map { (String(path[..<$0]), String(path[path.index(after: $0)...])) }
      .first { $0.0.utf8.count <= Field.prefix.count && $0.1.utf8.count <= Field.name.count }
  }

  /// The sum of a header's bytes, with spaces in the checksum's place.
  private static func checksum(_ header: [UInt8]) -> Int {
    header.enumerated().reduce(0) { sum, byte in
      sum + Int(Field.checksum.contains(byte.offset) ? UInt8(ascii: " ") : byte.element)
    }
  }

  private static func isInside(_ path: String) -> Bool {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    return !path.isEmpty && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
  }

  private static func padding(_ count: Int) -> Int { (Field.block - count % Field.block) % Field.block }

  private static func text(_ field: ArraySlice<UInt8>) -> String {
    String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// Eleven octal digits at most, so that it always fits.
  private static func octal(_ field: ArraySlice<UInt8>) -> Int? {
    let digits = field.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != 0 && $0 != UInt8(ascii: " ") }
    return digits.isEmpty ? nil : Int(String(decoding: digits, as: UTF8.self), radix: 8).flatMap { $0 >= 0 ? $0 : nil }
  }
}
