import Glibc
import SystemPackage

/// Whole small files: those of /proc and /sys, whose size is not known before they are read, and the campaign's own.
package enum SmallFile {
  /// Nil when it cannot be opened or read.
  package static func read(_ path: String) -> String? {
    bytes(path).map { String(decoding: $0, as: UTF8.self) }
  }

  package static func bytes(_ path: String) -> [UInt8]? {
    guard let file = try? FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec) else { return nil }
    defer { try? file.close() }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      guard let count = try? chunk.withUnsafeMutableBytes({ try file.read(into: $0) }) else { return nil }
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
    guard let file = try? FileDescriptor.open(FilePath(path), .writeOnly, options: .closeOnExec) else { return false }
    defer { try? file.close() }
    // One write: a control file takes the whole of it or nothing.
    let bytes = Array(text.utf8)
    return (try? bytes.withUnsafeBytes { try file.write($0) }) == bytes.count
  }

  /// Replaces the file by way of a synced neighbour, so that a reader or a crash sees the old or the new one.
  package static func replace(_ path: String, _ text: String) throws(WriteError) {
    try replace(path, bytes: Array(text.utf8))
  }

  package static func replace(_ path: String, bytes: [UInt8]) throws(WriteError) {
    let draft = path + ".new"
    try WriteError.naming(draft) {
      let file = try FileDescriptor.open(
        FilePath(draft), .writeOnly, options: [.create, .truncate, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
      try file.closeAfter {
        _ = try file.writeAll(bytes)
        try file.sync()
      }
    }
    guard rename(draft, path) == 0 else { throw WriteError(path: path, errno: Errno(rawValue: errno)) }
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
