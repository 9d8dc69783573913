import Base

/// A time of the monotonic clock, in milliseconds.
enum Moment {
  static var nowMs: Double { Double(Clocks.monotonicNs()) / 1e6 }

  /// Looks at a condition again and again; returns whether it held within `seconds`.
  static func wait(seconds: Double, everyMs: Int64 = 5, until holds: () throws -> Bool) rethrows -> Bool {
    let deadline = nowMs + seconds * 1000
    while true {
      if try holds() { return true }
      if nowMs >= deadline { return false }
      Clocks.nap(milliseconds: everyMs)
    }
  }
}
