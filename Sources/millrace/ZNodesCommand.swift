import ArgumentParser
import Base
import Coordination
import Glibc
import Model

/// Reads the z-node tree of a broker, which may be running, or of a cluster's ZooKeeper ensemble.
struct ZNodesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "znodes", abstract: "Print the z-nodes of a broker or a cluster: topics, configurations, leaders.",
    discussion: """
      Kafka's own paths and JSON, as zkCli shows them. A broker without ZooKeeper keeps them in a journal, which is only read: a \
      running broker is not disturbed. Those of a cluster, also of one of Kafka's, are read from its ensemble.

      EXAMPLES
        millrace znodes ls /brokers/topics --config server.properties
        millrace znodes get /brokers/topics/t/partitions/0/state --log-dir /var/lib/millrace
        millrace znodes tree --log-dir /var/lib/millrace
        millrace znodes ls /brokers/ids --zookeeper zk1:2181,zk2:2181/kafka
      """,
    subcommands: [List.self, Get.self, Tree.self])

  /// Where the nodes are: the journal in one of the broker's log directories, or an ensemble.
  struct Place: ParsableArguments {
    @Option(help: "The broker's log directory with the journal.") var logDir: String?
    @Option(help: "The broker's server.properties, for its log.dirs.") var config: String?
    @Option(help: "The cluster's ensemble, as its zookeeper.connect: host:port,host:port/chroot.") var zookeeper:
      String?
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
      guard [logDir, config, zookeeper].count(where: { $0 != nil }) <= 1 else {
        throw ValidationError("give one of --log-dir, --config and --zookeeper")
      }
    }

    /// How long a server that does not answer is waited for, in milliseconds.
    private static let patienceMs = 6000

    fileprivate func view() throws -> any ZNodeReading {
      if let zookeeper {
        return try orStop { () throws(ZNodeError) in
          try ZooKeeperTree(connect: zookeeper, sessionTimeoutMs: Self.patienceMs, makesChroot: false)
        }
      }
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
      let nodes = try orStop { () throws(ZNodeError) in try view.all() }
      if place.json {
        return ZNodesCommand.show(
          .array(nodes.map { .object(["path": .string($0.path), "data": ZNodesCommand.text($0.data)]) }))
      }
      for node in nodes {
        Terminal.answer(node.data.isEmpty ? node.path : "\(node.path) \(String(decoding: node.data, as: UTF8.self))")
      }
    }
  }
}

/// What the command reads from.
private protocol ZNodeReading {
  func get(_ path: String) throws(ZNodeError) -> ZNode
  func children(of path: String) throws(ZNodeError) -> [String]
  /// Every node with its data, sorted by path.
  func all() throws(ZNodeError) -> [(path: String, data: [UInt8])]
}

extension ZNodeView: ZNodeReading {
  fileprivate func all() throws(ZNodeError) -> [(path: String, data: [UInt8])] {
    var nodes: [(path: String, data: [UInt8])] = []
    for path in paths { nodes.append((path, try get(path).data)) }
    return nodes
  }
}

extension ZooKeeperTree: ZNodeReading {
  /// Level by level. What is deleted meanwhile is left out.
  fileprivate func all() throws(ZNodeError) -> [(path: String, data: [UInt8])] {
    var nodes: [(path: String, data: [UInt8])] = []
    var level = ["/"]
    while !level.isEmpty {
      var next: [String] = []
      for (path, node) in zip(level, try get(all: level)) {
        guard let node else { continue }
        nodes.append((path, node.data))
        guard node.stat.numChildren > 0 else { continue }
        do throws(ZNodeError) { next += try children(of: path).map { ZNodePath.child($0, of: path) } } catch {
          guard error.code == .noNode else { throw error }
        }
      }
      level = next
    }
    return nodes.sorted { $0.path < $1.path }
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
    let words = [error.path, error.detail].filter { !$0.isEmpty }.joined(separator: ": ")
    throw complaint(words.isEmpty ? "\(error)" : words)
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
