import CMillrace
import Foundation
import Glibc
import Results

/// `cluster.json`: what a running local cluster says of itself, for commands that look at it or do it harm.
package struct ClusterFile: Codable, Sendable {
  package struct Server: Codable, Sendable {
    package var pid: Int32
    package var address: String
  }

  package struct Broker: Codable, Sendable {
    package var id: Int
    /// Nil while it does not run.
    package var pid: Int32?
    /// Whether it takes clients.
    package var isStarted: Bool
    /// How often it was started.
    package var starts: Int
    /// Why its last start failed; nil when it did not.
    package var failure: String?
    /// Whether its disk is full by `fault fill`; nil where it has no disk of its own.
    package var isDiskFull: Bool?
    package var address: String
    package var directory: String
  }

  /// Of the process that runs the cluster.
  package var pid: Int32
  package var zooKeeper: Server
  /// The number in the names of the cluster's network; nil on loopback.
  package var network: Int32?
  package var brokers: [Broker]

  package static func path(in directory: String) -> String { "\(directory)/cluster.json" }

  /// Reads what the cluster of a directory says; nil where none runs there.
  package static func read(in directory: String) -> ClusterFile? {
    guard let bytes = SmallFile.bytes(path(in: directory)),
      let file = try? JSONDecoder().decode(ClusterFile.self, from: Data(bytes)),
      Glibc.kill(file.pid, 0) == 0 || errno == EPERM
    else { return nil }
    return file
  }

  func write(in directory: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try SmallFile.replace(Self.path(in: directory), bytes: Array(try encoder.encode(self)))
  }

  package func broker(_ id: Int) -> Broker? { brokers.first { $0.id == id } }

  /// The cluster's network; nil on loopback.
  package var clusterNetwork: ClusterNetwork? { network.map { ClusterNetwork(pid: $0) } }

  /// Ends every process of the cluster at once (-9), and removes its network and this file.
  package func kill(in directory: String) {
    for pid in brokers.compactMap(\.pid) + [zooKeeper.pid, pid] where pid > 0 { Glibc.kill(pid, SIGKILL) }
    clusterNetwork?.remove(brokers: brokers.map(\.id))
    unlink(Self.path(in: directory))
  }
}

/// What another command asks of the process that runs a cluster: a file in `requests/`, whose name says what, and whose lines are
/// arguments.
package enum ClusterRequest: Equatable, Sendable {
  /// Starts a broker that has ended, with these `key=value` beside those that it has, from now on.
  case start(Int, overrides: [String])
  /// Fills a broker's disk.
  case fill(Int)
  /// Undoes `fill`.
  case drain(Int)
  case restartZooKeeper

  private enum Words {
    static let start = "start-", fill = "fill-", drain = "drain-", zooKeeper = "restart-zookeeper"
  }

  var name: String {
    switch self {
    case .start(let broker, _): "\(Words.start)\(broker)"
    case .fill(let broker): "\(Words.fill)\(broker)"
    case .drain(let broker): "\(Words.drain)\(broker)"
    case .restartZooKeeper: Words.zooKeeper
    }
  }

  /// Reads a request; nil for other files, such as a request that is being written.
  init?(name: String, lines: [String]) {
    func broker(_ word: String) -> Int? { name.hasPrefix(word) ? Int(name.dropFirst(word.count)) : nil }
    if name == Words.zooKeeper {
      self = .restartZooKeeper
    } else if let id = broker(Words.start) {
      self = .start(id, overrides: lines)
    } else if let id = broker(Words.fill) {
      self = .fill(id)
    } else if let id = broker(Words.drain) {
      self = .drain(id)
    } else {
      return nil
    }
  }

  package func send(in directory: String) throws {
    var text = ""
    if case .start(_, let overrides) = self { text = overrides.map { $0 + "\n" }.joined() }
    try SmallFile.replace("\(directory)/requests/\(name)", text)
  }

  /// Takes the requests that there are out of the directory.
  static func take(in directory: String) -> [ClusterRequest] {
    (SmallFile.entries(of: "\(directory)/requests") ?? []).compactMap { name in
      let path = "\(directory)/requests/\(name)"
      let lines = (SmallFile.read(path) ?? "").split(separator: "\n").map(String.init)
      guard let request = ClusterRequest(name: name, lines: lines) else { return nil }
      unlink(path)
      return request
    }
  }
}

/// The right to run a cluster in a directory, for as long as this value lives.
final class DirectoryLock {
  private let file: Int32

  /// Nil when another process has it, or the directory cannot be written.
  init?(_ directory: String) {
    file = open("\(directory)/cluster.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard file >= 0, flock(file, LOCK_EX | LOCK_NB) == 0 else {
      if file >= 0 { close(file) }
      return nil
    }
  }

  deinit { close(file) }
}
