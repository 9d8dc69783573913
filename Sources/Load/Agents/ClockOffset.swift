/// How far the wall clock of this machine is from another one's, as an interval in which the difference lies.
///
/// The other clock is read in whole milliseconds: here it is the one by which a ZooKeeper server stamps a change (`mtime`). One reading
/// says that the other clock was somewhere in its millisecond at some moment between the request and the response, which bounds the
/// difference from both sides. Every reading's bounds hold, so the true difference lies in all of them: with readings at many places of the
/// millisecond what they have in common becomes narrower than a millisecond, and than the round trip.
///
/// Worked case, in ms: a request leaves at 100.0, its response comes at 104.0, and the stamp is 603. The other clock was at 603.0 to 604.0
/// while ours was at 100.0 to 104.0: the difference is from 499.0 (603.0 at 104.0) to 504.0 (604.0 at 100.0).
struct ClockOffset: Sendable, Equatable {
  /// Nanoseconds to add to this machine's clock to get the other one's: at least, and at most. Empty of readings: everything.
  private(set) var leastNs = Int64.min
  private(set) var mostNs = Int64.max
  private(set) var readings = 0

  init() {}

  /// An interval that has been measured elsewhere.
  init(leastNs: Int64, mostNs: Int64) { (self.leastNs, self.mostNs, readings) = (leastNs, mostNs, 1) }

  /// Takes in one reading, unless it came back before it left (this machine's clock was set meanwhile).
  ///
  /// - Parameters:
  ///   - sentNs: this machine's wall clock when the request left, in nanoseconds since 1970.
  ///   - stampMs: the other clock's, in milliseconds since 1970.
  ///   - receivedNs: this machine's wall clock when the response came.
  mutating func take(sentNs: UInt64, stampMs: Int64, receivedNs: UInt64) {
    guard let sent = Int64(exactly: sentNs), let received = Int64(exactly: receivedNs), sent <= received,
      let (stamp, end) = Self.nanoseconds(of: stampMs)
    else { return }
    leastNs = max(leastNs, stamp - received)
    mostNs = min(mostNs, end - sent)
    readings += 1
  }

  /// The first nanosecond of a millisecond, and that of the next; nil beyond the year 2200, which no right clock shows.
  private static func nanoseconds(of milliseconds: Int64) -> (Int64, Int64)? {
    guard (0..<7_258_118_400_000).contains(milliseconds) else { return nil }
    return (milliseconds * 1_000_000, (milliseconds + 1) * 1_000_000)
  }

  /// False where no difference fits all readings: one of the clocks was set between them, or another server stamped some.
  var isConsistent: Bool { readings > 0 && leastNs <= mostNs }

  /// The middle of the interval.
  var middleNs: Int64 { leastNs &+ (mostNs &- leastNs) / 2 }

  /// The most by which the middle can be wrong.
  var errorNs: Int64 { (mostNs &- leastNs &+ 1) / 2 }
}
