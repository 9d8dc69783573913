/// A topic's key and the broker keys that are its default, most binding first.
package struct TopicConfigKey: Sendable {
  /// How a broker key's number becomes the topic key's.
  package enum Unit: Int64, Sendable { case same = 1, minutes = 60_000, hours = 3_600_000 }

  package var key: ConfigKey
  package var synonyms: [(name: String, unit: Unit)]

  package var name: String { key.name }
}

/// The table of topic keys.
package enum TopicConfigKeys {
  package static let named: [String: TopicConfigKey] = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  package static let all: [TopicConfigKey] = Keys.topic.rows
}
