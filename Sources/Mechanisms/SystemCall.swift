import Base
internal import CMillrace
import Glibc
import Model

/// A system call failed, or the bytes that came out are not those that went in. Either spoils the whole run.
package enum MechanismError: Error, Equatable, CustomStringConvertible {
  case call(String, errno: Int32)
  /// A plan that cannot run; the text says what and why.
  case badPlan(String)
  /// What arrived is not what was sent.
  case corrupted(String)

  package var description: String {
    switch self {
    case .call(let call, let errno): "\(call): \(String(cString: strerror(errno)))"
    case .badPlan(let reason): reason
    case .corrupted(let reason): reason
    }
  }
}

/// The result of a call that returns -1 and sets errno, or the error; an interrupted call is made again.
@discardableResult
func check<Count: SignedInteger>(_ call: @autoclosure () -> String, _ body: () -> Count) throws(MechanismError) -> Count
{
  while true {
    let result = body()
    if result >= 0 { return result }
    let code = errno
    if code != EINTR { throw .call(call(), errno: code) }
  }
}

/// Monotonic time in nanoseconds; only differences mean anything.
func nowNanoseconds() -> Int64 { Int64(Clocks.monotonicNs()) }

/// Sleeps until a moment of `nowNanoseconds`; returns at once when it has passed.
func sleepUntil(nanoseconds moment: Int64) {
  var time = timespec(tv_sec: Int(moment / 1_000_000_000), tv_nsec: Int(moment % 1_000_000_000))
  while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil) == EINTR {}
}

/// What the calling thread has used so far; differences of two are a measurement.
package struct ThreadUsage: Sendable, Equatable {
  /// User and system time, from the scheduler's nanosecond clock.
  package var cpuSeconds: Double
  package var voluntarySwitches: Int
  package var involuntarySwitches: Int
  package var minorFaults: Int

  package init(cpuSeconds: Double, voluntarySwitches: Int, involuntarySwitches: Int, minorFaults: Int) {
    self.cpuSeconds = cpuSeconds
    self.voluntarySwitches = voluntarySwitches
    self.involuntarySwitches = involuntarySwitches
    self.minorFaults = minorFaults
  }

  package static func now() -> ThreadUsage {
    var usage = rusage()
    _ = millrace_thread_usage(&usage)
    return ThreadUsage(
      cpuSeconds: threadClockSeconds(CLOCK_THREAD_CPUTIME_ID), voluntarySwitches: Int(usage.ru_nvcsw),
      involuntarySwitches: Int(usage.ru_nivcsw), minorFaults: Int(usage.ru_minflt))
  }

  package static func - (later: ThreadUsage, earlier: ThreadUsage) -> ThreadUsage {
    ThreadUsage(
      cpuSeconds: later.cpuSeconds - earlier.cpuSeconds,
      voluntarySwitches: later.voluntarySwitches - earlier.voluntarySwitches,
      involuntarySwitches: later.involuntarySwitches - earlier.involuntarySwitches,
      minorFaults: later.minorFaults - earlier.minorFaults)
  }
}

/// A clock that counts a thread's CPU time, its own or another's (`pthread_getcpuclockid`).
func threadClockSeconds(_ clock: clockid_t) -> Double {
  var time = timespec()
  clock_gettime(clock, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Memory at a page boundary, as O_DIRECT wants it. The owner frees it.
func alignedBuffer(byteCount: Int) -> UnsafeMutableRawBufferPointer {
  .allocate(byteCount: byteCount, alignment: 4096)
}

/// Bytes no codec, file system or deduplicating disk can make smaller: SplitMix64 of the seed.
func fillIncompressible(_ buffer: UnsafeMutableRawBufferPointer, seed: UInt64) {
  var random = SplitMix(seed: seed)
  var place = 0
  while place < buffer.count {
    withUnsafeBytes(of: random.next()) { word in
      let count = min(8, buffer.count - place)
      buffer[place..<(place + count)].copyBytes(from: word.prefix(count))
      place += count
    }
  }
}
