import Base
import Glibc

/// The request log on standard output.
enum RequestLogOutput {
  /// Writes whole lines. A reader that takes nothing for `Limits.requestLogPatienceMs` loses the rest of them: a stop must not wait for it.
  static func write(_ lines: [UInt8], to descriptor: Int32 = STDOUT_FILENO) {
    var rest = lines[...]
    while !rest.isEmpty {
      var asked = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      guard poll(&asked, 1, Limits.requestLogPatienceMs) == 1, asked.revents & Int16(POLLOUT) != 0 else { return }
      // A pipe that can be written to has room for so many, so that the call does not wait.
      let count = rest.prefix(Int(PIPE_BUF)).withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}
