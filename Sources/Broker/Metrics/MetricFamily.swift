/// One family of metrics: a name, its labels and what it says. A row of docs/metrics.md.
package struct MetricFamily: Sendable {
  /// As Prometheus' text format 0.0.4 calls them.
  package enum Kind: String, Sendable {
    /// Only rises, from the start of the process on.
    case counter
    case gauge
    /// `_bucket` lines with the label `le`, `_sum` and `_count`.
    case histogram
    /// `_sum` and `_count`, without quantiles.
    case summary
  }

  package let name: String
  package let kind: Kind
  /// The names of the labels, in the order of their values in a sample.
  package let labels: [String]
  /// In whole sentences, or a noun phrase that says the unit.
  package let help: String

  init(_ name: String, _ kind: Kind, _ help: String) { self.init(name, kind, [], help) }

  init(_ name: String, _ kind: Kind, _ labels: [String], _ help: String) {
    self.name = name
    self.kind = kind
    self.labels = labels
    self.help = help
  }
}

/// A struct whose stored properties are all of type `MetricFamily`.
protocol MetricTable: Sendable {}

extension MetricTable {
  /// The families in the order of the struct's properties.
  var rows: [MetricFamily] {
    Mirror(reflecting: self).children.map { child in
      guard let family = child.value as? MetricFamily else {
        preconditionFailure("\(child.label ?? "?") of \(Self.self) is no family of metrics")
      }
      return family
    }
  }
}
