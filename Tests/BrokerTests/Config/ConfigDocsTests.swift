import Foundation
import Testing

@testable import Broker

/// docs/configuration.md is written from the table of keys.
@Suite("docs/configuration.md")
struct ConfigDocsTests {
  /// `MILLRACE_WRITE_DOCS=1 swift test --filter ConfigDocsTests` writes the page.
  @Test("the page says what the table says")
  func page() throws {
    let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
    let path = "/\(root)/docs/configuration.md"
    let written = ConfigDocs.page
    if ProcessInfo.processInfo.environment["MILLRACE_WRITE_DOCS"] != nil {
      try written.write(toFile: path, atomically: true, encoding: .utf8)
    }
    let page = try String(contentsOfFile: path, encoding: .utf8)
    #expect(page == written, "write it anew: MILLRACE_WRITE_DOCS=1 swift test --filter ConfigDocsTests")
  }
}

enum ConfigDocs {
  static var page: String {
    """
    # Configuration

    `millrace-broker server.properties --override key=value` reads a Java properties file with Kafka's key names, types and
    defaults (those of Apache Kafka 3.9), so a file written for Kafka starts Millrace. Millrace's own keys begin with
    `millrace.`.

    - An unknown key is ignored, with a warning that names the nearest known key.
    - A key of Kafka's that has no effect in Millrace is checked and described to clients; one warning at the start names all
      that are set.
    - With a value that is not allowed the broker does not start: the error names every such value with its file, line, key and
      what is allowed.
    - `--override` takes precedence over the file. Of a key given twice the last value counts, with a warning.
    - Keys marked *cluster* or *broker* can be changed while the broker runs (IncrementalAlterConfigs of a broker, or of the
      empty name for all brokers); the others are read at the start.

    This page is written from the tables in `Sources/Broker/Config` (`MILLRACE_WRITE_DOCS=1 swift test --filter
    ConfigDocsTests`), and a test keeps it true.

    ## Millrace's own keys

    \(table(Keys.millrace.rows))

    ## Server

    \(table(Keys.server.rows))

    ## Limits

    \(table(Keys.limits.rows))

    ## Topics

    \(table(Keys.topics.rows))

    ## Logs, flushing and checkpoints

    \(table(Keys.log.rows))

    ## Log cleaner

    \(table(Keys.cleaner.rows))

    ## Keys that topics inherit

    \(table(ConfigKeys.inherited.filter { $0.effect == .acted }))

    ## Internal topics

    \(table(Keys.internalTopics.rows))

    ## Groups

    \(table(Keys.groups.rows))

    ## Transactions

    \(table(Keys.transactions.rows))

    ## Cluster

    \(table(Keys.cluster.rows))

    ## Replication

    \(table(Keys.replication.rows))

    ## Who may do what, and how much

    \(table(Keys.access.rows))

    ## TLS and SASL

    Each key that begins with `ssl.`, and each of SASL, can be given for one listener, as `listener.name.NAME.KEY` with the listener's name in
    lower case, and `sasl.jaas.config` and `connections.max.reauth.ms` for one mechanism of a listener, as
    `listener.name.NAME.scram-sha-256.KEY`. [Security](security.md) says how they go together.

    \(table(Keys.security.rows))

    ## Topic keys

    CreateTopics, AlterConfigs and IncrementalAlterConfigs set these for one topic. A key that is not set on a topic has the
    value of the first broker key that is set, or the default. Keys marked † have no effect.

    \(topicTable)

    ## Kafka's keys without effect

    \((ConfigKeys.accepted + ConfigKeys.inherited.filter { $0.effect == .accepted }).map { "`\($0.name)`" }.sorted().joined(separator: ", ")).

    """
  }

  private static func table(_ keys: [ConfigKey]) -> String {
    (["| key | default | values | changes | what it does |", "|---|---|---|---|---|"]
      + keys.map { key in
        let update =
          switch key.update {
          case .readOnly: ""
          case .perBroker: "broker"
          case .clusterWide: "cluster"
          }
        let mark = key.effect == .accepted ? " †" : ""
        return "| `\(key.name)`\(mark) | \(value(key)) | \(key.allowedText) | \(update) | \(key.documentation) |"
      }).joined(separator: "\n")
  }

  private static var topicTable: String {
    (["| key | default | values | broker keys | what it does |", "|---|---|---|---|---|"]
      + TopicConfigKeys.all.map { topic in
        let mark = topic.key.effect == .accepted ? " †" : ""
        let synonyms = topic.synonyms.map { "`\($0.name)`" }.joined(separator: ", ")
        return
          "| `\(topic.name)`\(mark) | \(value(topic.key)) | \(topic.key.allowedText) | \(synonyms) | \(topic.key.documentation) |"
      }).joined(separator: "\n")
  }

  private static func value(_ key: ConfigKey) -> String {
    guard let value = key.defaultValue else { return "" }
    return value.isEmpty ? "empty" : "`\(value)`"
  }
}
