/// One topic key: a row of the table of topic keys in docs/configuration.md.
package struct TopicConfigKey: Sendable {
  /// The unit of a broker key, as its size in the unit of the topic key.
  package enum Unit: Int64, Sendable { case same = 1, minutes = 60_000, hours = 3_600_000 }

  package var key: ConfigKey
  /// The broker keys whose value a topic inherits: the first one that is set.
  package var synonyms: [(name: String, unit: Unit)]

  package var name: String { key.name }
}

/// Holds the table of topic keys.
package enum TopicConfigKeys {
  package static let named: [String: TopicConfigKey] = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  package static let all: [TopicConfigKey] = Keys.topic.rows
}
