package import Glibc

/// What the kernel says of a process's memory, in bytes: `/proc/PID/status`.
package struct ProcessMemory: Sendable {
  /// VmRSS.
  package let resident: Int
  /// VmHWM: the most it was since its start, or since `forgetPeak`.
  package let peak: Int

  package init(of pid: pid_t) throws {
    let status = try String(readingFile: "/proc/\(pid)/status")
    resident = try Self.bytes("VmRSS:", in: status)
    peak = try Self.bytes("VmHWM:", in: status)
  }

  /// From now on `peak` tells of what follows. Where the kernel does not allow that, it tells of more.
  package static func forgetPeak(of pid: pid_t) {
    try? "5".write(toFile: "/proc/\(pid)/clear_refs")
  }

  private static func bytes(_ name: String, in status: String) throws -> Int {
    let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
    guard let line, let kib = line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap({ Int($0) })
    else { throw BrokerProcess.Failure("no \(name) in: \(status)") }
    return kib << 10
  }
}
