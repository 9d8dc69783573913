import Administration
import ArgumentParser

/// Describes and alters the configuration of topics and brokers of any Kafka-compatible cluster, as kafka-configs does.
struct ConfigsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "configs", abstract: "Describe and alter the configuration of topics and brokers.",
    discussion: """
      EXAMPLES
        millrace configs describe --topic t --all --bootstrap-server 127.0.0.1:9092
        millrace configs alter --topic t --add-config retention.ms=60000 --bootstrap-server 127.0.0.1:9092
        millrace configs alter --broker-defaults --delete-config log.retention.ms --bootstrap-server 127.0.0.1:9092
      """,
    subcommands: [Describe.self, Alter.self])

  struct Describe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "describe", abstract: "Show the values set for topics or brokers, or all values with their sources.",
      discussion: """
        EXAMPLES
          millrace configs describe --topic t --topic u --bootstrap-server 127.0.0.1:9092
          millrace configs describe --topics --bootstrap-server 127.0.0.1:9092
          millrace configs describe --broker 1 --all --json --bootstrap-server 127.0.0.1:9092
        """)
    @Option(help: "A topic; may be repeated.") var topic: [String] = []
    @Option(help: "A broker's id; may be repeated.") var broker: [Int32] = []
    @Flag(help: "The brokers' common default.") var brokerDefaults = false
    @Flag(help: "All topics.") var topics = false
    @Flag(help: "All brokers, and their common default.") var brokers = false
    @Flag(help: "All values, not only those set for the topic or broker itself.") var all = false
    @OptionGroup var cluster: ClusterOptions

    private var entities: [ConfigEntity] {
      let topics = topic.map { ConfigEntity.topic($0) }
      let brokers = broker.map { ConfigEntity.broker($0) }
      return topics + brokers + (brokerDefaults ? [ConfigEntity.brokerDefaults] : [])
    }

    func validate() throws {
      guard [topics, brokers, !entities.isEmpty].count(where: { $0 }) == 1 else {
        throw ValidationError("give --topics, --brokers, or some of --topic, --broker and --broker-defaults")
      }
    }

    func run() async throws {
      let named = entities.isEmpty ? nil : entities
      try await cluster.answer {
        try await $0.describeConfigs(named, ofBrokers: brokers, includesAll: all)
      }
    }
  }

  struct Alter: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "alter", abstract: "Set or delete values of a topic, a broker, or all brokers.",
      discussion: """
        EXAMPLES
          millrace configs alter --topic t --add-config cleanup.policy=[compact,delete] --bootstrap-server 127.0.0.1:9092
          millrace configs alter --broker 1 --delete-config log.retention.ms --bootstrap-server 127.0.0.1:9092
        """)
    @Option(help: "The topic.") var topic: String?
    @Option(help: "The broker's id.") var broker: Int32?
    @Flag(help: "The brokers' common default.") var brokerDefaults = false
    @Option(help: "KEY=VALUE,KEY=[A,B],…; may be repeated.") var addConfig: [String] = []
    @Option(help: "KEY,KEY,…; may be repeated.") var deleteConfig: [String] = []
    @Flag(help: "Check the change, and change nothing.") var dryRun = false
    @OptionGroup var cluster: ClusterOptions

    private var entities: [ConfigEntity] {
      var entities: [ConfigEntity] = brokerDefaults ? [.brokerDefaults] : []
      if let topic { entities.append(.topic(topic)) }
      if let broker { entities.append(.broker(broker)) }
      return entities
    }

    func validate() throws {
      guard entities.count == 1 else {
        throw ValidationError("give one of --topic, --broker and --broker-defaults")
      }
    }

    func run() async throws {
      let change = try checkingArguments { try ConfigChange(adding: addConfig, deleting: deleteConfig) }
      try await cluster.answer {
        try await $0.alterConfigs(of: entities[0], change, isDryRun: dryRun)
      }
    }
  }
}
