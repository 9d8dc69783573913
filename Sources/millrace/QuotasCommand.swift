import Administration
import ArgumentParser
import Security

/// Lists, adds and removes quotas of any Kafka-compatible cluster, as kafka-configs does.
struct QuotasCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quotas", abstract: "List, add and remove quotas: how much clients may do.",
    discussion: """
      EXAMPLES
        millrace quotas add --user alice --quota producer_byte_rate=1048576,consumer_byte_rate=2097152 --bootstrap-server 127.0.0.1:9092
        millrace quotas add --user-default --client-default --quota request_percentage=50 --bootstrap-server 127.0.0.1:9092
        millrace quotas list --bootstrap-server 127.0.0.1:9092
      """,
    subcommands: [List.self, Add.self, Remove.self])

  /// Whom a quota is for.
  struct Entity: ParsableArguments {
    @Option(help: "The name of a user.") var user: String?
    @Flag(help: "All users that have no quota of their own.") var userDefault = false
    @Option(help: "A client id.") var client: String?
    @Flag(help: "All client ids that have no quota of their own.") var clientDefault = false
    @Option(help: "An IP address.") var ip: String?
    @Flag(help: "All IP addresses that have no quota of their own.") var ipDefault = false

    func validate() throws {
      guard user == nil || !userDefault, client == nil || !clientDefault, ip == nil || !ipDefault else {
        throw ValidationError("give a name or the default, not both")
      }
      guard ip == nil && !ipDefault || user == nil && !userDefault && client == nil && !clientDefault else {
        throw ValidationError("a quota of an address cannot be one of a user or a client id, too")
      }
    }

    /// Nil where nobody is named.
    var value: QuotaEntity? {
      func part(_ name: String?, _ isDefault: Bool) -> QuotaEntity.Part? {
        name.map { .named($0) } ?? (isDefault ? .byDefault : nil)
      }
      let entity = QuotaEntity(
        user: part(user, userDefault), clientID: part(client, clientDefault), ip: part(ip, ipDefault))
      return entity == QuotaEntity() ? nil : entity
    }

    func required() throws -> QuotaEntity {
      guard let value else {
        throw ValidationError(
          "give some of --user, --user-default, --client and --client-default, or --ip or --ip-default")
      }
      return value
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Show the quotas of users, client ids and addresses.",
      discussion: """
        EXAMPLES
          millrace quotas list --bootstrap-server 127.0.0.1:9092
          millrace quotas list --user alice --json --bootstrap-server 127.0.0.1:9092
        """)
    @OptionGroup var entity: Entity
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      let entity = entity.value
      try await cluster.answer { try await $0.listQuotas(of: entity) }
    }
  }

  struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "add", abstract: "Set quotas of a user, a client id, both, or an address.",
      discussion: """
        The quotas are producer_byte_rate, consumer_byte_rate (bytes a second), request_percentage (percent of an event loop), \
        controller_mutation_rate (partitions a second) and, of an address, connection_creation_rate (connections a second).

        EXAMPLES
          millrace quotas add --client-default --quota producer_byte_rate=1048576 --bootstrap-server 127.0.0.1:9092
          millrace quotas add --ip 192.0.2.1 --quota connection_creation_rate=20 --bootstrap-server 127.0.0.1:9092
        """)
    @OptionGroup var entity: Entity
    @Option(help: "KEY=NUMBER,KEY=NUMBER,…; may be repeated.") var quota: [String] = []
    @Flag(help: "Check the change, and change nothing.") var dryRun = false
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      let (entity, quota, dryRun) = (try entity.required(), quota, dryRun)
      try await cluster.answer {
        try await $0.alterQuotas(of: entity, adding: quota, removing: [], isDryRun: dryRun)
      }
    }
  }

  struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "remove", abstract: "Remove quotas of a user, a client id, both, or an address.",
      discussion: """
        EXAMPLES
          millrace quotas remove --user alice --quota producer_byte_rate,consumer_byte_rate --bootstrap-server 127.0.0.1:9092
        """)
    @OptionGroup var entity: Entity
    @Option(help: "KEY,KEY,…; may be repeated.") var quota: [String] = []
    @Flag(help: "Check the change, and change nothing.") var dryRun = false
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      let (entity, quota, dryRun) = (try entity.required(), quota, dryRun)
      try await cluster.answer {
        try await $0.alterQuotas(of: entity, adding: [], removing: quota, isDryRun: dryRun)
      }
    }
  }
}
