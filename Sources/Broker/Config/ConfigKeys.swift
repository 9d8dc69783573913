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
    let reach = max(2, name.utf8.count / 5)
    let near = all.map { (key: $0.name, distance: editDistance($0.name, name, limit: reach)) }
    guard let best = near.min(by: { $0.distance < $1.distance }), best.distance <= reach else { return nil }
    return best.key
  }

  /// Levenshtein's distance, or `limit + 1` when it is more than `limit`.
  static func editDistance(_ a: String, _ b: String, limit: Int) -> Int {
    let a = Array(a.utf8), b = Array(b.utf8)
    guard abs(a.count - b.count) <= limit else { return limit + 1 }
    var row = Array(0...b.count)
    for i in 0..<a.count {
      var diagonal = row[0]
      row[0] = i + 1
      for j in 0..<b.count {
        let substituted = diagonal + (a[i] == b[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, min(row[j], row[j + 1]) + 1)
      }
    }
    return min(row[b.count], limit + 1)
  }
}
