import Glibc
import NIOCore

/// TCP_CONGESTION: which algorithm paces a socket's sending. The machine's default may be one that paces even loopback
/// (BBR: a third of cubic's throughput at four times the processor time, measured), so the broker sets its own.
enum CongestionControl {
  /// Kernel names are shorter than this (TCP_CA_NAME_MAX).
  private typealias Name = (UInt64, UInt64)

  static func set(_ algorithm: String, on socket: any SocketOptionProvider) -> EventLoopFuture<Void> {
    var name: Name = (0, 0)
    withUnsafeMutableBytes(of: &name) { room in
      room.copyBytes(from: algorithm.utf8.prefix(room.count - 1))
    }
    return socket.unsafeSetSocketOption(
      level: .tcp, name: .init(rawValue: TCP_CONGESTION), value: CongestionName(name: name))
  }

  private struct CongestionName: Sendable { var name: Name }
}
