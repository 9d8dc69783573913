import Administration
import ArgumentParser

/// Lists, describes, resets and deletes consumer groups of any Kafka-compatible cluster, as kafka-consumer-groups does.
struct GroupsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "groups",
    abstract: "List, describe, reset and delete consumer groups of any Kafka-compatible cluster.",
    discussion: """
      EXAMPLES
        millrace groups list --state --bootstrap-server 127.0.0.1:9092
        millrace groups describe g --bootstrap-server 127.0.0.1:9092
        millrace groups reset-offsets g --all-topics --to-earliest --execute --bootstrap-server 127.0.0.1:9092
        millrace groups delete g --bootstrap-server 127.0.0.1:9092
      """,
    subcommands: [List.self, Describe.self, Delete.self, ResetOffsets.self, DeleteOffsets.self])

  /// Which groups a command is about.
  struct Chosen: ParsableArguments {
    @Argument(help: "Groups.") var groups: [String] = []
    @Flag(help: "All groups.") var allGroups = false

    func validate() throws {
      guard allGroups != !groups.isEmpty else { throw ValidationError("name groups, or give --all-groups") }
    }

    var choice: GroupChoice { allGroups ? .all : .named(groups) }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List groups, a line each.",
      discussion: """
        EXAMPLES
          millrace groups list --bootstrap-server 127.0.0.1:9092
          millrace groups list --in-state stable,empty --type --bootstrap-server 127.0.0.1:9092
        """)
    @Flag(help: "Show each group's state.") var state = false
    @Flag(help: "Show each group's type: classic or consumer.") var type = false
    @Option(help: "Only groups in these states: stable, empty, preparingrebalance, completingrebalance, dead.")
    var inState: String?
    @Option(help: "Only groups of these types: classic, consumer.") var ofType: String?
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      func words(_ text: String?, _ isShown: Bool) -> [String]? {
        text.map { $0.split(separator: ",").map(String.init) } ?? (isShown ? [] : nil)
      }
      let (states, types) = (words(inState, state), words(ofType, type))
      try await cluster.answer { try await $0.listGroups(states: states, types: types) }
    }
  }

  struct Describe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "describe", abstract: "Show a group's offsets and lag, its members, or its state.",
      discussion: """
        EXAMPLES
          millrace groups describe g --bootstrap-server 127.0.0.1:9092
          millrace groups describe g --members --verbose --bootstrap-server 127.0.0.1:9092
          millrace groups describe --all-groups --state --json --bootstrap-server 127.0.0.1:9092
        """)
    @OptionGroup var chosen: Chosen
    @Flag(help: "Committed offsets, log ends and lag (default).") var offsets = false
    @Flag(help: "Members.") var members = false
    @Flag(help: "State, coordinator and assignor.") var state = false
    @Flag(help: "With --members: each member's partitions.") var verbose = false
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
      guard [offsets, members, state].count(where: { $0 }) <= 1 else {
        throw ValidationError("give one of --offsets, --members and --state")
      }
      guard !verbose || members else { throw ValidationError("--verbose needs --members") }
    }

    func run() async throws {
      let view: GroupView = members ? .members(withAssignments: verbose) : state ? .state : .offsets
      try await cluster.answer { try await $0.describeGroups(chosen.choice, view) }
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "delete", abstract: "Delete groups without members, and their offsets.",
      discussion: "EXAMPLE\n  millrace groups delete g h --bootstrap-server 127.0.0.1:9092")
    @OptionGroup var chosen: Chosen
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      try await cluster.answer { try await $0.deleteGroups(chosen.choice) }
    }
  }

  struct DeleteOffsets: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "delete-offsets", abstract: "Delete a group's committed offsets of topics that it does not consume.",
      discussion: "EXAMPLE\n  millrace groups delete-offsets g --topic t:0,1 --bootstrap-server 127.0.0.1:9092")
    @Argument(help: "The group.") var group: String
    @Option(help: "A topic, or its partitions as in t:0,1; may be repeated.") var topic: [String] = []
    @Flag(help: "All topics with committed offsets.") var allTopics = false
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      let scope = try checkingArguments { try OffsetScope(all: allTopics, topics: topic) }
      try await cluster.answer { try await $0.deleteOffsets(of: group, scope) }
    }
  }
}
