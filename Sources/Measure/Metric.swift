/// A number that a run may report. The name ends in its unit; `Metric+Catalogue` is the only place that gives it a meaning.
package struct Metric: Sendable, Hashable, CustomStringConvertible {
  /// Which of two values is the better one, whatever an experiment asks.
  package enum Direction: Sendable {
    case more, less
    /// The value says what a run was, and not how well it did.
    case neither
  }

  package enum Kind: Sendable, CaseIterable {
    /// Something a second: what a run achieved.
    case rate
    case latency
    /// What was spent on it: CPU time, memory, bytes moved, calls.
    case cost
    /// How well something was done, as a share or a ratio.
    case quality
    /// How much a run was asked to do.
    case amount
    /// What must not happen, counted.
    case fault
    /// The state of machine, generator or link while measuring.
    case circumstance
  }

  /// As in definitions, in a program's JSON and in the head of `rows.csv`.
  package let name: String
  package let unit: String
  package let direction: Direction
  package let kind: Kind
  package let meaning: String

  init(_ name: String, _ unit: String, _ direction: Direction, _ kind: Kind, _ meaning: String) {
    self.name = name
    self.unit = unit
    self.direction = direction
    self.kind = kind
    self.meaning = meaning
  }

  package var description: String { name }

  /// The value is itself one thing over another that was measured beside it.
  package var comparesTwins: Bool { self == .grownOverFreshCPU || self == .grownOverFreshRate }

  package static func == (a: Metric, b: Metric) -> Bool { a.name == b.name }
  package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// A figure that a program should have reported and did not.
package struct MissingFigure: Error, Equatable, CustomStringConvertible {
  package let metric: Metric
  package var description: String { "no figure `\(metric.name)` (\(metric.meaning)) was reported" }
}

/// Figures of a run by the names of their metrics.
extension [String: Double] {
  package subscript(_ metric: Metric) -> Double? {
    get { self[metric.name] }
    set { self[metric.name] = newValue }
  }

  package func required(_ metric: Metric) throws(MissingFigure) -> Double {
    guard let figure = self[metric.name] else { throw MissingFigure(metric: metric) }
    return figure
  }
}
