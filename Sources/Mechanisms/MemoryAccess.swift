import Base
import Glibc

/// Reads 4-byte values of an array in memory, in order or at random: what sequential access to a disk is held against.
///
/// The array is mapped, written page by page before the clock starts, and should be several times the last-level cache.
/// Value i is i · 2654435769 modulo 2^32, so that a sum of what was read can be checked.
package struct MemoryAccess: Sendable {
  package enum Pattern: String, Sendable, CaseIterable {
    case sequential
    /// Indices that do not depend on what was read: the processor has several reads under way.
    case random
    /// Each index depends on the value read before: one read at a time, as in a chain of pointers.
    case chained
  }

  package enum Pages: String, Sendable, CaseIterable {
    /// 4 KiB pages, transparent huge pages refused.
    case small
    /// Huge pages asked for.
    case huge
  }

  package enum Limits {
    static let arrayBytes = 4096...(1 << 40)
    /// Reads between two looks at the clock.
    static let step = 1 << 16
  }

  package var arrayBytes: Int
  package var pattern: Pattern
  package var pages = Pages.small
  package var seconds = 1.0
  package var seed: UInt64 = 1

  package init(arrayBytes: Int, pattern: Pattern) {
    self.arrayBytes = arrayBytes
    self.pattern = pattern
  }

  package struct Result: Sendable, Equatable {
    package var values: Int
    package var seconds: Double
    package var cpuSeconds: Double
    /// Wrapping sum of what was read.
    package var sum: UInt64
    /// Share of the array in huge pages, 0...1: what was granted, not what was asked for.
    package var hugeShare: Double
    /// Anonymous memory of the process with the array in it.
    package var residentBytes: Int
    package var valuesPerSecond: Double { Double(values) / seconds }
  }

  package func run() throws(MechanismError) -> Result {
    guard Limits.arrayBytes.contains(arrayBytes), arrayBytes % 4 == 0 else {
      throw .badPlan("the array must have \(Limits.arrayBytes) bytes, a multiple of 4, not \(arrayBytes)")
    }
    guard seconds > 0, seconds <= 3600 else { throw .badPlan("seconds must be above 0 and at most 3600") }
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    guard let map = mmap(nil, arrayBytes, PROT_READ | PROT_WRITE, flags, -1, 0), map != MAP_FAILED else {
      throw .call("mmap of \(arrayBytes) bytes", errno: errno)
    }
    defer { munmap(map, arrayBytes) }
    // Only advice: what came of it is in `hugeShare`.
    _ = madvise(map, arrayBytes, pages == .huge ? Int32(MADV_HUGEPAGE) : Int32(MADV_NOHUGEPAGE))
    let array = UnsafeMutableBufferPointer(start: map.assumingMemoryBound(to: UInt32.self), count: arrayBytes / 4)
    for index in array.indices { array[index] = Self.value(index) }
    let values = UnsafeBufferPointer(array)
    let watch = try Progress.shared.watch()
    defer { watch.end() }
    let cpu = threadClockSeconds(CLOCK_THREAD_CPUTIME_ID)
    let start = nowNanoseconds()
    let (count, sum) = read(values, until: start + Int64(seconds * 1e9))
    let elapsed = Double(max(nowNanoseconds() - start, 1)) / 1e9
    let used = threadClockSeconds(CLOCK_THREAD_CPUTIME_ID) - cpu
    return Result(
      values: count, seconds: elapsed, cpuSeconds: used, sum: sum,
      hugeShare: min(1, Double(try Self.hugeBytes()) / Double(arrayBytes)), residentBytes: try anonymousBytes())
  }

  /// What stands at an index.
  static func value(_ index: Int) -> UInt32 { UInt32(truncatingIfNeeded: index) &* 2_654_435_769 }

  private func read(_ values: UnsafeBufferPointer<UInt32>, until deadline: Int64) -> (Int, UInt64) {
    var random = SplitMix(seed: seed)
    var sum: UInt64 = 0
    var count = 0
    var place = 0
    while nowNanoseconds() < deadline {
      let before = count
      defer { Progress.shared.add(4 * (count - before)) }
      switch pattern {
      case .sequential:
        if place == values.count { place = 0 }
        let end = min(place + Limits.step, values.count)
        for index in place..<end { sum &+= UInt64(values[index]) }
        count += end - place
        place = end
      case .random:
        for _ in 0..<Limits.step { sum &+= UInt64(values[random.below(values.count)]) }
        count += Limits.step
      case .chained:
        for _ in 0..<Limits.step {
          let value = UInt64(values[place])
          sum &+= value
          // The high half decides where to go next.
          place = Int((random.next() ^ value << 32).multipliedFullWidth(by: UInt64(values.count)).high)
        }
        count += Limits.step
      }
    }
    return (count, sum)
  }

  /// AnonHugePages of the process; 0 where the kernel does not tell.
  private static func hugeBytes() throws(MechanismError) -> Int {
    let file = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return 0 }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try check("read /proc/self/smaps_rollup") { Glibc.read(file, &bytes, 4096) }
    for line in String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
    where line.hasPrefix("AnonHugePages:") {
      return (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) * 1024
    }
    return 0
  }
}
