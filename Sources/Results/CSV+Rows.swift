package import Experiment
import Measure

/// `rows.csv`, `series.csv` and `schema.csv`.
extension CSV {
  // MARK: rows.csv

  package static func rowsHeader(of experiment: Experiment) -> String {
    line(Row.columns(of: experiment).map(\.name))
  }

  /// One line, ready to append.
  package static func line(_ row: Row, of experiment: Experiment) -> String {
    let identity = [
      String(row.order), String(row.replicate), row.arm, row.tier.rawValue, row.role.rawValue, row.startedAt,
    ]
    let factors = experiment.factors + (experiment.sweep.map { [$0] } ?? [])
    let state = [
      row.cacheState.rawValue, row.steadiness.rawValue, row.durability.rawValue, row.limitation?.cell ?? "",
      row.invalid, row.warnings,
    ]
    return line(
      identity + factors.map { row.levels[$0.name]?.text ?? "" }
        + experiment.metrics.map { number(row.metrics[$0]) } + state)
  }

  package static func text(_ rows: [Row], of experiment: Experiment) -> String {
    rows.reduce(into: rowsHeader(of: experiment)) { $0 += line($1, of: experiment) }
  }

  /// Every column of the definition must be there and no other; their order is free.
  package static func rows(reading text: String, file: String, of experiment: Experiment) throws(CSVError) -> [Row] {
    let table = try table(reading: text, file: file)
    try check(table, has: Row.columns(of: experiment).map(\.name), file: file)
    let factors = (experiment.factors + (experiment.sweep.map { [$0] } ?? [])).map(\.name)
    var rows: [Row] = []
    rows.reserveCapacity(table.records.count)
    for record in table.records {
      let cells = CSVCells(record, of: table, file: file)
      var row = Row(
        order: try cells.integer("order"), replicate: try cells.integer("replicate"), arm: cells.text("arm"),
        tier: try cells.choice("tier", Arm.Tier.self), role: try cells.choice("role", Arm.Role.self),
        startedAt: cells.text("started_at"))
      for name in factors where !cells.text(name).isEmpty { row.levels[name] = Level(cells.text(name)) }
      for name in experiment.metrics { row.metrics[name] = try cells.number(name) }
      row.cacheState = try cells.choice("cache_state", Row.CacheState.self)
      row.steadiness = try cells.choice("steadiness", Row.Steadiness.self)
      row.durability = try cells.choice("durability", Durability.self)
      row.limitation = try cells.value("limiter") { Limitation(cell: $0) }
      row.invalid = cells.text("invalid")
      row.warnings = cells.text("warnings")
      rows.append(row)
    }
    return rows
  }

  // MARK: series.csv

  package static func seriesHeader(of experiment: Experiment) -> String {
    line(SeriesPoint.columns + figureColumns(of: experiment))
  }

  package static func line(_ point: SeriesPoint, of experiment: Experiment) -> String {
    let common = [
      String(point.order), point.arm, String(point.replicate), number(point.seconds), number(point.storedMiB),
      number(point.mibPerSecond), number(point.recordsPerSecond), number(point.dirtyMiB),
      number(point.deviceWrittenMiB),
    ]
    return line(common + figureColumns(of: experiment).map { number(point.figures[$0]) })
  }

  private static func figureColumns(of experiment: Experiment) -> [String] {
    SeriesPoint.figureColumns + (experiment.sweepsTime ? SeriesPoint.courseColumns : [])
  }

  package static func series(reading text: String, file: String) throws(CSVError) -> [SeriesPoint] {
    let table = try table(reading: text, file: file)
    let known = SeriesPoint.figureColumns + SeriesPoint.courseColumns
    try check(table, has: SeriesPoint.columns, or: known, file: file)
    let figures = known.filter(table.columns.contains)
    var points: [SeriesPoint] = []
    points.reserveCapacity(table.records.count)
    for record in table.records {
      let cells = CSVCells(record, of: table, file: file)
      var found: [String: Double] = [:]
      for name in figures { found[name] = try cells.number(name) }
      points.append(
        SeriesPoint(
          order: try cells.integer("order"), arm: cells.text("arm"), replicate: try cells.integer("replicate"),
          seconds: try cells.requiredNumber("t_s"), storedMiB: try cells.requiredNumber("stored_mib"),
          mibPerSecond: try cells.requiredNumber("mib_per_s"),
          recordsPerSecond: try cells.requiredNumber("records_per_s"), dirtyMiB: try cells.number("dirty_mib"),
          deviceWrittenMiB: try cells.number("device_written_mib"),
          figures: found))
    }
    return points
  }

  // MARK: schema.csv

  /// Name, content, unit and meaning of each column of `rows.csv`.
  package static func schema(of experiment: Experiment) -> String {
    Row.columns(of: experiment).reduce(into: line(["name", "content", "unit", "meaning"])) {
      $0 += line([$1.name, $1.content.rawValue, $1.unit, $1.meaning])
    }
  }

  static func check(
    _ table: Table, has columns: [String], or optional: [String] = [], file: String
  ) throws(CSVError) {
    var seen: Set<String> = []
    for column in table.columns {
      guard columns.contains(column) || optional.contains(column) else {
        throw CSVError(file: file, line: 1, reason: "column \(column) is not in the definition")
      }
      guard seen.insert(column).inserted else {
        throw CSVError(file: file, line: 1, reason: "column \(column) is there twice")
      }
    }
    for column in columns where !seen.contains(column) {
      throw CSVError(file: file, line: 1, reason: "column \(column) is missing")
    }
  }
}
