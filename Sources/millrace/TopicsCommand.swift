import ArgumentParser
import Load

/// Lists, creates and deletes topics of any Kafka-compatible cluster.
struct TopicsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "topics", abstract: "List, create and delete topics of any Kafka-compatible cluster.",
    discussion: """
      EXAMPLES
        millrace topics list --bootstrap-server 127.0.0.1:9092
        millrace topics create t --partitions 6 --bootstrap-server 127.0.0.1:9092
        millrace topics delete t --bootstrap-server 127.0.0.1:9092
      """,
    subcommands: [List.self, Create.self, Delete.self])

  struct Cluster: ParsableArguments {
    @Option(help: "HOST:PORT of brokers of the cluster, separated by commas.") var bootstrapServer: String

    func validate() throws {
      guard Address.isList(bootstrapServer) else {
        throw ValidationError("--bootstrap-server \(bootstrapServer): HOST:PORT,HOST:PORT,… is needed")
      }
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List topics with their partition counts.",
      discussion: "EXAMPLE\n  millrace topics list --bootstrap-server 127.0.0.1:9092 --json")
    @OptionGroup var cluster: Cluster
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      let topics = try await orUnavailable { try await ClusterTopics.list(at: cluster.bootstrapServer) }
      if json {
        try Terminal.answer(
          JSONText.of(topics.map { ["name": $0.name, "partitions": $0.partitions] as [String: Any] }))
      } else {
        for topic in topics { Terminal.say("\(Terminal.pad(topic.name, 40)) \(topic.partitions)") }
      }
    }
  }

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "create", abstract: "Create a topic, whose name must be new.",
      discussion: "EXAMPLE\n  millrace topics create t --partitions 6 --bootstrap-server 127.0.0.1:9092")
    @Argument(help: "The topic.") var name: String
    @Option(help: "Partitions.") var partitions = 1
    @Option(help: "Replicas per partition.") var replicationFactor = 1
    @OptionGroup var cluster: Cluster

    func run() async throws {
      try await orUnavailable {
        try await ClusterTopics.create(
          name, partitions: partitions, replicationFactor: replicationFactor, at: cluster.bootstrapServer)
      }
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "delete", abstract: "Delete a topic and all its records.",
      discussion: "EXAMPLE\n  millrace topics delete t --bootstrap-server 127.0.0.1:9092")
    @Argument(help: "The topic.") var name: String
    @OptionGroup var cluster: Cluster

    func run() async throws {
      try await orUnavailable { try await ClusterTopics.delete(name, at: cluster.bootstrapServer) }
    }
  }
}

/// Ends the command with exit code 69 if the cluster refuses or cannot be reached.
private func orUnavailable<Value>(_ body: () async throws -> Value) async throws -> Value {
  do {
    return try await body()
  } catch {
    Terminal.complain("\(error)")
    throw Exit.unavailable
  }
}
