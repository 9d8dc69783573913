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

  static let registry = "/run/netns"
  private static let stem = "mrc"

  /// The name of the bridge, and the beginning of all other names: `mrc1234`, with the number of the process.
  let name: String
  /// The addresses; nil for the network of another process.
  private(set) var block: AddressBlock?

  package static let obstacle: String? = {
    guard geteuid() == 0 else { return "network namespaces need root" }
    for tool in ["ip", "tc"] where SystemTool.path(of: tool) == nil {
      return "there is no `\(tool)` (Debian's iproute2)"
    }
    return nil
  }()

  func namespace(of broker: Int) -> String { "\(name)-\(broker)" }
  /// The file that `setns` takes.
  package func namespaceFile(of broker: Int) -> String { "\(Self.registry)/\(namespace(of: broker))" }
  func hostEnd(_ broker: Int) -> String { "\(name)h\(broker)" }

  init(pid: Int32) {
    // A process id has at most seven digits, and an interface's name at most fifteen characters.
    name = "\(Self.stem)\(pid)"
  }

  /// Makes the bridge and a namespace for each broker. What was made is removed again when a part fails; what clusters whose processes were
  /// killed have left is removed first.
  static func make(brokers: [Int], in block: AddressBlock, pid: Int32 = getpid()) throws(Failure) -> ClusterNetwork {
    if let obstacle { throw Failure(description: obstacle) }
    removeLeftovers()
    var network = ClusterNetwork(pid: pid)
    network.block = block
    do throws(Failure) {
      try ip("link", "add", network.name, "type", "bridge")
      try ip("address", "add", "\(block.host)/24", "dev", network.name)
      try ip("link", "set", network.name, "up")
      for broker in brokers { try network.addBroker(broker, at: block.address(of: broker)) }
    } catch {
      network.remove(brokers: brokers)
      throw error
    }
    return network
  }

  private func addBroker(_ broker: Int, at address: String) throws(Failure) {
    let (namespace, end) = (namespace(of: broker), hostEnd(broker))
    try Self.ip("netns", "add", namespace)
    try Self.ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    try Self.ip("link", "set", end, "master", name)
    try Self.ip("link", "set", end, "up")
    try Self.ip("-n", namespace, "address", "add", "\(address)/24", "dev", "eth0")
    for interface in ["lo", "eth0"] { try Self.ip("-n", namespace, "link", "set", interface, "up") }
  }

  package func remove(brokers: [Int]) {
    for broker in brokers {
      try? Self.ip("netns", "delete", namespace(of: broker))
      try? Self.ip("link", "delete", hostEnd(broker))
    }
    try? Self.ip("link", "delete", name)
  }

  /// Removes the networks of clusters whose process has ended without removing them.
  static func removeLeftovers() {
    let interfaces = SmallFile.entries(of: "/sys/class/net") ?? []
    for (name, pid) in interfaces.compactMap({ name in process(ofBridge: name).map { (name, $0) } }) {
      guard kill(pid, 0) != 0, errno == ESRCH else { continue }
      for namespace in SmallFile.entries(of: registry) ?? [] where namespace.hasPrefix("\(name)-") {
        try? ip("netns", "delete", namespace)
      }
      for end in interfaces where end.hasPrefix("\(name)h") || end.hasPrefix("\(name)l") {
        try? ip("link", "delete", end)
      }
      try? ip("link", "delete", name)
    }
  }

  /// The process that a bridge is called after; nil for other interfaces.
  static func process(ofBridge name: String) -> Int32? {
    name.hasPrefix(stem) ? Int32(name.dropFirst(stem.count)) : nil
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
    do { try SystemTool.run(tool, arguments) } catch { throw Failure(description: error.description) }
  }
}
