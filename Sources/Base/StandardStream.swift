import Glibc
import Synchronization

/// Standard output or standard error of this process, written with write(2): a stream that is closed, full or a pipe
/// without a reader is an error number to report, not the end of the process.
///
/// The first failure is kept, and everything after it is dropped, so that what a reader has is the beginning of the text
/// and never a text with a hole. A program says so on standard error and exits with `exitCode`.
package final class StandardStream: Sendable {
  package static let output = StandardStream(descriptor: STDOUT_FILENO)
  package static let error = StandardStream(descriptor: STDERR_FILENO)

  /// EX_IOERR of sysexits.h: the program did its work, and its output could not be written.
  package static let exitCode: Int32 = 74

  package let descriptor: Int32
  private let failed = Mutex<Int32?>(nil)

  package init(descriptor: Int32) { self.descriptor = descriptor }

  /// The error number of the first write that failed.
  package var failure: Int32? { failed.withLock { $0 } }

  package var isTerminal: Bool { isatty(descriptor) == 1 }

  /// Makes the standard streams safe to use; to be called before the program opens anything.
  ///
  /// A pipe without a reader becomes EPIPE instead of a signal. A stream that whoever started the program has closed gets
  /// /dev/null opened for reading in its place, where every write fails with EBADF: the first file of the program would
  /// take its number otherwise, and the program's text with it.
  package static func prepare() {
    signal(SIGPIPE, SIG_IGN)
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free number is taken, and all below this one are in use.
      _ = open("/dev/null", O_RDONLY)
    }
  }

  /// Writes the whole text.
  ///
  /// - Returns: true at the first failure only, so that the caller can report it once.
  @discardableResult
  package func write(_ text: String) -> Bool {
    failed.withLock { failed in
      guard failed == nil else { return false }
      failed = Self.write(text, to: descriptor)
      return failed != nil
    }
  }

  /// What happened, for a person: "standard output cannot be written: No space left on device".
  package static func sentence(_ failure: Int32) -> String {
    "standard output cannot be written: \(String(cString: strerror(failure)))"
  }

  /// - Returns: the error number, or nil when all is written.
  private static func write(_ text: String, to descriptor: Int32) -> Int32? {
    var text = text
    return text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)[...]
      while !rest.isEmpty {
        let piece = UnsafeRawBufferPointer(rebasing: rest)
        let count = Glibc.write(descriptor, piece.baseAddress, piece.count)
        if count > 0 {
          rest = rest.dropFirst(count)
        } else if count < 0, errno == EAGAIN {
          // Someone made the shared file description non-blocking: wait until it takes more.
          var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          poll(&wanted, 1, -1)
        } else if count == 0 || errno != EINTR {
          return count == 0 ? EIO : errno
        }
      }
      return nil
    }
  }
}
