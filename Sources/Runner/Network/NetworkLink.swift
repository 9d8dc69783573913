import Experiment
import Foundation
import Glibc
import Results

/// Two network namespaces of our own and a cable of known speed between them: the broker in one, the generator in the other.
///
/// A pair of virtual interfaces (veth), each with a token bucket (tbf) that lets so many bits a second out: the kernel's own
/// TCP over a link that is slower than loopback, and that nobody else uses. Made by `ip` and `tc`, one for each run.
///
/// With `count` links each of several clients has one of its own: a client that connects from `clientAddresses[i]` uses the i-th, in
/// both directions. The broker has one address, which each link leads to (a routing table for each source address), so that nothing
/// but the source decides.
///
/// Namespaces outlive the process that made them. They are called after it, so that `removeLeftovers` knows those of a
/// campaign that was killed.
package struct NetworkLink: Sendable, Equatable {
  package struct Unavailable: Error, Equatable, CustomStringConvertible {
    package let reason: String
    package var description: String { reason }
  }

  package enum Limits {
    /// Of a rate: below, a run would take minutes; above, the bucket's timer is too coarse.
    package static let mbitPerSecond = 1.0...10_000.0
    package static let count = 1...64
    /// What the bucket lets out at once: so much time's worth, for the timer is late now and then ...
    static let burstSeconds = 0.002
    /// ... and at least two of the largest pieces that TCP hands down, which would else be cut into packets one by one.
    static let burstBytesMin = 131_072.0
    /// Waits in front of the bucket, then packets are dropped. TCP keeps less than this in one queue.
    static let queueBytes = 4 << 20
    /// `ip` and `tc` answer at once.
    static let toolSeconds = 10.0
    static let toolDirectories = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"]
  }

  private enum Names {
    static let stem = "millrace-"
    static let broker = "broker"
    static let load = "load"
    static let registry = "/run/netns"
  }

  /// In their own namespaces these meet no other network's addresses.
  package static let brokerAddress = "10.77.0.1"
  package static let loadAddress = "10.77.0.2"
  /// The interfaces of the first link, each called as its namespace is for; those of others have other numbers.
  package static let brokerInterface = brokerInterface(0)
  package static let loadInterface = loadInterface(0)

  static func brokerInterface(_ index: Int) -> String { "broker\(index)" }
  static func loadInterface(_ index: Int) -> String { "load\(index)" }

  /// A client that connects from the i-th of these uses the i-th link.
  package var clientAddresses: [String] { (0..<count).map { "10.77.\($0).2" } }

  /// `millrace-1234`, the process.
  let name: String
  /// Of each link.
  package let mbitPerSecond: Double
  package let count: Int
  private let tools: Tools

  /// Of all links together.
  package var totalMbitPerSecond: Double { mbitPerSecond * Double(count) }

  /// The files that `setns` takes.
  package var brokerNamespace: String { "\(Names.registry)/\(name)-\(Names.broker)" }
  package var loadNamespace: String { "\(Names.registry)/\(name)-\(Names.load)" }

  /// Makes both namespaces and the links; what was made is removed again when a part of it fails.
  ///
  /// - Parameter scratch: for what the tools complain of.
  package init(mbitPerSecond: Double, count: Int = 1, scratch: String, pid: Int32 = getpid()) throws(Unavailable) {
    guard Limits.count.contains(count) else {
      throw Unavailable(reason: "\(count) links: \(Limits.count.lowerBound) to \(Limits.count.upperBound) can be made")
    }
    guard Limits.mbitPerSecond.contains(mbitPerSecond) else {
      throw Unavailable(
        reason: "a link of \(Figures.text(mbitPerSecond)) Mb/s: \(Figures.text(Limits.mbitPerSecond.lowerBound)) to "
          + "\(Figures.text(Limits.mbitPerSecond.upperBound)) can be made")
    }
    guard geteuid() == 0 else { throw Unavailable(reason: "network namespaces need root") }
    name = "\(Names.stem)\(pid)"
    self.mbitPerSecond = mbitPerSecond
    self.count = count
    tools = try Tools(scratch: scratch)
    // An earlier run of this process that could not clean up.
    remove()
    do throws(Unavailable) {
      try make()
    } catch {
      remove()
      throw error
    }
  }

  /// Why no link can be made here; nil when one was just made and removed.
  package static func obstacle(scratch: String) -> String? {
    do throws(Unavailable) {
      try NetworkLink(mbitPerSecond: 1000, scratch: scratch).remove()
      return nil
    } catch {
      return error.reason
    }
  }

  private func make() throws(Unavailable) {
    let broker = "\(name)-\(Names.broker)"
    let load = "\(name)-\(Names.load)"
    try tools.ip(["netns", "add", broker])
    try tools.ip(["netns", "add", load])
    for namespace in [broker, load] { try tools.ip(["-n", namespace, "link", "set", "lo", "up"]) }
    for index in 0..<count { try makeLink(index, broker, load) }
  }

  private func makeLink(_ index: Int, _ broker: String, _ load: String) throws(Unavailable) {
    let (brokerEnd, loadEnd) = (Self.brokerInterface(index), Self.loadInterface(index))
    let brokerAddress = "10.77.\(index).1"
    try tools.ip([
      "link", "add", brokerEnd, "netns", broker, "type", "veth", "peer", "name", loadEnd, "netns", load,
    ])
    for (namespace, interface, address) in [
      (broker, brokerEnd, brokerAddress), (load, loadEnd, clientAddresses[index]),
    ] {
      try tools.ip(["-n", namespace, "address", "add", "\(address)/30", "dev", interface])
      try tools.tc(
        ["-n", namespace, "qdisc", "add", "dev", interface, "root", "tbf"] + Self.bucket(mbitPerSecond: mbitPerSecond))
      try tools.ip(["-n", namespace, "link", "set", interface, "up"])
    }
    // The first link is the broker's address's own network.
    guard index > 0 else { return }
    let table = "\(Self.firstTable + index)"
    try tools.ip([
      "-n", load, "route", "add", Self.brokerAddress, "via", brokerAddress, "dev", loadEnd, "table", table,
    ])
    try tools.ip(["-n", load, "rule", "add", "from", clientAddresses[index], "lookup", table])
  }

  /// Any but the kernel's own routing tables (253 to 255) would do.
  private static let firstTable = 1000

  /// What `tc` is told of the token bucket.
  static func bucket(mbitPerSecond: Double) -> [String] {
    let burst = max(Limits.burstBytesMin, mbitPerSecond * 1e6 / 8 * Limits.burstSeconds)
    return [
      "rate", "\(Int(mbitPerSecond * 1000))kbit", "burst", "\(Int(burst))", "limit", "\(Limits.queueBytes)",
    ]
  }

  /// Takes the namespaces away, and with them the link; processes still inside keep theirs until they end.
  package func remove() {
    for part in [Names.broker, Names.load] where access("\(Names.registry)/\(name)-\(part)", F_OK) == 0 {
      try? tools.ip(["netns", "delete", "\(name)-\(part)"])
    }
  }

  /// What the buckets of both ends let out so far, of all links together; nil when `tc` does not say.
  package var carried: (toBroker: Carried, fromBroker: Carried)? {
    var sum: (toBroker: Carried, fromBroker: Carried)?
    for index in 0..<count {
      let (load, broker) = (Self.loadInterface(index), Self.brokerInterface(index))
      guard let to = tools.bucket(of: load, in: "\(name)-\(Names.load)").flatMap(Carried.init(json:)),
        let from = tools.bucket(of: broker, in: "\(name)-\(Names.broker)").flatMap(Carried.init(json:))
      else { return nil }
      sum = sum.map { ($0.toBroker + to, $0.fromBroker + from) } ?? (to, from)
    }
    return sum
  }

  /// One direction, as a cable carries it: packets of the interface's own size, each with headers of its own.
  package struct Carried: Sendable, Equatable {
    package var bytes: Int
    package var packets: Int

    /// From what `tc -s -j qdisc show` prints.
    init?(json: String) {
      guard let list = try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [[String: Any]],
        let bucket = list.first(where: { $0["kind"] as? String == "tbf" }),
        let bytes = bucket["bytes"] as? Int, let packets = bucket["packets"] as? Int
      else { return nil }
      (self.bytes, self.packets) = (bytes, packets)
    }

    static func + (a: Carried, b: Carried) -> Carried {
      var sum = a
      sum.bytes += b.bytes
      sum.packets += b.packets
      return sum
    }
  }

  /// Removes what killed campaigns left: namespaces called after a process that is gone. Returns their names.
  @discardableResult
  package static func removeLeftovers(scratch: String) -> [String] {
    let dead = (SmallFile.entries(of: Names.registry) ?? []).filter { isLeftover($0) }
    guard !dead.isEmpty, let tools = try? Tools(scratch: scratch) else { return [] }
    return dead.filter { (try? tools.ip(["netns", "delete", $0])) != nil }
  }

  /// `millrace-PID-broker` or `-load`, and no such process.
  static func isLeftover(_ name: String) -> Bool {
    let parts = name.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, "\(parts[0])-" == Names.stem, let pid = Int32(parts[1]), pid > 0,
      [Names.broker, Names.load].contains(String(parts[2]))
    else { return false }
    return kill(pid, 0) != 0 && errno == ESRCH
  }

  /// `ip` and `tc` of this machine.
  private struct Tools: Sendable, Equatable {
    let ipPath: String
    let tcPath: String
    let scratch: String

    init(scratch: String) throws(Unavailable) {
      ipPath = try Self.find("ip")
      tcPath = try Self.find("tc")
      self.scratch = scratch
    }

    private static func find(_ name: String) throws(Unavailable) -> String {
      let paths = Limits.toolDirectories.map { "\($0)/\(name)" }
      guard let path = paths.first(where: { access($0, X_OK) == 0 }) else {
        throw Unavailable(reason: "\(name) is not there (apt-get install iproute2)")
      }
      return path
    }

    /// What `tc` says of an interface's bucket, as JSON; nil when it says nothing.
    func bucket(of interface: String, in namespace: String) -> String? {
      let out = "\(scratch)/link.json"
      defer { unlink(out) }
      let arguments = ["-n", namespace, "-s", "-j", "qdisc", "show", "dev", interface, "root"]
      return (try? run(tcPath, arguments, out: out)) == nil ? nil : SmallFile.read(out)
    }

    func ip(_ arguments: [String]) throws(Unavailable) { try run(ipPath, arguments) }

    func tc(_ arguments: [String]) throws(Unavailable) { try run(tcPath, arguments) }

    private func run(_ program: String, _ arguments: [String], out: String = "/dev/null") throws(Unavailable) {
      let errors = "\(scratch)/link.err"
      defer { unlink(errors) }
      let child: ChildProcess
      do {
        child = try ChildProcess(program: program, arguments: arguments, outPath: out, errPath: errors)
      } catch {
        throw Unavailable(reason: "\(error)")
      }
      let deadline = Uptime.seconds + Limits.toolSeconds
      while child.poll() == nil, Uptime.seconds < deadline { Uptime.nap(milliseconds: 1) }
      guard child.poll() == .exited(0) else {
        throw Unavailable(
          reason: "\(child.name) \(arguments.joined(separator: " ")): \(BrokerProcess.lastLine(errors))")
      }
    }
  }
}

/// What was counted of a run's links so far, by two counters that know nothing of each other: the broker's interfaces, and the buckets
/// at both ends. Nobody else's bytes are among them. Taken before and after measuring.
package struct LinkFigures: Sendable, Equatable {
  /// To the broker and from it, headers included; a piece that TCP handed down whole counts one header.
  package var interfaceBytes: Int
  /// Those pieces.
  package var interfacePieces: Int
  package var toBroker: NetworkLink.Carried
  package var fromBroker: NetworkLink.Carried

  enum Wire {
    /// Ethernet 14, IP 20, TCP 20 and its time stamps 12.
    static let headerBytes = 66
  }

  /// Of the network namespace that the broker's process is in.
  package static func of(_ link: NetworkLink, broker pid: Int32) -> LinkFigures? {
    guard let device = SmallFile.read("/proc/\(pid)/net/dev"), let carried = link.carried else { return nil }
    return LinkFigures(
      device: device, interfaces: (0..<link.count).map(NetworkLink.brokerInterface), toBroker: carried.toBroker,
      fromBroker: carried.fromBroker)
  }

  /// From the text of net/dev; nil where an interface is missing.
  init?(device: String, interfaces: [String], toBroker: NetworkLink.Carried, fromBroker: NetworkLink.Carried) {
    (interfaceBytes, interfacePieces) = (0, 0)
    for interface in interfaces {
      // bytes packets errs drop fifo frame compressed multicast, of what was received and then of what was sent.
      guard let counters = Self.counters(of: interface, in: device), counters.count > 9 else { return nil }
      interfaceBytes += counters[0] + counters[8]
      interfacePieces += counters[1] + counters[9]
    }
    self.toBroker = toBroker
    self.fromBroker = fromBroker
  }

  private static func counters(of interface: String, in text: String) -> [Int]? {
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, parts[0].split(separator: " ").first.map(String.init) == interface else { continue }
      return parts[1].split(separator: " ").map { Int($0) ?? 0 }
    }
    return nil
  }

  package static func - (later: LinkFigures, earlier: LinkFigures) -> LinkFigures {
    var difference = later
    difference.interfaceBytes -= earlier.interfaceBytes
    difference.interfacePieces -= earlier.interfacePieces
    difference.toBroker.bytes -= earlier.toBroker.bytes
    difference.toBroker.packets -= earlier.toBroker.packets
    difference.fromBroker.bytes -= earlier.fromBroker.bytes
    difference.fromBroker.packets -= earlier.fromBroker.packets
    return difference
  }

  /// Without any header.
  package var payloadBytes: Int { interfaceBytes - interfacePieces * Wire.headerBytes }
  package var packets: Int { toBroker.packets + fromBroker.packets }
  package var busierBytes: Int { max(toBroker.bytes, fromBroker.bytes) }
}
