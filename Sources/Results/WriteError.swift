import Glibc
package import SystemPackage

/// A file of a result that cannot be written, and why.
package struct WriteError: Error, CustomStringConvertible {
  package let path: String
  package let errno: Errno
  package var description: String { "\(path): \(errno)" }

  /// What `body` throws, with the path; whatever swift-system throws is an `Errno`.
  static func naming<Value>(_ path: String, _ body: () throws -> Value) throws(WriteError) -> Value {
    do {
      return try body()
    } catch {
      throw WriteError(path: path, errno: error as? Errno ?? .ioError)
    }
  }
}

extension FileDescriptor {
  /// Returns when what was written is on disk: swift-system has no call for it.
  func sync() throws {
    guard fsync(rawValue) == 0 else { throw Errno(rawValue: Glibc.errno) }
  }
}
