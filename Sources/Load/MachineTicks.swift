import Glibc

/// What all cores of this machine have done, in the kernel's ticks of 10 ms (`/proc/stat`).
struct MachineTicks: Equatable {
  var total: Int
  /// In which a core had nothing to do, or only waited for the disk.
  var idle: Int

  private enum Limits {
    /// Fewer ticks than these, 0.1 s of two cores, do not say how busy the machine was.
    static let least = 20
    /// The first line of the file has ten numbers.
    static let lineBytes = 512
  }

  /// Nil where the kernel does not say.
  static func now() -> MachineTicks? {
    let file = open("/proc/stat", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    let bytes = [UInt8](unsafeUninitializedCapacity: Limits.lineBytes) { buffer, count in
      count = max(0, read(file, buffer.baseAddress, buffer.count))
    }
    return MachineTicks(line: String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
  }

  /// - Parameter line: `cpu`, and then user, nice, system, idle, iowait, irq, softirq and steal; guest time, which may follow, is within user.
  init?(line: String) {
    let words = line.split(separator: " ")
    let ticks = words.dropFirst().prefix(8).compactMap { Int($0) }
    guard words.first == "cpu", ticks.count >= 4 else { return nil }
    total = ticks.reduce(0) { $0 &+ $1 }
    idle = ticks[3] &+ (ticks.count > 4 ? ticks[4] : 0)
  }

  /// The share of the cores' time since `before` in which they had something to do, 0 to 1; nil after too short a time.
  func busyShare(since before: MachineTicks) -> Double? {
    let (total, idle) = (total &- before.total, idle &- before.idle)
    guard total >= Limits.least, (0...total).contains(idle) else { return nil }
    return 1 - Double(idle) / Double(total)
  }
}
