/// Aligns rows of words in columns, as Kafka's tools print them: each column as wide as its widest word, two spaces apart.
struct TextTable {
  private var rows: [[String]]

  init(_ headings: [String]) { rows = [headings] }

  /// - Precondition: the row has a cell for each heading.
  mutating func add(_ row: [String]) {
    precondition(row.count == rows[0].count, "a row of \(row.count) cells in a table of \(rows[0].count) columns")
    // An empty cell would move the next one for a reader that splits at spaces.
    rows.append(row.map { $0.isEmpty ? "-" : $0 })
  }

  var isEmpty: Bool { rows.count == 1 }

  /// The headings and the rows, without spaces at their ends.
  var lines: [String] {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        line += cell
        if column < row.count - 1 { line += String(repeating: " ", count: widths[column] - cell.count + 2) }
      }
      return line
    }
  }
}
