import Administration
import ArgumentParser

/// Lists, adds and removes ACLs of any Kafka-compatible cluster, as kafka-acls does.
struct AclsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "acls", abstract: "List, add and remove ACLs: who may do what.",
    discussion: """
      EXAMPLES
        millrace acls add --allow-principal User:alice --operation Read --topic t --bootstrap-server 127.0.0.1:9092
        millrace acls add --allow-principal User:alice --producer --topic orders- --resource-pattern-type prefixed --bootstrap-server 127.0.0.1:9092
        millrace acls list --topic t --bootstrap-server 127.0.0.1:9092
      """,
    subcommands: [List.self, Add.self, Remove.self])

  /// The resources of a command.
  struct Resources: ParsableArguments {
    @Option(help: "A topic; * is all; may be repeated.") var topic: [String] = []
    @Option(help: "A consumer group; * is all; may be repeated.") var group: [String] = []
    @Option(help: "A transactional id; * is all; may be repeated.") var transactionalId: [String] = []
    @Flag(help: "The cluster itself.") var cluster = false
    @Option(
      help: "Whether names are literal or prefixed; to list and remove also match (all that is about the name) or any.")
    var resourcePatternType = "literal"

    var value: AclResources {
      var resources = AclResources(patternType: resourcePatternType.lowercased())
      resources.topics = topic
      resources.groups = group
      resources.transactionalIDs = transactionalId
      resources.isCluster = cluster
      return resources
    }
  }

  /// The entries of a command.
  struct Entries: ParsableArguments {
    @Option(help: "A principal that is allowed, as User:alice; User:* is all; may be repeated.")
    var allowPrincipal: [String] = []
    @Option(help: "A principal that is denied; may be repeated.") var denyPrincipal: [String] = []
    @Option(help: "An IP address from which it is allowed; * is all, and the default; may be repeated.")
    var allowHost: [String] = []
    @Option(help: "An IP address from which it is denied; * is all, and the default; may be repeated.")
    var denyHost: [String] = []
    @Option(
      help:
        "An operation: Read, Write, Create, Delete, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite or All, the default; may be repeated."
    )
    var operation: [String] = []

    func value(_ operations: [String]) throws -> AclEntries {
      try AclEntries(
        operations: operations, allowed: allowPrincipal, denied: denyPrincipal, allowedHosts: allowHost,
        deniedHosts: denyHost)
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Show the ACLs of resources, or all.",
      discussion: """
        EXAMPLES
          millrace acls list --bootstrap-server 127.0.0.1:9092
          millrace acls list --topic t --resource-pattern-type match --json --bootstrap-server 127.0.0.1:9092
        """)
    @OptionGroup var resources: Resources
    @Option(help: "A principal whose entries are shown; may be repeated.") var principal: [String] = []
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      let (resources, principals) = (resources.value, principal)
      try await cluster.answer { try await $0.listAcls(resources, principals: principals) }
    }
  }

  struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "add", abstract: "Add entries to the ACLs of resources.",
      discussion: """
        --producer stands for Write, Describe and Create on topics; --consumer for Read and Describe on topics and Read on groups.

        EXAMPLES
          millrace acls add --allow-principal User:alice --operation Read --operation Write --topic t --bootstrap-server 127.0.0.1:9092
          millrace acls add --allow-principal User:bob --consumer --topic t --group g --bootstrap-server 127.0.0.1:9092
          millrace acls add --deny-principal User:eve --deny-host 192.0.2.1 --topic '*' --bootstrap-server 127.0.0.1:9092
        """)
    @OptionGroup var resources: Resources
    @OptionGroup var entries: Entries
    @Flag(help: "The rights that a producer needs.") var producer = false
    @Flag(help: "The rights that a consumer needs.") var consumer = false
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
      guard !(producer || consumer) || entries.operation.isEmpty else {
        throw ValidationError("--operation cannot be given with --producer or --consumer")
      }
      if producer, resources.topic.isEmpty { throw ValidationError("--producer needs --topic") }
      if consumer, resources.topic.isEmpty || resources.group.isEmpty {
        throw ValidationError("--consumer needs --topic and --group")
      }
    }

    func run() async throws {
      let resources = resources.value
      guard producer || consumer else {
        let entries = try checkingArguments { try self.entries.value(self.entries.operation) }
        return try await cluster.answer { try await $0.addAcls([(resources, entries)]) }
      }
      var topics = resources
      (topics.groups, topics.transactionalIDs, topics.isCluster) = ([], [], false)
      var groups = resources
      (groups.topics, groups.transactionalIDs, groups.isCluster) = ([], [], false)
      let ofTopics = (producer ? ["Write", "Create"] : []) + (consumer ? ["Read"] : []) + ["Describe"]
      let onTopics = try checkingArguments { try entries.value(ofTopics) }
      let onGroups = try checkingArguments { try entries.value(["Read"]) }
      let wanted = [(topics, onTopics)] + (consumer ? [(groups, onGroups)] : [])
      try await cluster.answer { try await $0.addAcls(wanted) }
    }
  }

  struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "remove", abstract: "Remove entries from the ACLs of resources: those named, or all.",
      discussion: """
        EXAMPLES
          millrace acls remove --allow-principal User:alice --operation Read --topic t --bootstrap-server 127.0.0.1:9092
          millrace acls remove --topic t --resource-pattern-type any --bootstrap-server 127.0.0.1:9092
        """)
    @OptionGroup var resources: Resources
    @OptionGroup var entries: Entries
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      let resources = resources.value
      let entries = try checkingArguments { try self.entries.value(self.entries.operation) }
      try await cluster.answer { try await $0.removeAcls(resources, entries) }
    }
  }
}
