import Experiment
import Measure
package import Verdict

/// Brokers that were measured under the same loads, in one table: a line for each load and broker, with medians of the valid runs.
package struct SideBySide: Sendable, Equatable {
  private static let figures: [(title: String, metric: Metric)] = [
    ("MB/s", .mbPerSecond), ("records/s", .recordsPerSecond), ("CPU s/GB", .cpuSecondsPerGB), ("resident MiB", .rssMiB),
    ("written B", .processWrittenBytes), ("device B", .deviceWrittenBytes), ("calls/record", .systemCallsPerRecord),
    ("p99 ms", .endToEndP99Ms), ("start ms", .startMs),
  ]
  private static let absent = "–"

  /// The heads: load, broker, figures that some broker has, runs.
  package let columns: [String]
  /// The cells of each line, as many as there are columns. A load's name stands on its first line only.
  package let lines: [[String]]

  /// Nil where rows do not name their brokers.
  package init?(_ result: StoredResult) {
    let (experiment, name) = (result.experiment, Experiment.BrokerFactor.name)
    guard let brokers = experiment.factor(named: name)?.levels else { return nil }
    let shown = Self.figures.filter { experiment.metrics.contains($0.metric.name) }
    columns = ["load", "broker"] + shown.map(\.title) + ["runs"]
    var lines: [[String]] = []
    for (title, cells) in Self.loads(of: experiment) {
      let places = brokers.compactMap { broker in cells.first { $0.level(of: name) == broker } }
      for (index, cell) in places.enumerated() {
        let rows = result.rows.filter { $0.isValid && $0.arm == cell.arm && Self.stands($0, at: cell) }
        let medians = shown.map { figure in
          Statistics.median(rows.compactMap { $0.metrics[figure.metric] }).map { Figures.short($0) } ?? Self.absent
        }
        lines.append(
          [index == 0 ? title : "", cell.level(of: name)?.text ?? ""] + medians + [String(rows.count)])
      }
    }
    self.lines = lines
  }

  /// Cells that differ in the broker alone, under what they have in common; in the definition's order, without repeats (A/A).
  private static func loads(of experiment: Experiment) -> [(title: String, cells: [Cell])] {
    var loads: [(title: String, cells: [Cell])] = []
    for cell in Matrix(experiment).cells {
      guard let arm = experiment.arm(named: cell.arm), arm.role != .again, arm.tier == .endToEnd else { continue }
      let levels = zip(cell.factors, cell.levels).filter { $0.0 != Experiment.BrokerFactor.name }
      let title = ([arm.label] + levels.map { $0.1.words(of: $0.0) }).joined(separator: ", ")
      if let place = loads.firstIndex(where: { $0.title == title }) {
        loads[place].cells.append(cell)
      } else {
        loads.append((title, [cell]))
      }
    }
    return loads
  }

  private static func stands(_ row: Row, at cell: Cell) -> Bool {
    zip(cell.factors, cell.levels).allSatisfy { row.levels[$0.0] == $0.1 }
  }

  /// As aligned columns for a terminal; figures stand on the right of theirs.
  package var text: String {
    let all = [columns] + lines
    let widths = columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { line in
      line.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return column < 2 ? cell + space : space + cell
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
