import ArgumentParser
import Base
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
    @Flag(help: "Print JSON.") var json = false

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
      if place.json { return ZNodesCommand.show(.array(children.map { .string($0) })) }
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
      if place.json {
        let members = [
          JSON.Member(name: "path", value: .string(path)),
          JSON.Member(name: "data", value: ZNodesCommand.text(node.data)),
        ]
        return ZNodesCommand.show(.object(members + (stat ? [node.stat.member] : [])))
      }
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
      if place.json {
        let nodes = try view.paths.map { path -> JSON in
          .object(["path": .string(path), "data": ZNodesCommand.text(try view.get(path).data)])
        }
        return ZNodesCommand.show(.array(nodes))
      }
      for path in view.paths {
        let data = try view.get(path).data
        Terminal.answer(data.isEmpty ? path : "\(path) \(String(decoding: data, as: UTF8.self))")
      }
    }
  }
}

extension ZNodesCommand {
  fileprivate static func show(_ document: JSON) { Terminal.answer(String(decoding: document.encoded, as: UTF8.self)) }

  /// A node's data; null for a node without.
  fileprivate static func text(_ data: [UInt8]) -> JSON {
    data.isEmpty ? .null : .string(String(decoding: data, as: UTF8.self))
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
  /// The stat as a member of a document.
  fileprivate var member: JSON.Member {
    JSON.Member(
      name: "stat",
      value: .object([
        "czxid": .int(czxid), "ctime": .int(ctime), "mzxid": .int(mzxid), "mtime": .int(mtime), "pzxid": .int(pzxid),
        "cversion": .int(Int64(cversion)), "version": .int(Int64(version)), "ephemeral_owner": .int(ephemeralOwner),
        "data_length": .int(Int64(dataLength)), "children": .int(Int64(numChildren)),
      ]))
  }

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
