import Glibc

/// The clocks of the machine, and the only file that reads them.
package enum Clocks {
  /// CLOCK_MONOTONIC in nanoseconds: for waits, and for latencies between programs of one machine.
  @inline(__always)
  package static func monotonicNs() -> UInt64 { read(CLOCK_MONOTONIC) }

  /// Milliseconds since 1970.
  package static func wallMs() -> Int64 { Int64(wallNs() / 1_000_000) }

  /// Nanoseconds since 1970.
  package static func wallNs() -> UInt64 { read(CLOCK_REALTIME) }

  /// Milliseconds since the machine started, time asleep included.
  package static func bootMs() -> Int64 { Int64(read(CLOCK_BOOTTIME) / 1_000_000) }

  /// CPU time of the calling thread in nanoseconds.
  package static func threadCPUNs() -> UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }

  /// CPU time of the process, user and system, all threads, in seconds.
  package static func processCPUSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  /// Sleeps on the calling thread, which must not be an event loop's.
  package static func nap(milliseconds: Int64) {
    var time = timespec(tv_sec: Int(milliseconds / 1000), tv_nsec: Int(milliseconds % 1000) * 1_000_000)
    nanosleep(&time, nil)
  }

  @inline(__always)
  private static func read(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}
