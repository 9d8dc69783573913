import Administration
import ArgumentParser

/// Lists, describes, creates, alters and deletes topics of any Kafka-compatible cluster, as kafka-topics does.
struct TopicsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "topics", abstract: "List, describe, create, alter and delete topics of any Kafka-compatible cluster.",
    discussion: """
      EXAMPLES
        millrace topics list --bootstrap-server 127.0.0.1:9092
        millrace topics describe t --bootstrap-server 127.0.0.1:9092
        millrace topics create t --partitions 6 --bootstrap-server 127.0.0.1:9092
        millrace topics delete t --bootstrap-server 127.0.0.1:9092
      """,
    subcommands: [List.self, Describe.self, Create.self, Alter.self, Delete.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List topics, a line each; --json adds their partition counts.",
      discussion: "EXAMPLE\n  millrace topics list --bootstrap-server 127.0.0.1:9092 --json")
    @Flag(help: "Leave out internal topics, such as __consumer_offsets.") var excludeInternal = false
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      try await cluster.answer { try await $0.listTopics(excludingInternal: excludeInternal) }
    }
  }

  struct Describe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "describe", abstract: "Show topics with their partitions, leaders, replicas and configuration.",
      discussion: """
        Conditions on partitions may be combined; a partition is shown where all hold.

        EXAMPLES
          millrace topics describe t u --bootstrap-server 127.0.0.1:9092
          millrace topics describe --under-replicated-partitions --bootstrap-server 127.0.0.1:9092
        """)
    @Argument(help: "Topics; none: all of them.") var names: [String] = []
    @Flag(help: "Only partitions with fewer replicas in sync than assigned.") var underReplicatedPartitions = false
    @Flag(help: "Only partitions without a living leader.") var unavailablePartitions = false
    @Flag(help: "Only partitions with fewer replicas in sync than min.insync.replicas.") var underMinIsrPartitions =
      false
    @Flag(help: "Only partitions with exactly min.insync.replicas replicas in sync.") var atMinIsrPartitions = false
    @Flag(help: "Only topics with configuration of their own, without partitions.") var topicsWithOverrides = false
    @Flag(help: "Leave out internal topics, such as __consumer_offsets.") var excludeInternal = false
    @OptionGroup var cluster: ClusterOptions

    private var filter: TopicFilter {
      var filter = TopicFilter()
      filter.withOverrides = topicsWithOverrides
      filter.excludesInternal = excludeInternal
      if underReplicatedPartitions { filter.conditions.insert(.underReplicated) }
      if unavailablePartitions { filter.conditions.insert(.unavailable) }
      if underMinIsrPartitions { filter.conditions.insert(.underMinISR) }
      if atMinIsrPartitions { filter.conditions.insert(.atMinISR) }
      return filter
    }

    func run() async throws {
      try await cluster.answer { try await $0.describeTopics(names, filter) }
    }
  }

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "create", abstract: "Create a topic, whose name must be new.",
      discussion: """
        EXAMPLES
          millrace topics create t --partitions 6 --bootstrap-server 127.0.0.1:9092
          millrace topics create t --config retention.ms=60000,cleanup.policy=[compact,delete] --bootstrap-server 127.0.0.1:9092
        """)
    @Argument(help: "The topic.") var name: String
    @Option(help: "Partitions; default: the cluster's num.partitions.") var partitions: Int32?
    @Option(help: "Replicas per partition; default: the cluster's default.replication.factor.") var replicationFactor:
      Int16?
    @Option(help: "KEY=VALUE,KEY=[A,B],…; may be repeated.") var config: [String] = []
    @Option(help: "Brokers of each partition's replicas, as in 1:2,2:3.") var replicaAssignment: String?
    @Flag(help: "A topic that exists is no error.") var ifNotExists = false
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
      if let partitions, partitions < 1 { throw ValidationError("--partitions \(partitions): at least 1 is needed") }
      if let replicationFactor, replicationFactor < 1 {
        throw ValidationError("--replication-factor \(replicationFactor): at least 1 is needed")
      }
    }

    func run() async throws {
      var creation = TopicCreation(name: name)
      creation.partitions = partitions
      creation.replicationFactor = replicationFactor
      creation.configs = config
      creation.assignment = replicaAssignment
      creation.ifNotExists = ifNotExists
      let asked = creation
      try await cluster.answer { try await $0.createTopic(asked) }
    }
  }

  struct Alter: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "alter", abstract: "Raise a topic's number of partitions.",
      discussion: """
        Keys go to other partitions afterwards. Configuration is changed with millrace configs alter.

        EXAMPLE
          millrace topics alter t --partitions 12 --bootstrap-server 127.0.0.1:9092
        """)
    @Argument(help: "The topic.") var name: String
    @Option(help: "The new number of partitions.") var partitions: Int32
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      try await cluster.answer { try await $0.growTopic(name, to: partitions) }
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "delete", abstract: "Delete topics and all their records.",
      discussion: "EXAMPLE\n  millrace topics delete t --bootstrap-server 127.0.0.1:9092")
    @Argument(help: "Topics.") var names: [String]
    @Flag(help: "A topic that does not exist is no error.") var ifExists = false
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      try await cluster.answer { try await $0.deleteTopics(names, ifExists: ifExists) }
    }
  }
}
