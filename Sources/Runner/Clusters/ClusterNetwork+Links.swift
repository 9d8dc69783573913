import Experiment

/// A cluster behind links: each broker and each client at the end of a cable of known speed, all on one bridge.
///
/// ```
/// broker 1 ─ tbf ─┐            ┌─ tbf ─ client 0 ┐
/// broker 2 ─ tbf ─┼─ bridge ───┼─ tbf ─ client 1 ├ one namespace, an interface for each client
/// broker 3 ─ tbf ─┘            └─ tbf ─ client 2 ┘
/// ```
///
/// Both directions of each cable have a token bucket. A client's packets leave by the interface that has its address (a routing table for
/// each), and only that one answers for the address.
extension ClusterNetwork {
  private enum Clients {
    /// The last number of the first client's address: beyond those of brokers.
    static let firstNumber = 210
    static let firstTable = 1000
    static let most = 40
  }

  private var clientNamespace: String { "\(name)-load" }
  /// The file that `setns` takes.
  var clientNamespaceFile: String { "\(Self.registry)/\(clientNamespace)" }
  private func clientEnd(_ index: Int) -> String { "\(name)l\(index)" }

  func clientAddresses(_ count: Int) -> [String] {
    guard let block else { return [] }
    return (0..<count).map { block.address(of: Clients.firstNumber + $0) }
  }

  /// Gives every broker a cable of this speed, and as many clients one each.
  func addLinks(mbitPerSecond: Double, clients: Int, brokers: [Int]) throws(Failure) {
    guard let block else { throw Failure(description: "the cluster is another process's") }
    guard NetworkLink.Limits.mbitPerSecond.contains(mbitPerSecond), (1...Clients.most).contains(clients) else {
      throw Failure(description: "\(clients) links of \(Figures.text(mbitPerSecond)) Mb/s cannot be made")
    }
    for broker in brokers {
      try limit(["-n", namespace(of: broker)], "eth0", mbitPerSecond)
      try limit([], hostEnd(broker), mbitPerSecond)
    }
    try Self.ip("netns", "add", clientNamespace)
    try Self.ip("-n", clientNamespace, "link", "set", "lo", "up")
    let addresses = clientAddresses(clients)
    for index in 0..<clients { try addClient(index, addresses[index], in: block, mbitPerSecond) }
    // Each interface answers for its own address alone, as if it were a machine of its own.
    try Self.run(
      "ip",
      [
        "netns", "exec", clientNamespace, "sh", "-c",
        "echo 1 > /proc/sys/net/ipv4/conf/all/arp_filter; echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore; "
          + "echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce",
      ])
  }

  private func addClient(
    _ index: Int, _ address: String, in block: AddressBlock, _ mbitPerSecond: Double
  ) throws(Failure) {
    let (host, own, table) = (clientEnd(index), "eth\(index)", "\(Clients.firstTable + index)")
    try Self.ip("link", "add", host, "type", "veth", "peer", "name", own, "netns", clientNamespace)
    try Self.ip("link", "set", host, "master", name)
    try Self.ip("link", "set", host, "up")
    try Self.ip("-n", clientNamespace, "address", "add", "\(address)/24", "dev", own)
    try Self.ip("-n", clientNamespace, "link", "set", own, "up")
    try Self.ip(
      "-n", clientNamespace, "route", "add", block.subnet, "dev", own, "src", address, "table", table)
    try Self.ip("-n", clientNamespace, "rule", "add", "from", address, "lookup", table)
    try limit(["-n", clientNamespace], own, mbitPerSecond)
    try limit([], host, mbitPerSecond)
  }

  private func limit(_ namespace: [String], _ interface: String, _ mbitPerSecond: Double) throws(Failure) {
    try Self.run(
      "tc",
      namespace + ["qdisc", "replace", "dev", interface, "root", "tbf"]
        + NetworkLink.bucket(mbitPerSecond: mbitPerSecond))
  }

  /// Takes the clients' namespace away, and with it their cables.
  func removeLinks() { try? Self.ip("netns", "delete", clientNamespace) }
}
