import Glibc
import NIOCore

/// Says in words why the system refused a socket.
package enum SocketFailure {
  package static func reason(_ error: any Error) -> String {
    switch error {
    case let error as IOError: String(cString: strerror(error.errnoCode))
    case let error as SocketAddressError.UnknownHost:
      "the host name '\(error.host)' has no address (\(error.errorDescription))"
    case ChannelError.connectTimeout(let time): "no connection after \(time.nanoseconds / 1_000_000) ms"
    default: "\(error)"
    }
  }
}
