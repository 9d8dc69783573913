/// The limits of what the module keeps.
package enum SecurityLimits {
  /// The longest name of a resource that an ACL can have, in bytes: it is part of a z-node's path.
  package static let resourceNameBytes = 512

  /// The longest time in milliseconds for which a quota mutes a connection.
  package static let throttleMsMax: Int64 = 3_600_000

  /// The clients of which quotas keep counts at a time.
  package static let quotaMeters = 100_000
}
