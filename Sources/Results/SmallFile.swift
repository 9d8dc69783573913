import Glibc

/// Whole small files: those of /proc and /sys, whose size is not known before they are read, and the campaign's own.
package enum SmallFile {
  package struct WriteError: Error, CustomStringConvertible {
    package let path: String
    package let number: Int32
    package var description: String { "\(path): \(String(cString: strerror(number)))" }
  }

  /// Nil when it cannot be opened or read.
  package static func read(_ path: String) -> String? {
    bytes(path).map { String(decoding: $0, as: UTF8.self) }
  }

  package static func bytes(_ path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = Glibc.read(file, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { return nil }
      if count == 0 { return bytes }
      bytes.append(contentsOf: chunk[..<count])
    }
  }

  /// The first line without its end.
  package static func line(_ path: String) -> String? {
    read(path)?.split(separator: "\n", omittingEmptySubsequences: false).first.map(String.init)
  }

  package static func integer(_ path: String) -> Int? { line(path).flatMap { Int($0) } }

  /// Writes at once, without creating: for the control files of /sys and /proc.
  package static func control(_ path: String, _ text: String) -> Bool {
    let file = open(path, O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    let bytes = Array(text.utf8)
    return Glibc.write(file, bytes, bytes.count) == bytes.count
  }

  /// Replaces the file by way of a synced neighbour, so that a reader or a crash sees the old or the new one.
  package static func replace(_ path: String, _ text: String) throws(WriteError) {
    let draft = path + ".new"
    let file = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw WriteError(path: draft, number: errno) }
    defer { close(file) }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw WriteError(path: draft, number: errno) }
      rest = rest.dropFirst(count)
    }
    guard fsync(file) == 0, rename(draft, path) == 0 else { throw WriteError(path: path, number: errno) }
  }

  /// The names in a directory, sorted; nil when it cannot be opened.
  package static func entries(of path: String) -> [String]? {
    guard let directory = opendir(path) else { return nil }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}
