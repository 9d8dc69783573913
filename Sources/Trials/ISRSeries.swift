/// How many replicas of each partition were in sync, over time. A value.
struct ISRSeries: Equatable {
  struct Look: Equatable {
    /// Since the follower was stopped.
    var ms: Double
    var least: Int
    var mean: Double
  }

  private(set) var looks: [Look] = []

  mutating func add(atMs ms: Double, sizes: [Int]) {
    guard let least = sizes.min() else { return }
    looks.append(Look(ms: ms, least: least, mean: Double(sizes.reduce(0, +)) / Double(sizes.count)))
  }

  /// Whether all replicas of all partitions were in sync at the last look.
  func isWhole(_ replicas: Int) -> Bool { looks.last?.least == replicas }

  /// The mean size at a time: that of the last look before it; nil before the first.
  func size(atMs ms: Double) -> Double? { looks.last { $0.ms <= ms }?.mean }

  /// - Parameters:
  ///   - slowMs: how long the follower was stopped.
  ///   - levels: the times at which the size is told, as `at.MS.isr_replicas`.
  func figures(slowMs: Double, replicas: Int, at levels: [Double]) -> [String: Any] {
    var figures: [String: Any] = [:]
    let shrunk = looks.first { $0.mean <= Double(replicas - 1) }
    figures["isr_least"] = looks.map(\.least).min() ?? replicas
    figures["isr_shrinks"] = looks.contains { $0.least < replicas } ? 1 : 0
    if let shrunk {
      figures["isr_shrink_ms"] = shrunk.ms
      if let whole = looks.first(where: { $0.ms > max(shrunk.ms, slowMs) && $0.least == replicas }) {
        figures["isr_grow_ms"] = whole.ms - slowMs
      }
    }
    var at: [String: [String: Double]] = [:]
    for level in levels {
      let name = level == level.rounded() ? "\(Int(level))" : "\(level)"
      at[name] = ["isr_replicas": size(atMs: level) ?? Double(replicas)]
    }
    if !at.isEmpty { figures["at"] = at }
    return figures
  }
}
