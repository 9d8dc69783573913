package import NIOCore
package import Storage

/// A whole response frame to be sent: bytes, and file ranges, which with the default read path are never copied into the process.
package enum OutgoingResponse: Sendable {
  case bytes(ByteBuffer)
  case parts([Part])

  /// The bytes of the whole response.
  var byteCount: Int {
    switch self {
    case .bytes(let bytes): bytes.readableBytes
    case .parts(let parts): parts.reduce(0) { $0 + $1.byteCount }
    }
  }

  package enum Part: Sendable {
    case bytes(ByteBuffer)
    case file(FileRange)

    var byteCount: Int {
      switch self {
      case .bytes(let bytes): bytes.readableBytes
      case .file(let range): range.length
      }
    }

    /// What is left behind the first `count` bytes.
    func dropping(_ count: Int) -> Part {
      switch self {
      case .bytes(var bytes):
        bytes.moveReaderIndex(forwardBy: count)
        return .bytes(bytes)
      case .file(let range):
        return .file(FileRange(file: range.file, position: range.position + count, length: range.length - count))
      }
    }
  }
}

/// `millrace.read.path`: how the bytes of a file range reach the socket.
package enum ReadPath: Sendable, Equatable {
  /// The kernel moves them from the page cache to the socket: one system call a range, no copy of ours.
  case sendfile
  /// The range is read into a buffer of `bufferBytes` and written, repeatedly, as in a broker without sendfile.
  case copy(bufferBytes: Int)
  /// Written from a mapping of the file: no read call, but page faults and mapping work.
  case mmap
}
