import Glibc

/// The CPU time of another process of this machine, from /proc.
package enum ProcessCPU {
  /// User and system CPU seconds of all threads of the process that still live, to the nanosecond: the first field of
  /// /proc/PID/task/TID/schedstat (/proc/PID/stat counts ticks of 10 ms). Nil when there is no such process.
  package static func seconds(of pid: Int32) -> Double? {
    guard let directory = opendir("/proc/\(pid)/task") else { return nil }
    defer { closedir(directory) }
    var nanoseconds: UInt64 = 0
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard Int32(name) != nil else { continue }
      // A thread that has just ended has no file any more.
      nanoseconds &+= firstNumber(of: "/proc/\(pid)/task/\(name)/schedstat") ?? 0
    }
    return Double(nanoseconds) * 1e-9
  }

  private static func firstNumber(of path: String) -> UInt64? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { buffer in
      let count = read(file, buffer.baseAddress, buffer.count)
      guard count > 0 else { return nil }
      return UInt64(String(decoding: buffer.prefix(count).prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self))
    }
  }
}
