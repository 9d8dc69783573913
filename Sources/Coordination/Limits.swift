/// What paths, values and requests must keep to.
package enum ZNodeLimits {
  /// A node's data. ZooKeeper's `jute.maxbuffer` is as much for a whole request.
  static let dataBytes = 0xF_FFFF
  static let pathBytes = 4096
  /// Operations of one `multi`: a topic of 65 535 partitions takes two each.
  static let operations = 200_000
  /// A request to a ZooKeeper server: the default of its `jute.maxbuffer`. It closes the connection that brings it a larger one.
  static let requestBytes = 0xF_FFFF
  /// Operations of one `multi`, in bytes: what a request leaves for them.
  package static let multiBytes = requestBytes - 64
}

/// What a session with a ZooKeeper server keeps to.
enum ZooKeeperLimits {
  /// Requests of one bulk read that are under way at once.
  static let readsInFlight = 512
  /// How long the addresses of ZooKeeper's servers are taken for right while the connection holds, in milliseconds.
  static let lookupMs: Int32 = 60_000
  /// How long a call waits for the watches that went off before it was answered: one of them may be waiting for the caller.
  static let deliveryNs: UInt64 = 1_000_000_000
  /// Pause before a request is tried again that was not sent for want of a connection.
  static let retryMs: Int64 = 5
}
