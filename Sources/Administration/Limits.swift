/// Names the limits of administrative commands, and what happens at each.
enum Limits {
  /// Attempts to reach a coordinator that is starting, loading or moving; then the command reports the coordinator's error.
  static let coordinatorAttempts = 30
  /// The pause between two of them, in milliseconds.
  static let coordinatorPauseMs: Int64 = 200
  /// The length of the salts that this program makes, in bytes.
  static let saltBytes = 24
  /// The time that a cluster has for a change of topics or partitions.
  static let changeTimeoutMs: Int32 = 30_000
}
