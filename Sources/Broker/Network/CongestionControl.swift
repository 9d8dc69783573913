import CMillrace
import Glibc
import NIOCore

/// TCP_CONGESTION: which algorithm paces a socket's sending. The machine's default may be one that paces even loopback
/// (BBR: a third of cubic's throughput at four times the processor time, measured), so the broker sets its own.
enum CongestionControl {
  /// Kernel names are shorter than this (TCP_CA_NAME_MAX).
  private typealias Name = (UInt64, UInt64)

  static func set(_ algorithm: String, on socket: any SocketOptionProvider) throws {
    var name: Name = (0, 0)
    withUnsafeMutableBytes(of: &name) { room in
      room.copyBytes(from: algorithm.utf8.prefix(room.count - 1))
    }
    try socket.unsafeSetSocketOption(
      level: .tcp, name: .init(rawValue: TCP_CONGESTION), value: CongestionName(name: name)
    ).wait()
  }

  private struct CongestionName: Sendable { var name: Name }
}

/// Sleeps on a thread that is not an event loop's.
func nap(milliseconds: Int64) {
  var time = timespec(tv_sec: Int(milliseconds / 1000), tv_nsec: Int(milliseconds % 1000) * 1_000_000)
  nanosleep(&time, nil)
}

/// The machine's clock.
package enum WallClock {
  /// Milliseconds since 1970.
  package static func nowMs() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }
}
