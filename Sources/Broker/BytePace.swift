import Model

/// Keeps the bytes that work in the background reads and writes below a rate: cleanings (log.cleaner.io.max.bytes.per.second) and moves of
/// replicas (replica.alter.log.dirs.io.max.bytes.per.second). A value, without a clock.
///
/// Worked case: at 1,000 bytes a second, 500 bytes have been moved at time 0. The next turn may begin at 500 ms; one that ends at 2 s, for the disk was
/// slow, has used up nothing in advance, and what it saved is not made up for.
struct BytePace {
  /// When what was moved so far is paid for.
  private var dueNs: Int64 = 0

  /// Takes note of bytes that were moved.
  ///
  /// - Returns: the nanoseconds until more may be moved; 0 for at once.
  mutating func moved(bytes: Int, bytesPerSecond: Double, nowNs: Int64) -> Int64 {
    let seconds = Double(bytes) / max(bytesPerSecond, 1)
    // A century is as good as never, and fits.
    let costNs = Int64(min(seconds * 1e9, Double(Limits.timerMsMax) * 1e6))
    dueNs = max(dueNs, nowNs).addingClamped(costNs)
    return costNs == 0 ? 0 : dueNs.subtractingClamped(nowNs)
  }
}
