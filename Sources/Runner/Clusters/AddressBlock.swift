import CMillrace
import Glibc
import Results

/// The addresses of one cluster of this machine, which no other has: 10.78.N.0/24, where N belongs to whoever holds a lock on a file. The
/// kernel gives the lock back when the process ends, however it ends.
final class AddressBlock: Sendable {
  enum Limits {
    static let numbers = 250
    /// The last number of the host's address; brokers have their ids.
    static let host = 254
  }

  private static let prefix = "10.78"

  let number: Int
  private let lock: Int32

  /// Claims the first block that is free and that no route leads to, beginning with `preferred` modulo the number of blocks.
  ///
  /// - Parameter directory: of the lock files.
  /// - Returns: nil when none is free, or the directory cannot be written.
  init?(preferring preferred: Int, directory: String = "/run") {
    let routes = SmallFile.read("/proc/net/route") ?? ""
    for step in 0..<Limits.numbers {
      let number = (preferred + step) % Limits.numbers
      let file = open("\(directory)/millrace-cluster-\(number).lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
      guard file >= 0 else { return nil }
      if flock(file, LOCK_EX | LOCK_NB) == 0, !Self.isRouted(number, in: routes) {
        self.number = number
        lock = file
        return
      }
      close(file)
    }
    return nil
  }

  deinit { close(lock) }

  /// Whether a route leads to the block. A line of /proc/net/route is `eth0 00624E0A 00000000 …`: the interface, and the destination as a
  /// number in the machine's byte order, here 10.78.98.0.
  static func isRouted(_ number: Int, in routes: String) -> Bool {
    let digits = String(number, radix: 16, uppercase: true)
    let destination = "00" + (digits.count < 2 ? "0" : "") + digits + "4E0A"
    return routes.split(separator: "\n").contains { line in
      line.split(whereSeparator: { $0 == "\t" || $0 == " " }).dropFirst().first.map { $0 == destination } ?? false
    }
  }

  var subnet: String { "\(Self.prefix).\(number).0/24" }
  /// The address of the machine on the cluster's network.
  var host: String { "\(Self.prefix).\(number).\(Limits.host)" }
  func address(of broker: Int) -> String { "\(Self.prefix).\(number).\(broker)" }
}
