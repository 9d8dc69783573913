import Administration
import ArgumentParser
import Security

/// Lists, sets and removes SCRAM credentials of users of any Kafka-compatible cluster, as kafka-configs does.
struct UsersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "users", abstract: "List, set and remove the SCRAM credentials that users log in with.",
    discussion: """
      EXAMPLES
        millrace users set alice --mechanism SCRAM-SHA-256 --password-file alice.password --bootstrap-server 127.0.0.1:9092
        millrace users list --bootstrap-server 127.0.0.1:9092
        millrace users remove alice --mechanism SCRAM-SHA-256 --bootstrap-server 127.0.0.1:9092
      """,
    subcommands: [List.self, Set.self, Remove.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Show which users have credentials, of which mechanism and how many iterations.",
      discussion: "EXAMPLE\n  millrace users list alice --json --bootstrap-server 127.0.0.1:9092")
    @Argument(help: "Users; none: all of them.") var names: [String] = []
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      let names = names
      try await cluster.answer { try await $0.listUsers(names) }
    }
  }

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "set", abstract: "Set a user's credential, new or in place of the one it has.",
      discussion: """
        The password is read from a file, for arguments are seen by every process of a machine. It does not leave this program: the \
        cluster gets a salted hash of it.

        EXAMPLE
          millrace users set alice --password-file alice.password --bootstrap-server 127.0.0.1:9092
        """)
    @Argument(help: "The user.") var name: String
    @Option(help: "SCRAM-SHA-256 or SCRAM-SHA-512.") var mechanism = "SCRAM-SHA-256"
    @Option(help: "Hashes that a login costs the client, 4096 to 16384.") var iterations = 4096
    @Option(help: "A file whose first line is the password.") var passwordFile: String
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      let name = name
      let password = try textOfFile(passwordFile).split(
        separator: "\n", maxSplits: 1, omittingEmptySubsequences: false
      ).first.map(String.init)
      let setting = try checkingArguments {
        try ScramSetting(mechanism: mechanism, iterations: iterations, password: password ?? "")
      }
      var random = SystemRandomNumberGenerator()
      let salt = ScramSetting.salt(using: &random)
      try await cluster.answer { try await $0.setUser(name, setting, salt: salt) }
    }
  }

  struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "remove", abstract: "Remove a user's credential of one mechanism.",
      discussion: "EXAMPLE\n  millrace users remove alice --mechanism SCRAM-SHA-512 --bootstrap-server 127.0.0.1:9092")
    @Argument(help: "The user.") var name: String
    @Option(help: "SCRAM-SHA-256 or SCRAM-SHA-512.") var mechanism = "SCRAM-SHA-256"
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
      let (name, hash) = (name, try checkingArguments { try ScramSetting.hash(mechanism) })
      try await cluster.answer { try await $0.removeUser(name, hash) }
    }
  }
}
