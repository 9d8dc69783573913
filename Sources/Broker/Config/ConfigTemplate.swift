/// A commented server.properties: every key that has an effect, with its documentation, its values and its default.
///
/// A key that a configuration sets is a line of its own; every other one is commented out and shows its default, so that taking the `#`
/// away changes nothing. What the text says is therefore the configuration it was made of.
package enum ConfigTemplate {
  /// The subjects, in the order of docs/configuration.md.
  static let sections: [(title: String, keys: [ConfigKey])] = [
    ("Server", Keys.server.rows), ("Limits", Keys.limits.rows), ("Topics", Keys.topics.rows),
    ("Logs, flushing and checkpoints", Keys.log.rows), ("Log cleaner", Keys.cleaner.rows),
    ("Keys that topics inherit", ConfigKeys.inherited), ("Internal topics", Keys.internalTopics.rows),
    ("Groups", Keys.groups.rows), ("Transactions", Keys.transactions.rows), ("Cluster", Keys.cluster.rows),
    ("Replication", Keys.replication.rows), ("Who may do what, and how much", Keys.access.rows),
    ("TLS and SASL", Keys.security.rows), ("Millrace's own keys", Keys.millrace.rows),
  ]

  private static let width = 100

  /// - Parameter given: the values that are set, by key; unknown keys among them are kept at the end.
  package static func text(given: [String: String] = [:]) -> String {
    var lines = [
      "# The configuration of millrace-broker, as millrace-broker --print-config writes it.",
      "# A key that is commented out has its default. Keys without millrace. in front are those of Apache Kafka 3.9.",
      "# millrace-broker --check-config FILE says whether a broker would start.",
    ]
    var named: Set<String> = []
    for (title, keys) in sections + [("Other keys", others)] where keys.contains(where: { $0.effect == .acted }) {
      lines += ["", "#" + String(repeating: "=", count: title.count + 2), "# \(title)", ""]
      for key in keys where key.effect == .acted {
        named.insert(key.name)
        lines += entry(key, given[key.name])
      }
    }
    let rest = given.filter { !named.contains($0.key) }.sorted { $0.key < $1.key }
    if !rest.isEmpty { lines += ["", "# Keys without effect in Millrace"] }
    lines += rest.map { line($0.key, $0.value) }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Keys with an effect that no section has.
  private static var others: [ConfigKey] {
    let known = Set(sections.flatMap { $0.keys.map(\.name) })
    return ConfigKeys.acted.filter { !known.contains($0.name) }
  }

  private static func entry(_ key: ConfigKey, _ value: String?) -> [String] {
    var lines = wrapped(key.documentation)
    let standard = key.defaultValue.map { $0.isEmpty ? "empty" : $0 } ?? "not set"
    lines += wrapped("Values: \(key.allowedText.replacingStars). Default: \(standard).")
    if let value, key.isSensitive {
      // A file that others may read must not get a secret that the first one kept.
      lines.append("# It is set, to a secret that is not shown here.")
      lines.append("#\(line(key.name, value.isEmpty ? "" : "…"))")
    } else if let value {
      lines.append(line(key.name, value))
    } else {
      lines.append("#" + line(key.name, key.defaultValue ?? ""))
    }
    return lines + [""]
  }

  private static func line(_ name: String, _ value: String) -> String { "\(name)=\(escaped(value))" }

  /// As java.util.Properties reads it back. Values have no spaces at their ends.
  private static func escaped(_ value: String) -> String {
    var text = ""
    for character in value.unicodeScalars {
      switch character {
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      default: text.unicodeScalars.append(character)
      }
    }
    return text
  }

  /// Comment lines of at most `width` characters, broken between words.
  private static func wrapped(_ text: String) -> [String] {
    var lines: [String] = []
    var current = "#"
    for word in text.split(separator: " ") {
      if current.count + 1 + word.count > width, current != "#" {
        lines.append(current)
        current = "#"
      }
      current += " \(word)"
    }
    return lines + [current]
  }
}

extension String {
  /// The text without the backslashes that Markdown wants in front of stars.
  fileprivate var replacingStars: String {
    split(separator: "\\*", omittingEmptySubsequences: false).joined(separator: "*")
  }
}
