import Glibc

/// Reads the files of certificates and keys, and tells when one has changed.
enum TLSFile {
  /// The most bytes of a store: larger than any, and small enough to be read at once.
  static let bytesMax = 16 << 20

  /// - Throws: with the path and the system's reason.
  static func read(_ path: String) throws(TLSError) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw TLSError("\(path): \(String(cString: strerror(errno)))") }
    defer { close(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = chunk.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw TLSError("\(path): \(String(cString: strerror(errno)))") }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      guard bytes.count <= bytesMax else { throw TLSError("\(path): larger than \(bytesMax) bytes") }
    }
  }

  /// What of a file changes when it is written or replaced; all 0 while it is not there.
  struct Stamp: Equatable, Sendable {
    var inode: UInt64 = 0
    var bytes: Int64 = 0
    var seconds: Int64 = 0
    var nanoseconds: Int64 = 0

    init(_ path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return }
      inode = UInt64(status.st_ino)
      bytes = Int64(status.st_size)
      seconds = Int64(status.st_mtim.tv_sec)
      nanoseconds = Int64(status.st_mtim.tv_nsec)
    }
  }
}

/// Certificates or keys that cannot be used. The sentence names the key of the configuration or the file; it never has a password in it.
package struct TLSError: Error, Equatable, CustomStringConvertible {
  package var description: String

  package init(_ description: String) { self.description = description }
}

/// A file beside the stores (a key set, a token) that is read again when it changes.
package struct WatchedFile: Sendable {
  package let path: String
  private let stamp: TLSFile.Stamp

  package init(_ path: String) {
    self.path = path
    stamp = TLSFile.Stamp(path)
  }

  /// Whether it has been written or replaced since this value was made. Costs a system call.
  package var hasChanged: Bool { TLSFile.Stamp(path) != stamp }

  /// Reads it; waits for the disk.
  package func read() throws(TLSError) -> [UInt8] { try TLSFile.read(path) }
}
