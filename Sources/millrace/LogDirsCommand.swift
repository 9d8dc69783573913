import Administration
import ArgumentParser

/// Shows what brokers' log directories hold, as kafka-log-dirs does.
struct LogDirsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log-dirs", abstract: "Show brokers' log directories: replicas, sizes, free space.",
    discussion: """
      --json prints the document of kafka-log-dirs, with the file systems' sizes.

      EXAMPLES
        millrace log-dirs --bootstrap-server 127.0.0.1:9092
        millrace log-dirs --topic-list t,u --broker-list 1 --json --bootstrap-server 127.0.0.1:9092
      """)
  @Option(help: "Only these topics, separated by commas.") var topicList: String?
  @Option(help: "Only these brokers, separated by commas.") var brokerList: String?
  @OptionGroup var cluster: ClusterOptions

  private var brokers: [Int32?]? { brokerList?.split(separator: ",").map { Int32($0) } }

  func validate() throws {
    guard let brokers else { return }
    guard !brokers.isEmpty, !brokers.contains(nil) else {
      throw ValidationError("--broker-list \(brokerList ?? ""): broker ids separated by commas are needed")
    }
  }

  func run() async throws {
    let topics = topicList?.split(separator: ",").map(String.init)
    let ids = brokers?.compactMap { $0 }
    try await cluster.answer { try await $0.describeLogDirs(topics: topics, brokers: ids) }
  }
}
