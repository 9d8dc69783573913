/// Names the client's limits, and what happens at each.
package enum ClientLimits {
  /// The most bytes of one response; a longer one closes the connection. Kafka's own `fetch.max.bytes` is 55 MiB.
  package static let answerBytesMax = 256 << 20
  /// A request's part of at most so many bytes is copied behind the ones before it, so that they leave in one buffer; a longer one is
  /// sent from where it lies. Copying 8 KiB costs what a buffer of its own costs.
  static let copiedBytesMax = 8 << 10
  /// Gathered bytes that are given to the transport before more are gathered.
  static let gatheredBytesMax = 64 << 10
  /// The connect timeout.
  package static let connectTimeoutMs = 5_000
  /// The pause between two attempts to reconnect to a broker.
  package static let reconnectBackoffMs = 100
  /// The pause between two polls of a paused partition's end (`lagRecords`).
  package static let endPollMs = 5
  /// The pause between a retriable error and the next attempt.
  package static let retryBackoffMs = 100
  /// How long a request for the controller is repeated where brokers answer that they are not it.
  package static let controllerWaitMs = 10_000
  /// The pause before a request is sent again while the coordinator ends the last transaction (Kafka's clients: 20 ms).
  package static let transactionBackoffMs = 20
  /// The longest wait for a group's coordinator when a member leaves; its connection is then closed.
  package static let leaveTimeoutMs = 5_000
  /// A longer session in milliseconds (a year) lasts as long as its connection.
  static let sessionMsMax: Int64 = 365 * 86_400_000
  /// The shortest pause of a paced reader, in ns; batches due within it are delivered together.
  static let paceTimerNs: UInt64 = 1_000_000
}
