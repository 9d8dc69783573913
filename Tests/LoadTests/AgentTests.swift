import Base
import Client
import Model
import Testing

@testable import Load

@Suite("The offset of another machine's clock")
struct ClockOffsetTests {
  @Test("lies within the bounds of every reading, as in the worked case")
  func workedCase() {
    var offset = ClockOffset()
    offset.take(sentNs: 100_000_000, stampMs: 603, receivedNs: 104_000_000)
    #expect(offset.leastNs == 499_000_000 && offset.mostNs == 504_000_000)
    #expect(offset.middleNs == 501_500_000 && offset.errorNs == 2_500_000)
  }

  @Test(
    "is known better than a millisecond after sixty readings over a network of one to five",
    arguments: 1...50 as ClosedRange<UInt64>)
  func many(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let difference = Int64.random(in: -5_000_000_000...5_000_000_000, using: &random)
    var nowNs = UInt64(1_700_000_000_000_000_000)
    var offset = ClockOffset()
    for _ in 0..<60 {
      let sent = nowNs
      let stamped = sent + UInt64.random(in: 200_000...2_500_000, using: &random)
      let received = stamped + UInt64.random(in: 200_000...2_500_000, using: &random)
      offset.take(sentNs: sent, stampMs: (Int64(stamped) + difference) / 1_000_000, receivedNs: received)
      nowNs = received + UInt64.random(in: 0...3_000_000, using: &random)
    }
    #expect(offset.isConsistent, "seed \(seed)")
    #expect((offset.leastNs...offset.mostNs).contains(difference), "seed \(seed): \(offset), truly \(difference)")
    #expect(offset.errorNs < 1_000_000, "seed \(seed): \(offset.errorNs) ns")
  }

  @Test("contradicts itself when a clock is set between two readings, and no reading traps")
  func contradiction() {
    var offset = ClockOffset()
    #expect(!offset.isConsistent, "nothing was read")
    offset.take(sentNs: 1_000_000_000, stampMs: 1000, receivedNs: 1_001_000_000)
    offset.take(sentNs: 1_002_000_000, stampMs: 900, receivedNs: 1_003_000_000)
    #expect(!offset.isConsistent)
    for stamp in [Int64.min, -1, 0, .max] {
      for (sent, received) in [(UInt64.max, UInt64.max), (0, .max), (5, 4), (0, 0)] as [(UInt64, UInt64)] {
        offset.take(sentNs: sent, stampMs: stamp, receivedNs: received)
      }
    }
    let told = ClockOffset(leastNs: .min, mostNs: .max)
    _ = (told.middleNs, told.errorNs)
  }
}

@Suite("A share of a run")
struct ShareTests {
  private static func plan(_ arguments: String...) throws -> LoadPlan {
    try LoadPlan(arguments: [arguments[0], "--topic", "t", "--bootstrap-server", "h:1"] + arguments.dropFirst())
  }

  @Test("has its part of the records and the rate, and no two have the same seed, topic or transactional ids")
  func parts() throws {
    let shares = try (1...7).map {
      try Self.plan(
        "produce", "--num-records", "1000", "--throughput", "700", "--connections", "3", "--share", "\($0)/7")
    }
    #expect(shares.map { $0.recordCount ?? 0 }.reduce(0, +) == 1000)
    #expect(shares.allSatisfy { [142, 143].contains($0.recordCount) && abs(($0.throughput ?? 0) - 100) < 1e-9 })
    #expect(Set(shares.map(\.seed)).count == 7)
    #expect(shares.map(\.firstNumber) == [0, 3, 6, 9, 12, 15, 18])
    let topics = try (1...3).map { try Self.plan("end-to-end", "--num-records", "9", "--share", "\($0)/3").topic }
    #expect(topics == ["t-1", "t-2", "t-3"])
    #expect(try Self.plan("produce", "--num-records", "1000").recordCount == 1000)
  }

  @Test("end to end reads all of its own topic")
  func ownTopic() throws {
    let plan = try Self.plan("end-to-end", "--num-records", "9", "--connections", "2", "--share", "2/3")
    let setup = RunSetup(
      plan: plan, metadata: Metadata(topic: "t", topicID: .zero, partitions: []), run: 1, identities: [],
      connection: ConnectionOptions(now: { 0 }), from: [:], ranges: [:], ends: nil, progress: RunProgress())
    #expect((0..<6).allSatisfy { partition in (0..<2).count { setup.reads(partition, $0) } == 1 })
  }

  @Test("of consumers reads each partition once", arguments: [(1, 1), (2, 3), (3, 2), (4, 5), (5, 1)])
  func partitions(count: Int, connections: Int) throws {
    var readers = [Int](repeating: 0, count: 24)
    for number in 1...count {
      let plan = try Self.plan("consume", "--connections", "\(connections)", "--share", "\(number)/\(count)")
      let setup = RunSetup(
        plan: plan, metadata: Metadata(topic: "t", topicID: .zero, partitions: []), run: 1, identities: [],
        connection: ConnectionOptions(now: { 0 }), from: [:], ranges: [:], ends: nil, progress: RunProgress())
      for partition in 0..<24 {
        readers[partition] += (0..<connections).count { setup.reads(Int32(partition), $0) }
      }
    }
    #expect(readers.allSatisfy { $0 == 1 }, "\(readers)")
  }

  @Test(
    "that says nothing is refused",
    arguments: ["0/2", "3/2", "1", "1/0", "-1/2", "a/b", "1/2/3", "1/99999999999999999999", "", "/"])
  func refused(text: String) {
    #expect(throws: PlanError.self) { try Self.plan("produce", "--num-records", "10", "--share", text) }
  }

  @Test("must have a record, and does not count what it cannot know")
  func limits() {
    #expect(throws: PlanError.self) { try Self.plan("produce", "--num-records", "2", "--share", "1/3") }
    #expect(throws: PlanError.self) { try Self.plan("consume", "--num-records", "9", "--share", "1/3") }
  }
}

@Suite("Agents")
struct AgentTests {
  private static let arguments = [
    "produce", "--topic", "t", "--bootstrap-server", "h:1", "--num-records", "10", "--json", "--quiet", "--acks=all",
  ]

  @Test("get the settings that the user gave, but for those of files and output")
  func order() throws {
    var (order, plan) = try AgentOrder.reading(Self.arguments)
    #expect(plan.printsJSON && plan.isQuiet)
    order.agents = ["b", "a", "c"]
    let read = try AgentOrder(reading: order.encoded)
    #expect(read == order)
    #expect(read.settings.map(\.name) == ["topic", "bootstrap-server", "num-records", "acks"])
    let shares = try order.agents.map { try read.plan(for: $0) }
    #expect(shares.map(\.recordCount) == [4, 3, 3] && shares.allSatisfy { $0.acks == .all && !$0.printsJSON })
    #expect(throws: PlanError.self) { try read.plan(for: "d") }
  }

  @Test("write no file that another machine names, whatever the plan in ZooKeeper says")
  func files() throws {
    for name in AgentOrder.ownSettings {
      let order = AgentOrder(
        .produce, agents: ["a"],
        settings: [
          .init(name: "topic", value: "t"), .init(name: "bootstrap-server", value: "h:1"),
          .init(name: "num-records", value: "1"), .init(name: name, value: "/tmp/x"),
        ])
      #expect(throws: PlanError.self, "\(name)") { try order.plan(for: "a") }
    }
    for flag in ["--csv", "--intervals-csv"] {
      #expect(throws: PlanError.self) { try AgentOrder.reading(Self.arguments + [flag, "/tmp/x"]) }
    }
    #expect(throws: PlanError.self) { try AgentOrder.reading(Self.arguments + ["--share", "1/2"]) }
  }

  @Test("refuse a plan that is damaged or of another version, and never trap")
  func damaged() throws {
    var order = try AgentOrder.reading(Self.arguments).order
    order.agents = ["a"]
    let good = order.encoded
    var random = SplitMix(seed: 7)
    for _ in 0..<2_000 {
      var bytes = good
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      if let read = try? AgentOrder(reading: bytes) { _ = try? read.plan(for: "a") }
    }
    let newer = Array(String(decoding: good, as: UTF8.self).replacing("\"version\":1", with: "\"version\":2").utf8)
    #expect(throws: PlanError.self) { try AgentOrder(reading: newer) }
  }

  @Test("have names that are a z-node's", arguments: ["", "a/b", "..", "a b", "ä", String(repeating: "a", count: 201)])
  func names(name: String) {
    #expect(AgentNodes.problem(withName: name) != nil)
    #expect(throws: PlanError.self) {
      try AgentPlan(arguments: ["--zookeeper", "h:1", "--name", name])
    }
  }

  private static func result(_ name: String, records: Int, ns: UInt64, lateMs: Double) throws -> AgentResult {
    let plan = try AgentOrder.reading(Self.arguments).plan
    var loop = LoopResult()
    loop.counts.records = records
    loop.counts.payloadBytes = records * 100
    loop.counts.service.record(from: 0, to: ns, records: records)
    loop.add(firstNs: 0, lastNs: 2_000_000_000)
    loop.requests = 5
    var clock = AgentClock(offset: ClockOffset(leastNs: -100_000, mostNs: 300_000))
    clock.lateMs = lateMs
    return AgentResult(agent: name, clock: clock, LoadReport(plan, [loop], ending: .complete, cpuSeconds: 0.5))
  }

  @Test("report figures that add up, with histograms as if one generator had recorded them")
  func sums() throws {
    let parts = try [
      Self.result("a", records: 30_000, ns: 1_000_000, lateMs: 0.5),
      Self.result("b", records: 10_000, ns: 9_000_000, lateMs: 1.5),
    ]
    let read = try parts.map { try AgentResult(agent: $0.agent, pieces: $0.pieces()) }
    #expect(
      read.map(\.clock)
        == parts.map {
          AgentClock(
            offset: ClockOffset(leastNs: $0.clock.offset!.leastNs, mostNs: $0.clock.offset!.mostNs),
            lateMs: $0.clock.lateMs)
        })
    let report = SpreadReport(try AgentOrder.reading(Self.arguments).plan, read)
    #expect(report.isGood && report.records == 40_000 && report.bytes == 4_000_000)
    #expect(abs(report.seconds - 2.001) < 1e-9, "from the first beginning to the last end")
    var whole = Latency()
    whole.record(from: 0, to: 1_000_000, records: 30_000)
    whole.record(from: 0, to: 9_000_000, records: 10_000)
    #expect(report.service.buckets.map { $0.low } == whole.buckets.map { $0.low })
    #expect(report.service.buckets.map { $0.count } == whole.buckets.map { $0.count })
    // The largest value is known to its bucket, 0.1 %.
    for p in [0.5, 0.7, 0.8, 0.99, 0.999] {
      let (sum, one) = (Double(report.service.percentile(p) ?? 0), Double(whole.percentile(p) ?? 1))
      #expect(abs(sum / one - 1) < 0.001, "p\(p): \(sum), \(one)")
    }
    #expect(report.service.count == 40_000)
    let skew = try #require(report.skewMs)
    #expect(abs(skew - 1.4) < 0.001, "1 ms apart, each known to 0.2 ms: \(skew)")
    let json = JSON.object(report.fields)
    #expect(json["requests"] == .int(10) && json["cpu_seconds"] == .int(1))
    #expect(json["agents"]?.asArray?.count == 2)
  }

  @Test("that have failed make the run fail, and the others' figures stay")
  func failed() throws {
    let parts = [
      try Self.result("a", records: 30_000, ns: 1_000_000, lateMs: 0), AgentResult(agent: "b", failure: "no broker"),
    ]
    let read = try parts.map { try AgentResult(agent: $0.agent, pieces: $0.pieces()) }
    let report = SpreadReport(try AgentOrder.reading(Self.arguments).plan, read)
    #expect(!report.isGood && report.records == 30_000)
    #expect(report.summary.contains("b: FAILED: no broker"), "\(report.summary)")
    #expect(throws: PlanError.self) { try AgentResult(agent: "b", pieces: parts[0].pieces()) }
    #expect(throws: PlanError.self) { try AgentResult(agent: "a", pieces: [[1, 2, 3]]) }
  }
}
