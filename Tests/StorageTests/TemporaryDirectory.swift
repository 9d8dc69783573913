import Glibc

@testable import Storage

/// A directory of the real file system, removed with everything in it when the test lets go.
final class TemporaryDirectory {
  let path: String

  init() throws {
    var template = Array("/tmp/millrace-storage-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw DiskError("mkdtemp", "/tmp", code: errno) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { Self.remove(path) }

  private static func remove(_ path: String) {
    let disk = RealDisk()
    for name in (try? disk.names(in: path)) ?? [] {
      let inner = "\(path)/\(name)"
      if (try? disk.info(inner))??.isDirectory == true { remove(inner) } else { try? disk.remove(inner) }
    }
    try? disk.removeDirectory(path)
  }
}
