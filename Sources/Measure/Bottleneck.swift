/// What a run waited for: with more of it, the run would have been faster.
package enum Bottleneck: String, Sendable, CaseIterable {
  /// The run was asked for no more.
  case pace
  /// CPU of the load generator's busiest thread.
  case generator
  /// CPU of what receives from a bare mechanism.
  case receiver
  /// CPU of the broker.
  case broker
  /// CPU of the bare mechanism.
  case mechanism
  /// CPU of the whole machine.
  case processors
  case link
  case disk
  case lock
  /// No CPU: a far end, the disk, wake-ups, or each other.
  case waiting
  /// A cluster of somebody else's, or the way to it; the generator alone is known not to be it.
  case target

  /// True where the side that drives the run, and not the side under test, set its figures.
  package var isOfDriver: Bool {
    switch self {
    case .pace, .generator: true
    case .receiver, .broker, .mechanism, .processors, .link, .disk, .lock, .waiting, .target: false
    }
  }
}

/// The bottleneck of one run with the figures that show it: a cell of `rows.csv`. The page makes a sentence of it.
package struct Limitation: Sendable, Hashable {
  package enum Figure: String, Sendable, CaseIterable {
    /// CPU of the side under test, and of the other side's busiest thread, in cores.
    case cpu
    case clientCPU = "client_cpu"
    /// Share of the machine's CPU time that nobody used.
    case idle
    /// What passed link or disk, and what can at the most; MB/s.
    case rate, ceiling
    /// The rate of a link of its own; absent for loopback.
    case mbitPerSecond = "mbit_per_s"
    /// In how many looks at the busiest thread, and in what share of them, the thread was seen waiting.
    case looks, share
    case roundTripMs = "round_trip_ms"
  }

  /// The side under test.
  package enum Side: String, Sendable, CaseIterable {
    case broker, mechanism
  }

  package var bottleneck: Bottleneck
  package var side: Side
  package private(set) var figures: [Figure: Double]
  /// The sentence of a result that was stored before figures were; nil since.
  package var told: String?

  /// Figures are kept to four digits.
  package init(_ bottleneck: Bottleneck, of side: Side, _ figures: [Figure: Double?] = [:], told: String? = nil) {
    self.bottleneck = bottleneck
    self.side = side
    self.figures = figures.compactMapValues { $0.map(Self.rounded) }
    self.told = told
  }

  package subscript(_ figure: Figure) -> Double? { figures[figure] }

  private static func rounded(_ value: Double) -> Double {
    guard value.isFinite, value != 0 else { return value }
    var step = 1.0
    while abs(value) * step < 1000 { step *= 10 }
    while abs(value) * step >= 10_000 { step /= 10 }
    return step >= 1 ? (value * step).rounded() / step : (value * step).rounded() * (1 / step).rounded()
  }
}
