import Testing

@testable import Runner

/// Kills of leaders, of a cluster that is a clock and a table.
@Suite struct LeaderKillsTests {
  @Test("the leader of each partition in turn is killed, and both times of each kill are measured")
  func measures() throws {
    let scene = FakeCluster()
    var told: [String] = []
    let kills = try LeaderKills(scene).run(3) { told.append($0.sentence) }
    #expect(kills.map(\.broker) == [1, 2, 3])
    #expect(kills.map(\.partitions) == [[0, 3], [1], [2]])
    for kill in kills {
      #expect(abs(kill.detected - 4) < 0.01, "session end after \(kill.detected) s")
      #expect(abs(kill.written - 0.3) < 0.01, "writes after \(kill.written) s")
      #expect(abs(kill.recovered - 1.5) < 0.2, "in sync after \(kill.recovered) s")
    }
    #expect(
      told.first
        == "kill 1: broker 1 led 2 partitions; session ended after 4.000 s, writes again 0.300 s later; in sync 1.500 s after its start",
      "\(told)")
  }

  @Test("the time until writes is that of the last partition, and one that is too long is found")
  func slowest() throws {
    let scene = FakeCluster()
    scene.writeMs[3] = 2_500
    let figures = KillFigures(try LeaderKills(scene).run(2) { _ in })
    #expect(figures.slow(2).map(\.number) == [1], "\(figures.lines)")
    #expect(figures.slow(3).isEmpty)
    #expect(figures.lines.first == "kills          2: broker 1 1, broker 2 1")
  }

  @Test(
    "a partition that is never written to again, a session that never ends and a replica that never catches up end the run"
  )
  func hangs() {
    let neverWritten = FakeCluster(), neverNoticed = FakeCluster(), neverWell = FakeCluster()
    neverWritten.writeMs[0] = 1_000_000
    neverNoticed.sessionMs = 1_000_000
    neverWell.recoveryMs = 1_000_000
    #expect(
      message(of: neverWritten) == "not so after 60 s: partitions [0, 3] can be written to after broker 1 was killed")
    #expect(message(of: neverNoticed) == "not so after 60 s: the session of broker 1 ends after a kill")
    #expect(
      message(of: neverWell)
        == "not so after 180 s: all brokers run and all replicas are in sync, but broker 1 is behind")
  }

  @Test("between two kills there is the rest that was asked for")
  func rests() throws {
    let hasty = FakeCluster(), restful = FakeCluster()
    _ = try LeaderKills(hasty).run(2) { _ in }
    _ = try LeaderKills(restful, restSeconds: 5).run(2) { _ in }
    let more = Double(restful.nowNs() - hasty.nowNs()) / 1e9
    #expect(abs(more - 10) < 0.3, "\(more) s more")
  }

  @Test("a run ends when its clients have ended")
  func clientsEnd() {
    let scene = FakeCluster()
    scene.endsMs = 5_000
    #expect(message(of: scene) == "the clients have ended")
  }

  private func message(of scene: FakeCluster) -> String? {
    do throws(RunError) {
      _ = try LeaderKills(scene).run(4) { _ in }
      return nil
    } catch { return "\(error)" }
  }
}

/// Three brokers that lead four partitions; a clock that only naps move.
private final class FakeCluster: KillScene {
  var sessionMs: UInt64 = 4_000
  /// From the session's end until a partition is written to.
  var writeMs: [Int32: UInt64] = [0: 300, 1: 300, 2: 300, 3: 300]
  /// From a start until all is in sync.
  var recoveryMs: UInt64 = 1_500
  var endsMs: UInt64 = .max
  private var now: UInt64 = 1_000_000
  private var dead: (broker: Int, sinceNs: UInt64)?
  private var started: (broker: Int, atNs: UInt64)?
  private var watchedFromNs: UInt64?

  func leaders() throws(RunError) -> [Int32: Int] { [0: 1, 1: 2, 2: 3, 3: 1] }
  func isRegistered(_ broker: Int) throws(RunError) -> Bool {
    guard let dead, dead.broker == broker else { return true }
    return now < dead.sinceNs + sessionMs * 1_000_000
  }

  func lacking() throws(RunError) -> [String] {
    guard let started, now < started.atNs + recoveryMs * 1_000_000 else { return [] }
    return ["broker \(started.broker) is behind"]
  }

  func kill(_ broker: Int) throws(RunError) { dead = (broker, now) }
  func start(_ broker: Int) throws(RunError) { (started, dead) = ((broker, now), nil) }
  func watchWrites() { watchedFromNs = now }
  func firstWrites() -> [Int32: UInt64] {
    guard let from = watchedFromNs else { return [:] }
    return writeMs.mapValues { from + $0 * 1_000_000 }.filter { $0.value <= now }
  }

  func mustGoOn() throws(RunError) {
    if now / 1_000_000 > endsMs { throw .failed("the clients have ended") }
  }

  func nowNs() -> UInt64 { now }
  func nap(milliseconds: Int) { now += UInt64(milliseconds) * 1_000_000 }
}
