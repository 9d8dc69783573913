/// The client's limits, and what happens at each.
package enum ClientLimits {
  /// The most bytes of one answer; a longer one closes the connection. Kafka's own `fetch.max.bytes` is 55 MiB.
  package static let answerBytesMax = 256 << 20
  /// The longest that connecting may take; then it fails.
  package static let connectTimeoutMs = 5_000
  /// The pause between two attempts to reach a broker that was lost.
  package static let reconnectBackoffMs = 100
  /// The pause between two questions for the end of a partition that is read at a distance.
  package static let endPollMs = 5
  /// The pause between a retriable error and the next attempt.
  package static let retryBackoffMs = 100
}
