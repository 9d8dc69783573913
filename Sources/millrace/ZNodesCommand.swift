import ArgumentParser
import Coordination
import Glibc
import Model

/// Reads the z-node tree of a broker, which may be running.
struct ZNodesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "znodes", abstract: "Print a broker's z-nodes: topics, configurations, leaders.",
    discussion: """
      Kafka's own paths and JSON, as zkCli shows them. The journal is only read: a running broker is not disturbed.

      EXAMPLES
        millrace znodes ls /brokers/topics --config server.properties
        millrace znodes get /brokers/topics/t/partitions/0/state --log-dir /var/lib/millrace
        millrace znodes tree --log-dir /var/lib/millrace
      """,
    subcommands: [List.self, Get.self, Tree.self])

  /// Locates the journal in one of the broker's log directories.
  struct Place: ParsableArguments {
    @Option(help: "The broker's log directory with the journal.") var logDir: String?
    @Option(help: "The broker's server.properties, for its log.dirs.") var config: String?

    func validate() throws {
      guard logDir == nil || config == nil else {
        throw ValidationError("give either --log-dir or --config")
      }
    }

    func view() throws -> ZNodeView {
      let directory = try directory()
      return try orStop { () throws(ZNodeError) in try ZNodeView(directory: directory) }
    }

    /// Returns the log directory, by default Kafka's.
    private func directory() throws -> String {
      if let logDir { return logDir }
      guard let config else { return "/tmp/kafka-logs" }
      guard let file = fopen(config, "r") else { throw complaint("\(config): \(String(cString: strerror(errno)))") }
      defer { fclose(file) }
      var bytes: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 65_536)
      while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
      let entries = JavaProperties(String(decoding: bytes, as: UTF8.self)).entries
      let value = entries.last { $0.key == "log.dirs" }?.value ?? entries.last { $0.key == "log.dir" }?.value
      let directories = (value ?? "/tmp/kafka-logs").split(separator: ",").map { String($0).trimmingSpace() }
      return directories.first { access("\($0)/\(JournalFile.name)", F_OK) == 0 } ?? directories.first ?? ""
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls", abstract: "Print the names of a node's children.",
      discussion: "EXAMPLE\n  millrace znodes ls /brokers/topics --log-dir /var/lib/millrace")
    @Argument(help: "A path, such as /brokers/topics.") var path = "/"
    @OptionGroup var place: Place

    func run() throws {
      let view = try place.view()
      let children = try orStop { () throws(ZNodeError) in try view.children(of: path) }
      Terminal.answer("[\(children.joined(separator: ", "))]")
    }
  }

  struct Get: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "get", abstract: "A node's data.",
      discussion: "EXAMPLE\n  millrace znodes get /controller --stat --log-dir /var/lib/millrace")
    @Argument(help: "A path, such as /controller.") var path: String
    @Flag(help: "Also print the node's stat: zxids, versions, times.") var stat = false
    @OptionGroup var place: Place

    func run() throws {
      let view = try place.view()
      let node = try orStop { () throws(ZNodeError) in try view.get(path) }
      Terminal.answer(node.data.isEmpty ? "null" : String(decoding: node.data, as: UTF8.self))
      if stat { Terminal.answer(node.stat.lines) }
    }
  }

  struct Tree: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "tree", abstract: "Print every node with its data, one per line.",
      discussion: "EXAMPLE\n  millrace znodes tree --config server.properties")
    @OptionGroup var place: Place

    func run() throws {
      let view = try place.view()
      for path in view.paths {
        let data = try view.get(path).data
        Terminal.answer(data.isEmpty ? path : "\(path) \(String(decoding: data, as: UTF8.self))")
      }
    }
  }
}

/// Prints the error, in zkCli's words where they fit, and ends with exit code 1.
private func orStop<Value>(_ body: () throws(ZNodeError) -> Value) throws -> Value {
  do throws(ZNodeError) { return try body() } catch {
    if error.code == .noNode, error.detail.isEmpty { throw complaint("Node does not exist: \(error.path)") }
    throw complaint([error.path, error.detail].filter { !$0.isEmpty }.joined(separator: ": "))
  }
}

private func complaint(_ reason: String) -> ExitCode {
  Terminal.complain(reason)
  return ExitCode(1)
}

extension ZNodeStat {
  /// The stat as zkCli prints it, but times in milliseconds since 1970.
  fileprivate var lines: String {
    func hexadecimal(_ number: Int64) -> String { "0x" + String(number, radix: 16) }
    return """
      cZxid = \(hexadecimal(czxid))
      ctime = \(ctime)
      mZxid = \(hexadecimal(mzxid))
      mtime = \(mtime)
      pZxid = \(hexadecimal(pzxid))
      cversion = \(cversion)
      dataVersion = \(version)
      aclVersion = 0
      ephemeralOwner = \(hexadecimal(ephemeralOwner))
      dataLength = \(dataLength)
      numChildren = \(numChildren)
      """
  }
}

extension String {
  fileprivate func trimmingSpace() -> String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
