import Results

/// What `LeaderKills` sees of a cluster, and does to it. Times are those of the monotonic clock, in nanoseconds.
package protocol KillScene: AnyObject {
  /// The leaders of the partitions of the topic that clients write to; none while it is not there, or a partition has no leader.
  func leaders() throws(RunError) -> [Int32: Int]
  /// Whether the cluster takes the broker for alive: its session has not ended.
  func isRegistered(_ broker: Int) throws(RunError) -> Bool
  /// What is not as it should be: brokers that do not take clients, replicas that are not in sync, of all topics. In words.
  func lacking() throws(RunError) -> [String]
  func kill(_ broker: Int) throws(RunError)
  /// Has the broker start; does not wait for it.
  func start(_ broker: Int) throws(RunError)
  /// Forgets the writes so far.
  func watchWrites()
  /// When each partition was first written to since `watchWrites`: when a client got the acknowledgement.
  func firstWrites() -> [Int32: UInt64]
  /// - Throws: where the clients have ended, or the user has interrupted.
  func mustGoOn() throws(RunError)
  func nowNs() -> UInt64
  func nap(milliseconds: Int)
}

/// Kills (-9) leaders of partitions that clients write to, one after another, starts each again, and measures for how long nobody could write.
///
/// A kill is told apart into two times: until the broker's session ends, which `zookeeper.session.timeout.ms` decides, and from then until
/// a client has an acknowledgement from every partition that the broker led. The second is the cluster's own: election, and the clients'
/// way to the new leader.
package struct LeaderKills {
  package enum Limits {
    package static let count = 1...100_000
    package static let restSeconds = 0.0...3_600.0
    static let lookMs = 2
    static let slowLookMs = 100
    /// Until the session of a broker that was killed ends.
    static let detectionSeconds = 60.0
    /// Until every partition can be written to again.
    static let writeSeconds = 60.0
    /// Until the broker is back, and everything in sync.
    static let recoverySeconds = 180.0
  }

  /// One kill; times in seconds.
  package struct Kill: Equatable, Sendable {
    package var number: Int
    package var broker: Int
    /// That it led.
    package var partitions: [Int32]
    /// From the kill to the end of the session.
    package var detected: Double
    /// From there until all partitions were written to again.
    package var written: Double
    /// From the broker's start until everything was in sync.
    package var recovered: Double

    package var sentence: String {
      "kill \(number): broker \(broker) led \(partitions.count) partitions; session ended after \(Self.text(detected)) s, "
        + "writes again \(Self.text(written)) s later; in sync \(Self.text(recovered)) s after its start"
    }

    static func text(_ seconds: Double) -> String {
      let milliseconds = Int((seconds * 1000).rounded())
      let rest = String(milliseconds % 1000)
      return "\(milliseconds / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }
  }

  private let scene: any KillScene
  private let restSeconds: Double

  /// - Parameter restSeconds: from the recovery until the next kill. Groups need it: a coordinator that has just taken over gives every
  ///   member a whole session, also one that is gone, and the group's rebalance waits for that one.
  package init(_ scene: any KillScene, restSeconds: Double = 0) {
    self.scene = scene
    self.restSeconds = restSeconds
  }

  /// - Parameter tell: gets each kill when it is over.
  /// - Throws: where the cluster does not recover from a kill in time, or the scene says so.
  package func run(_ count: Int, tell: (Kill) -> Void) throws(RunError) -> [Kill] {
    var kills: [Kill] = []
    for number in 1...count {
      try awaitHealth()
      let kill = try kill(number)
      tell(kill)
      kills.append(kill)
      try rest()
    }
    return kills
  }

  private func rest() throws(RunError) {
    let end = scene.nowNs() + UInt64(restSeconds * 1e9)
    while scene.nowNs() < end {
      try scene.mustGoOn()
      scene.nap(milliseconds: Limits.slowLookMs)
    }
  }

  /// Kills the leader of the next partition in turn.
  private func kill(_ number: Int) throws(RunError) -> Kill {
    let leaders = try scene.leaders()
    let partitions = leaders.keys.sorted()
    guard let victim = leaders[partitions[(number - 1) % partitions.count]] else { throw .failed("there is no leader") }
    let led = partitions.filter { leaders[$0] == victim }
    let killedNs = scene.nowNs()
    try scene.kill(victim)
    try wait(Limits.detectionSeconds, "the session of broker \(victim) ends after a kill") { () throws(RunError) in
      try !scene.isRegistered(victim)
    }
    let detectedNs = scene.nowNs()
    scene.watchWrites()
    var writtenNs = detectedNs
    try wait(Limits.writeSeconds, "partitions \(led) can be written to after broker \(victim) was killed") {
      () throws(RunError) in
      let writes = scene.firstWrites()
      guard led.allSatisfy({ writes[$0] != nil }) else { return false }
      writtenNs = led.compactMap { writes[$0] }.max() ?? detectedNs
      return true
    }
    let startedNs = scene.nowNs()
    try scene.start(victim)
    try awaitHealth()
    return Kill(
      number: number, broker: victim, partitions: led, detected: seconds(killedNs, detectedNs),
      written: seconds(detectedNs, writtenNs), recovered: seconds(startedNs, scene.nowNs()))
  }

  private func seconds(_ from: UInt64, _ to: UInt64) -> Double { to > from ? Double(to - from) / 1e9 : 0 }

  private func awaitHealth() throws(RunError) {
    var lacking: [String] = []
    func complaint() -> String {
      lacking.prefix(3).joined(separator: ", ") + (lacking.count > 3 ? " and \(lacking.count - 3) more" : "")
    }
    try wait(
      Limits.recoverySeconds, "all brokers run and all replicas are in sync, but \(complaint())",
      every: Limits.slowLookMs
    ) {
      () throws(RunError) in
      lacking = try scene.lacking()
      if lacking.isEmpty, try scene.leaders().isEmpty { lacking = ["no leaders of the topic that is written to"] }
      return lacking.isEmpty
    }
  }

  private func wait(
    _ seconds: Double, _ what: @autoclosure () -> String, every milliseconds: Int = Limits.lookMs,
    until isSo: () throws(RunError) -> Bool
  ) throws(RunError) {
    let deadline = scene.nowNs() + UInt64(seconds * 1e9)
    while try !isSo() {
      try scene.mustGoOn()
      guard scene.nowNs() < deadline else { throw .failed("not so after \(Int(seconds)) s: \(what())") }
      scene.nap(milliseconds: milliseconds)
    }
  }
}

/// The kills of a run, taken together.
package struct KillFigures {
  package let kills: [LeaderKills.Kill]

  package init(_ kills: [LeaderKills.Kill]) { self.kills = kills }

  /// Those after which it took longer than so many seconds until all could be written to.
  package func slow(_ seconds: Double) -> [LeaderKills.Kill] { kills.filter { $0.written > seconds } }

  package var lines: [String] {
    let brokers = Dictionary(grouping: kills, by: \.broker).sorted { $0.key < $1.key }
    return [
      "kills          \(kills.count): " + brokers.map { "broker \($0.key) \($0.value.count)" }.joined(separator: ", "),
      "session end    " + spread(kills.map(\.detected)), "writes again   " + spread(kills.map(\.written)),
      "in sync        " + spread(kills.map(\.recovered)),
    ]
  }

  private func spread(_ values: [Double]) -> String {
    let sorted = values.sorted()
    guard let most = sorted.last else { return "-" }
    func at(_ part: Double) -> String {
      LeaderKills.Kill.text(sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))])
    }
    return "after \(at(0.5)) s in the median, \(at(0.95)) s in 95 %, \(LeaderKills.Kill.text(most)) s at most"
  }
}
