import Glibc
import Results

/// A network of this machine's own for the brokers of a local cluster: a bridge, and for each broker a network namespace with one cable to
/// it. The host is on the bridge too, so that clients reach the brokers. Needs root.
///
/// Each direction of a cable can be cut: a token bucket (tbf) whose burst is smaller than any packet lets nothing out.
package struct ClusterNetwork: Sendable {
  /// A direction of a broker's cable.
  package enum Direction: String, Sendable, CaseIterable {
    /// What the broker sends is lost.
    case out
    /// What is sent to the broker is lost.
    case `in`
  }

  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  enum Limits {
    /// The last number of an address is the broker's id.
    static let brokerIDs = 1...200
    static let hostNumber = 254
  }

  /// The first two bytes are the cluster's own; the third tells clusters of one machine apart.
  static let prefix = "10.78"
  static let registry = "/run/netns"

  /// The name of the bridge, and the beginning of all other names: `mrc1234`, with the number of the process.
  let name: String
  let third: Int

  package static let obstacle: String? = {
    guard geteuid() == 0 else { return "network namespaces need root" }
    for tool in ["ip", "tc"] where path(of: tool) == nil { return "there is no `\(tool)` (Debian's iproute2)" }
    return nil
  }()

  private static func path(of tool: String) -> String? {
    Tool.path(of: tool) ?? ["/usr/sbin", "/sbin"].map { "\($0)/\(tool)" }.first { access($0, X_OK) == 0 }
  }

  /// The host's address on the bridge.
  package var hostAddress: String { "\(Self.prefix).\(third).\(Limits.hostNumber)" }
  package func address(of broker: Int) -> String { "\(Self.prefix).\(third).\(broker)" }
  func namespace(of broker: Int) -> String { "\(name)-\(broker)" }
  /// The file that `setns` takes.
  package func namespaceFile(of broker: Int) -> String { "\(Self.registry)/\(namespace(of: broker))" }
  func hostEnd(_ broker: Int) -> String { "\(name)h\(broker)" }

  init(pid: Int32) {
    // A process id has at most seven digits, and an interface's name at most fifteen characters.
    name = "mrc\(pid)"
    third = Int(pid % 250)
  }

  /// Makes the bridge and a namespace for each broker. What was made is removed again when a part fails.
  package static func make(brokers: [Int], pid: Int32 = getpid()) throws(Failure) -> ClusterNetwork {
    if let obstacle { throw Failure(description: obstacle) }
    let network = ClusterNetwork(pid: pid)
    do throws(Failure) {
      try ip("link", "add", network.name, "type", "bridge")
      try ip("address", "add", "\(network.hostAddress)/24", "dev", network.name)
      try ip("link", "set", network.name, "up")
      for broker in brokers { try network.addBroker(broker) }
    } catch {
      network.remove(brokers: brokers)
      throw error
    }
    return network
  }

  private func addBroker(_ broker: Int) throws(Failure) {
    let (namespace, end) = (namespace(of: broker), hostEnd(broker))
    try Self.ip("netns", "add", namespace)
    try Self.ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    try Self.ip("link", "set", end, "master", name)
    try Self.ip("link", "set", end, "up")
    try Self.ip("-n", namespace, "address", "add", "\(address(of: broker))/24", "dev", "eth0")
    for interface in ["lo", "eth0"] { try Self.ip("-n", namespace, "link", "set", interface, "up") }
  }

  package func remove(brokers: [Int]) {
    for broker in brokers {
      try? Self.ip("netns", "delete", namespace(of: broker))
      try? Self.ip("link", "delete", hostEnd(broker))
    }
    try? Self.ip("link", "delete", name)
  }

  /// Loses what goes in a direction, from now on.
  package func cut(_ broker: Int, _ direction: Direction) throws(Failure) {
    try Self.tc(place(broker, direction) + ["root", "tbf", "rate", "1kbit", "burst", "1", "limit", "1"], "replace")
  }

  /// Undoes `cut`; does nothing to a direction that is not cut.
  package func mend(_ broker: Int, _ direction: Direction) {
    try? Self.tc(place(broker, direction) + ["root"], "delete")
  }

  private func place(_ broker: Int, _ direction: Direction) -> [String] {
    switch direction {
    case .out: ["-n", namespace(of: broker), "dev", "eth0"]
    case .in: ["dev", hostEnd(broker)]
    }
  }

  private static func tc(_ place: [String], _ verb: String) throws(Failure) {
    let namespace = place.first == "-n" ? Array(place.prefix(2)) : []
    try run("tc", namespace + ["qdisc", verb] + place.dropFirst(namespace.count))
  }

  static func ip(_ arguments: String...) throws(Failure) { try run("ip", arguments) }

  static func run(_ tool: String, _ arguments: [String]) throws(Failure) {
    guard let program = path(of: tool) else { throw Failure(description: "there is no `\(tool)`") }
    let log = "/tmp/millrace-\(getpid())-\(tool).log"
    defer { unlink(log) }
    do {
      let child = try ChildProcess(program: program, arguments: arguments, outPath: log, errPath: log)
      let deadline = Uptime.seconds + 10
      while child.poll() == nil, Uptime.seconds < deadline { Uptime.nap(milliseconds: 1) }
      guard child.poll() == .exited(0) else {
        let said = (SmallFile.read(log) ?? "").split(separator: "\n").first.map(String.init) ?? "it does not end"
        throw Failure(description: "\(tool) \(arguments.joined(separator: " ")): \(said)")
      }
    } catch let error as Failure {
      throw error
    } catch {
      throw Failure(description: "\(error)")
    }
  }
}
