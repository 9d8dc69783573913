import Base

/// Holds the tables of keys whose values have a type.
enum Keys {
  static let server = ServerKeys(), limits = LimitKeys(), topics = TopicsKeys(), log = LogKeys()
  static let cleaner = CleanerKeys(), internalTopics = InternalTopicKeys(), groups = GroupKeys()
  static let transactions = TransactionKeys(), cluster = ClusterKeys(), replication = ReplicationKeys()
  static let security = SecurityKeys(), access = AccessKeys()
  static let millrace = MillraceKeys()
  static let topic = TopicKeys()
}

/// Holds the table of broker keys: those of Apache Kafka 3.9, with its names, types and defaults, and Millrace's own
/// (`millrace.…`).
package enum ConfigKeys {
  /// Every broker key.
  package static let all: [ConfigKey] = acted + inherited + accepted

  /// The keys of the typed tables: Millrace's own, and Kafka's that the broker reads or sets limits by.
  static let acted: [ConfigKey] =
    Keys.server.rows + Keys.limits.rows + Keys.topics.rows + Keys.log.rows + Keys.cleaner.rows
    + Keys.internalTopics.rows + Keys.groups.rows + Keys.transactions.rows + Keys.cluster.rows
    + Keys.replication.rows + Keys.security.rows + Keys.access.rows + Keys.millrace.rows

  /// The keys from which topics inherit.
  static let inherited: [ConfigKey] = Keys.topic.brokerRows

  /// Every broker key by its name, those of one listener too.
  package static let named = ConfigKeyNames(all)

  /// Returns the key with the name nearest to a mistyped one, by edit distance; nil when none is near.
  package static func nearest(to name: String) -> String? {
    Spelling.nearest(to: name, among: all.map(\.name), reach: max(2, name.utf8.count / 5))
  }
}
