import Client
import Model
import Testing

@testable import Load

@Suite("The pace of consumers")
struct ReaderPaceTests {
  private static func setup(_ arguments: [String], ends: [Int64]?, from: [Int64]) throws -> RunSetup {
    let plan = try LoadPlan(
      arguments: [
        "consume", "--topic", "t", "--bootstrap-server", "h:1", "--throughput", "1200",
      ] + arguments)
    let broker = Metadata.Broker(id: 0, endpoint: Endpoint(host: "h", port: 1))
    let offsets = { (list: [Int64]) in
      Dictionary(uniqueKeysWithValues: list.enumerated().map { (Int32($0.offset), Offset($0.element)) })
    }
    return RunSetup(
      plan: plan,
      metadata: Metadata(
        topic: "t", topicID: .zero,
        partitions: from.indices.map { .init(index: Int32($0), leader: broker, leaderEpoch: 0) }),
      run: 1, identities: [], connection: ConnectionOptions(now: { 0 }), from: offsets(from), ranges: [:],
      ends: ends.map(offsets), progress: RunProgress())
  }

  @Test("is the rate, divided among the connections that have a partition")
  func connections() throws {
    let expected: [Int: Double] = [1: 1200, 2: 600, 3: 400, 4: 400, 12: 400]
    for (connections, pace) in expected {
      let setup = try Self.setup(["--connections", "\(connections)"], ends: nil, from: [0, 0, 0])
      #expect(setup.readerPace == pace, "\(connections) connections to three partitions")
    }
  }

  @Test("counts each copy of the consumers")
  func copies() throws {
    #expect(try Self.setup(["--connections", "4", "--fan-out", "2"], ends: nil, from: [0, 0, 0]).readerPace == 200)
  }

  @Test("leaves out partitions that end where reading begins")
  func empty() throws {
    let setup = try Self.setup(["--connections", "3"], ends: [10, 10, 7], from: [0, 10, 7])
    #expect(setup.readerPace == 1200)
    #expect(try Self.setup(["--connections", "3"], ends: [0, 0, 0], from: [0, 0, 0]).readerPace == 1200)
  }

  @Test("holds records back without calling the topic quiet")
  func quiet() {
    let progress = RunProgress()
    #expect(!progress.isQuiet(for: 10, sinceNs: 100, nowNs: 110))
    #expect(progress.isQuiet(for: 10, sinceNs: 100, nowNs: 111))
    progress.wait(until: 5000)
    progress.wait(until: 4000)
    #expect(!progress.isQuiet(for: 10, sinceNs: 100, nowNs: 4500))
    #expect(!progress.isQuiet(for: 10, sinceNs: 100, nowNs: 5010))
    #expect(progress.isQuiet(for: 10, sinceNs: 100, nowNs: 5011))
  }

  @Test("may be so low that no clock shows the next record's time")
  func lowest() {
    let pacer = Pacer(startNs: 1 << 62, recordsPerSecond: .leastNonzeroMagnitude)
    #expect(pacer.intendedNs(1) > 1 << 62)
    #expect(pacer.intendedNs(.max) > 1 << 62)
    #expect(pacer.due(at: 1 << 62 + 1_000_000_000) == 1)
  }
}
