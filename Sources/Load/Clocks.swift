import Glibc

/// The clocks of this module, and the only place that reads them.
package enum Clocks {
  /// CLOCK_MONOTONIC in nanoseconds: what latencies are measured with. Comparable between processes of one machine.
  @inline(__always)
  package static func monotonicNs() -> UInt64 { read(CLOCK_MONOTONIC) }

  /// Milliseconds since 1970: what records are stamped with for the broker.
  package static func wallMs() -> Int64 { Int64(read(CLOCK_REALTIME) / 1_000_000) }

  /// CPU time of the calling thread.
  static func threadCPUNs() -> UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }

  /// CPU time of the process, user and system, all threads, in seconds.
  static func processCPUSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  @inline(__always)
  private static func read(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}
