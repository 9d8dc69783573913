import Glibc
import NIOCore

/// Sets and reads TCP_CONGESTION by name. NIO's typed options carry integers; this option is a string of up to 16 bytes.
extension SocketTransport {
  private typealias Name = (UInt64, UInt64)

  /// Sets the algorithm; the future fails when the kernel lacks it or does not allow it.
  static func setCongestionControl(_ name: String?, of channel: any Channel) -> EventLoopFuture<Void> {
    guard let name else { return channel.eventLoop.makeSucceededVoidFuture() }
    guard let options = channel as? any SocketOptionProvider else { return channel.eventLoop.makeSucceededVoidFuture() }
    var value: Name = (0, 0)
    withUnsafeMutableBytes(of: &value) { $0.copyBytes(from: name.utf8.prefix(15)) }
    return options.unsafeSetSocketOption(level: .tcp, name: .init(rawValue: TCP_CONGESTION), value: value)
  }

  static func congestionControl(of channel: any Channel) -> EventLoopFuture<String?> {
    guard let options = channel as? any SocketOptionProvider else {
      return channel.eventLoop.makeSucceededFuture(nil)
    }
    let value: EventLoopFuture<Name> = options.unsafeGetSocketOption(
      level: .tcp, name: .init(rawValue: TCP_CONGESTION))
    return value.map { name in
      withUnsafeBytes(of: name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
  }
}
