import Model

/// Counts what is refused for the same reason again and again, so that the log gets a line at intervals and not one for each.
///
/// Worked case: a disk is full, and 50 partitions refuse 1,000 appends a second. The first is told at once, and a minute later
/// one line says that 60,000 were refused before it.
struct RefusalCounts {
  private var counts: [String: (toldAtMs: Int64, untold: Int)] = [:]

  /// Counts a refusal.
  ///
  /// - Parameters:
  ///   - reason: one of few: the counts of each are kept.
  ///   - nowMs: wall clock time, which may jump in both directions.
  /// - Returns: the number of refusals that were not told since the last that was; nil when this one is not to be told either.
  mutating func refused(_ reason: String, nowMs: Int64) -> Int? {
    guard let (toldAtMs, untold) = counts[reason] else {
      counts[reason] = (nowMs, 0)
      return 0
    }
    guard (nowMs.subtractingClamped(toldAtMs)).magnitude >= Limits.refusedAppendsToldMs else {
      counts[reason] = (toldAtMs, untold + 1)
      return nil
    }
    counts[reason] = (nowMs, 0)
    return untold
  }
}
