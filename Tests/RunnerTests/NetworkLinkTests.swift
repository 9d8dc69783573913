import Foundation
import Glibc
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results
@testable import Runner

@Suite("Links of our own", .serialized)
struct NetworkLinkTests {
  /// Nil where one can be made.
  static let obstacle: String? = {
    guard let scratch = try? Scratch() else { return "no scratch directory" }
    return NetworkLink.obstacle(scratch: scratch.path)
  }()

  @Test(
    "a child in a namespace of the link sees its interface and no other network, and nothing is left behind",
    .enabled(if: obstacle == nil, "needs root, network namespaces, ip and tc"))
  func isolates() throws {
    let scratch = try Scratch()
    let link = try NetworkLink(mbitPerSecond: 100, scratch: scratch.path)
    defer { link.remove() }
    for (namespace, interface) in [
      (link.brokerNamespace, NetworkLink.brokerInterface), (link.loadNamespace, NetworkLink.loadInterface),
    ] {
      let child = try ChildProcess(
        program: "/bin/cat", arguments: ["/proc/self/net/dev"], outPath: scratch.path + "/dev",
        errPath: scratch.path + "/err", network: namespace)
      while child.poll() == nil { Uptime.nap(milliseconds: 1) }
      #expect(child.end == .exited(0))
      let names = (SmallFile.read(scratch.path + "/dev") ?? "").split(separator: "\n").dropFirst(2).compactMap {
        $0.split(separator: ":").first?.split(separator: " ").first.map(String.init)
      }
      #expect(Set(names) == ["lo", interface])
    }
    NetworkLink.removeLeftovers(scratch: scratch.path)
    #expect(access(link.brokerNamespace, F_OK) == 0, "its process is alive")
    link.remove()
    #expect(access(link.brokerNamespace, F_OK) != 0 && access(link.loadNamespace, F_OK) != 0)
    link.remove()
  }

  @Test(
    "what a killed campaign left is removed at the next start, and another's is not",
    .enabled(if: obstacle == nil, "needs root, network namespaces, ip and tc"))
  func leftovers() throws {
    let scratch = try Scratch()
    let owner = try ChildProcess(
      program: "/bin/sleep", arguments: ["600"], outPath: "/dev/null", errPath: "/dev/null")
    let left = try NetworkLink(mbitPerSecond: 10, scratch: scratch.path, pid: owner.pid)
    let other = try NetworkLink(mbitPerSecond: 10, scratch: scratch.path, pid: 1)
    defer { other.remove() }
    NetworkLink.removeLeftovers(scratch: scratch.path)
    #expect(access(left.brokerNamespace, F_OK) == 0, "its process is alive")
    owner.kill()
    // By us, or by another test's campaign that begins just now.
    NetworkLink.removeLeftovers(scratch: scratch.path)
    #expect(access(left.brokerNamespace, F_OK) != 0 && access(left.loadNamespace, F_OK) != 0)
    #expect(access(other.brokerNamespace, F_OK) == 0, "process 1 is alive")
  }

  @Test("a name is a leftover only when it has our form and its process is gone")
  func names() {
    #expect(!NetworkLink.isLeftover("millrace-1-broker"))
    #expect(!NetworkLink.isLeftover("millrace-\(getpid())-load"))
    // Beyond the kernel's largest process id.
    #expect(NetworkLink.isLeftover("millrace-99999999-load"))
    for other in ["millrace-99999999", "millrace-99999999-other", "millrace--1-load", "my-99999999-load"] {
      #expect(!NetworkLink.isLeftover(other), "\(other)")
    }
  }

  @Test("a rate that no bucket keeps is refused", arguments: [0.0, 0.5, 20_000, .infinity])
  func refuses(rate: Double) throws {
    let scratch = try Scratch()
    #expect(throws: NetworkLink.Unavailable.self) { try NetworkLink(mbitPerSecond: rate, scratch: scratch.path) }
  }

  @Test("the bucket lets out 2 ms at once, and at least 128 KiB")
  func bucket() {
    #expect(NetworkLink.bucket(mbitPerSecond: 1000) == ["rate", "1000000kbit", "burst", "250000", "limit", "4194304"])
    #expect(NetworkLink.bucket(mbitPerSecond: 1.5)[...3] == ["rate", "1500kbit", "burst", "131072"])
  }

  // MARK: Counters

  static let device = """
    Inter-|   Receive                            |  Transmit
     face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
        lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
    broker0: 1066000    1000    0    0    0     0          0         0   660000   10000    0    0    0     0       0          0

    """
  static func carried(_ bytes: Int, _ packets: Int) -> NetworkLink.Carried? {
    NetworkLink.Carried(
      json: """
        [{"kind":"tbf","handle":"8001:","root":true,"options":{"rate":12500000},"bytes":\(bytes),"packets":\(packets),"drops":0}]
        """)
  }

  @Test(
    "an interface's counters are read by its name and the buckets' by their kind; headers are taken off by the piece")
  func figures() throws {
    let (to, from) = (try #require(Self.carried(1_099_000, 1500)), try #require(Self.carried(660_000, 10_000)))
    let figures = try #require(
      LinkFigures(device: Self.device, interfaces: ["broker0"], toBroker: to, fromBroker: from))
    #expect(figures.interfaceBytes == 1_726_000 && figures.packets == 11_500 && figures.busierBytes == 1_099_000)
    #expect(figures.payloadBytes == 1_000_000, "1000 pieces in, 10,000 bare acknowledgements out")
    #expect((figures - figures).interfaceBytes == 0 && (figures - figures).packets == 0)
    #expect(LinkFigures(device: Self.device, interfaces: ["broker1"], toBroker: to, fromBroker: from) == nil)
    #expect(NetworkLink.Carried(json: #"[{"kind":"noqueue","bytes":1,"packets":1}]"#) == nil)
    #expect(NetworkLink.Carried(json: "") == nil)
  }

  @Test("a link's bytes that are more or fewer than the client's are a fault, and so is a relay at its end")
  func reconciles() {
    func faults(_ body: (inout Reconciliation) -> Void) -> [String] {
      var check = Reconciliation()
      body(&check)
      #expect(check.warnings.isEmpty)
      return check.faults
    }
    #expect(faults { $0.link(interface: 1.02e9, client: 1e9) } == [])
    #expect(faults { $0.link(interface: 0.98e9, client: 1e9) } == [])
    #expect(faults { $0.link(interface: 0.9e9, client: 1e9) }.first?.contains("the link's interface") == true)
    #expect(faults { $0.link(interface: 1.1e9, client: 1e9) }.count == 1, "nobody else uses it")
    #expect(faults { $0.link(interface: 200e3, client: 1000) } == [], "connecting and metadata")
    #expect(faults { $0.link(interface: 5, client: nil) } == [])
    #expect(faults { $0.relay(carried: 700, most: 1000) } == [])
    #expect(faults { $0.relay(carried: 900, most: 1000) }.first?.contains("relay-bound") == true)
    #expect(faults { $0.relay(carried: 900, most: nil) } == [])
  }

  @Test("what passed a link is told by the record and as a share of its rate")
  func metrics() throws {
    let (to, from) = (try #require(Self.carried(1_099_000, 1500)), try #require(Self.carried(660_000, 10_000)))
    let figures = try #require(
      LinkFigures(device: Self.device, interfaces: ["broker0"], toBroker: to, fromBroker: from))
    var metrics = ["records": 1000.0, "seconds": 0.1]
    ProcessRunner.add(figures, linkMbitPerSecond: nil, to: &metrics)
    #expect(metrics["link_bytes"] == nil)
    ProcessRunner.add(figures, linkMbitPerSecond: 100, to: &metrics)
    #expect(metrics["packets_per_record"] == 11.5)
    // 1,099,000 bytes in 0.1 s are 87.92 Mb/s.
    #expect(abs((metrics["link_percent"] ?? 0) - 87.92) < 1e-9)
  }

  @Test(
    "with three links each source address has its own, and all lead to the broker's one address",
    .enabled(if: obstacle == nil, "needs root, network namespaces, ip and tc"))
  func several() throws {
    let scratch = try Scratch()
    let link = try NetworkLink(mbitPerSecond: 100, count: 3, scratch: scratch.path)
    defer { link.remove() }
    #expect(link.clientAddresses == ["10.77.0.2", "10.77.1.2", "10.77.2.2"] && link.totalMbitPerSecond == 300)
    for (index, address) in link.clientAddresses.enumerated() {
      let child = try ChildProcess(
        program: "/bin/ip", arguments: ["route", "get", NetworkLink.brokerAddress, "from", address],
        outPath: scratch.path + "/route", errPath: scratch.path + "/err", network: link.loadNamespace)
      while child.poll() == nil { Uptime.nap(milliseconds: 1) }
      #expect(child.end == .exited(0), "\(SmallFile.read(scratch.path + "/err") ?? "")")
      let route = SmallFile.read(scratch.path + "/route") ?? ""
      #expect(route.contains("dev load\(index) "), "\(address): \(route)")
    }
    #expect(link.carried != nil)
    #expect(throws: NetworkLink.Unavailable.self) {
      try NetworkLink(mbitPerSecond: 1, count: 65, scratch: scratch.path)
    }
  }

  @Test("time that the broker needed after an unacknowledged run's end makes it longer and slower")
  func lengthens() {
    var metrics = ["seconds": 1.0, "records_per_s": 300, "mb_per_s": 3, "records": 300]
    ProcessRunner.lengthen(&metrics, by: 0.5)
    #expect(metrics == ["seconds": 1.5, "records_per_s": 200, "mb_per_s": 2, "records": 300])
    ProcessRunner.lengthen(&metrics, by: 0)
    #expect(metrics["seconds"] == 1.5)
  }

  @Test("a link or a round trip belongs to arms with a broker, and their levels must be defined")
  func definition() {
    for (key, words) in [
      ("link_mbit_per_s: 100", "no broker to be at the other end"),
      ("round_trip_ms: 5", "no broker to be at the other end"),
    ] {
      let error = #expect(throws: DefinitionError.self) {
        try Sample.experiment {
          $0.replacingOccurrences(of: "    role: baseline", with: "    role: baseline\n    \(key)")
        }
      }
      #expect(error.map { "\($0)" }?.contains(words) == true)
    }
  }
}
