/// The client's bounds, and what happens at them.
package enum ClientLimits {
  /// Bytes of one answer; a longer one closes the connection. Kafka's own `fetch.max.bytes` is 55 MiB.
  package static let answerBytesMax = 256 << 20
  /// Connecting takes at most this long.
  package static let connectTimeoutMs = 5_000
  /// Between two attempts to reach a broker that was lost.
  package static let reconnectBackoffMs = 100
  /// Between two looks at the end of a partition that is read at a distance.
  package static let endPollMs = 5
  /// Between a refusal that may pass and the next attempt.
  package static let retryBackoffMs = 100
}
