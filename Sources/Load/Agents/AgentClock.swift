import Base

/// An agent's clock as it tells it: how far ZooKeeper's is ahead of it, and when it began.
struct AgentClock: Sendable, Equatable {
  /// Nil where the readings contradict each other.
  var offset: ClockOffset?
  /// How much later than was agreed the agent began, by its own measurement of ZooKeeper's clock.
  var lateMs: Double?

  var fields: [(name: String, value: JSON)] {
    [
      ("clock_offset_ms", offset.map { .figure(Double($0.middleNs) / 1e6) } ?? .null),
      ("clock_offset_error_ms", offset.map { .figure(Double($0.errorNs) / 1e6) } ?? .null),
      ("began_late_ms", lateMs.map { .figure($0) } ?? .null),
    ]
  }
}
