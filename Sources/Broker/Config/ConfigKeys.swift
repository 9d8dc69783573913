import Base

/// The keys with a type, by table.
enum Keys {
  static let server = ServerKeys(), limits = LimitKeys(), topics = TopicsKeys(), log = LogKeys()
  static let internalTopics = InternalTopicKeys(), millrace = MillraceKeys()
  static let topic = TopicKeys()
}

/// The table of broker keys: Kafka 3.9's names, types and defaults, and Millrace's own (`millrace.…`).
package enum ConfigKeys {
  /// Every key, ours and Kafka's.
  package static let all: [ConfigKey] = acted + inherited + accepted

  /// The keys of the tables.
  static let acted: [ConfigKey] =
    Keys.server.rows + Keys.limits.rows + Keys.topics.rows + Keys.log.rows + Keys.internalTopics.rows
    + Keys.millrace.rows

  /// The keys that topics inherit from.
  static let inherited: [ConfigKey] = Keys.topic.brokerRows

  package static let named: [String: ConfigKey] = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  /// The known key that looks most like a mistyped one; nil when nothing is near.
  package static func nearest(to name: String) -> String? {
    Spelling.nearest(to: name, among: all.map(\.name), reach: max(2, name.utf8.count / 5))
  }
}
