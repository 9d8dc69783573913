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

  static let zooKeeperRequest = "restart-zookeeper"
  private static let startRequest = "start-"

  /// Reads what the cluster of a directory says; nil where none runs there.
  package static func read(in directory: String) -> ClusterFile? {
    guard let bytes = SmallFile.bytes(path(in: directory)),
      let file = try? JSONDecoder().decode(ClusterFile.self, from: Data(bytes)),
      kill(file.pid, 0) == 0 || errno == EPERM
    else { return nil }
    return file
  }

  func write(in directory: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try SmallFile.replace(Self.path(in: directory), bytes: Array(try encoder.encode(self)))
  }

  static func broker(ofRequest name: String) -> Int? {
    name.hasPrefix(startRequest) ? Int(name.dropFirst(startRequest.count)) : nil
  }

  /// Asks the process that runs the cluster to start a broker that has ended.
  package static func requestStart(of broker: Int, in directory: String) throws {
    try SmallFile.replace("\(directory)/requests/\(startRequest)\(broker)", "")
  }

  /// Asks the process that runs the cluster to stop ZooKeeper and start it again.
  package static func requestZooKeeperRestart(in directory: String) throws {
    try SmallFile.replace("\(directory)/requests/\(zooKeeperRequest)", "")
  }

  /// The cluster's network; nil on loopback.
  package var clusterNetwork: ClusterNetwork? { network.map { ClusterNetwork(pid: $0) } }
}
