import Administration
import ArgumentParser
import Base
import Model

/// Lists, describes and aborts transactions of any Kafka-compatible cluster, as kafka-transactions does.
struct TransactionsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "transactions", abstract: "List, describe and abort transactions, and find those that hang.",
    discussion: """
      EXAMPLES
        millrace transactions list --bootstrap-server 127.0.0.1:9092
        millrace transactions describe id-1 --bootstrap-server 127.0.0.1:9092
        millrace transactions find-hanging --bootstrap-server 127.0.0.1:9092
        millrace transactions abort --topic t --partition 0 --start-offset 17 --bootstrap-server 127.0.0.1:9092
      """,
    subcommands: [List.self, Describe.self, DescribeProducers.self, Abort.self, FindHanging.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List transactional ids with their states.",
      discussion: """
        EXAMPLE
          millrace transactions list --state Ongoing --duration-ms 60000 --bootstrap-server 127.0.0.1:9092
        """)
    @Option(help: "Only in this state, such as Ongoing or CompleteCommit; may be repeated.") var state: [String] = []
    @Option(help: "Only of this producer id; may be repeated.") var producerID: [Int64] = []
    @Option(help: "Only transactions that run for longer.") var durationMs: Int64?
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      try await cluster.answer {
        try await $0.listTransactions(states: state, producerIDs: producerID, longerThanMs: durationMs)
      }
    }
  }

  struct Describe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "describe", abstract: "Show a transactional id's producer, state, and partitions.",
      discussion: "EXAMPLE\n  millrace transactions describe id-1 --bootstrap-server 127.0.0.1:9092")
    @Argument(help: "The transactional id.") var transactionalID: String
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      try await cluster.answer { try await $0.describeTransaction(transactionalID, nowMs: Clocks.wallMs()) }
    }
  }

  /// Names one partition.
  struct Place: ParsableArguments {
    @Option(help: "The topic.") var topic: String
    @Option(help: "The partition's number.") var partition: Int32

    var name: TopicPartition { TopicPartition(topic, partition) }
  }

  struct DescribeProducers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "describe-producers", abstract: "Show the producers that are active in a partition.",
      discussion: """
        EXAMPLE
          millrace transactions describe-producers --topic t --partition 0 --bootstrap-server 127.0.0.1:9092
        """)
    @OptionGroup var place: Place
    @Option(help: "The replica to ask; default: the leader.") var brokerID: Int32?
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      try await cluster.answer { try await $0.describeProducers(of: place.name, on: brokerID) }
    }
  }

  struct Abort: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "abort", abstract: "End a hanging transaction in one partition by an abort marker.",
      discussion: """
        EXAMPLES
          millrace transactions abort --topic t --partition 0 --start-offset 17 --bootstrap-server 127.0.0.1:9092
          millrace transactions abort --topic t --partition 0 --producer-id 4 --producer-epoch 0 --coordinator-epoch 0 \
        --bootstrap-server 127.0.0.1:9092
        """)
    @OptionGroup var place: Place
    @Option(help: "The offset at which the transaction begins.") var startOffset: Int64?
    @Option(help: "The producer's id.") var producerID: Int64?
    @Option(help: "The producer's epoch.") var producerEpoch: Int16?
    @Option(help: "The coordinator's epoch.") var coordinatorEpoch: Int32?
    @OptionGroup var cluster: ClusterOptions

    private var choice: TransactionChoice? {
      switch (startOffset, producerID, producerEpoch, coordinatorEpoch) {
      case (let offset?, nil, nil, nil): .startOffset(offset)
      case (nil, let id?, let epoch?, let coordinatorEpoch?):
        .producer(id: id, epoch: epoch, coordinatorEpoch: coordinatorEpoch)
      default: nil
      }
    }

    func validate() throws {
      guard choice != nil else {
        throw ValidationError(
          "give either --start-offset, or all of --producer-id, --producer-epoch and --coordinator-epoch")
      }
    }

    func run() async throws {
      guard let choice else { return }
      try await cluster.answer { try await $0.abortTransaction(in: place.name, choice) }
    }
  }

  struct FindHanging: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "find-hanging", abstract: "Find transactions that are open and that no coordinator will end.",
      discussion: "EXAMPLE\n  millrace transactions find-hanging --topic t --bootstrap-server 127.0.0.1:9092")
    @Option(help: "Only this topic.") var topic: String?
    @Option(help: "Only this partition of the topic.") var partition: Int32?
    @Option(help: "Only partitions that this broker leads.") var brokerID: Int32?
    @Option(help: "The cluster's transaction.max.timeout.ms in minutes; younger transactions do not hang.")
    var maxTransactionTimeout: Int64 = 15
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
      guard partition == nil || topic != nil else { throw ValidationError("--partition needs --topic") }
      guard (0...1_000_000).contains(maxTransactionTimeout) else {
        throw ValidationError(
          "--max-transaction-timeout \(maxTransactionTimeout): minutes from 0 to 1000000 are needed")
      }
    }

    func run() async throws {
      try await cluster.answer {
        try await $0.findHanging(
          topic: topic, partition: partition, broker: brokerID, maxTimeoutMs: maxTransactionTimeout * 60_000,
          nowMs: Clocks.wallMs())
      }
    }
  }
}
