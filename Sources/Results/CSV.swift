import Foundation

/// Comma-separated text (RFC 4180): reading is strict, because a result read wrongly is worse than one not read.
///
/// `rows.csv` and `series.csv` are tidy: one line a replicate (and sweep level) or interval, units in the column names,
/// and `schema.csv` beside them gives each column's unit and meaning. An empty cell is a value nobody measured.
package enum CSV {}

/// What is wrong with a file, where, and what was expected.
package struct CSVError: Error, Equatable, CustomStringConvertible {
  package var file: String
  /// Counted from 1, the header's line; 0 for the whole file.
  package var line: Int
  package var reason: String

  package var description: String { "\(file):\(line): \(reason)" }
}

extension CSV {
  /// One line with its newline. Cells with a comma, quote or line break are quoted.
  package static func line(_ cells: [String]) -> String {
    cells.map(cell).joined(separator: ",") + "\n"
  }

  private static func cell(_ text: String) -> String {
    guard text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }

  /// The shortest text that reads back as the same number; whole numbers without a point. A value that is not finite
  /// was not measured, and leaves the cell empty.
  package static func number(_ value: Double?) -> String {
    guard let value, value.isFinite else { return "" }
    return value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
  }

  /// The bytes without what a spreadsheet adds when it saves a file again: a byte order mark, and CRLF for line ends.
  static func asWritten(_ bytes: [UInt8]) -> [UInt8] {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let text = bytes.starts(with: mark) ? Array(bytes.dropFirst(mark.count)) : bytes
    let (carriageReturn, lineFeed) = (UInt8(ascii: "\r"), UInt8(ascii: "\n"))
    guard let first = text.firstIndex(of: lineFeed), first > 0, text[first - 1] == carriageReturn else { return text }
    return text.indices.compactMap { at in
      text[at] == carriageReturn && at + 1 < text.count && text[at + 1] == lineFeed ? nil : text[at]
    }
  }

  /// Header and records by column name.
  package struct Table: Sendable, Equatable {
    package var columns: [String]
    package var records: [Record]

    package struct Record: Sendable, Equatable {
      package var line: Int
      package var cells: [String]
    }
  }

  /// Every record has as many cells as the header; anything else is an error naming the line. An unfinished last line
  /// (no newline) is an error too: it is what a kill in mid-write leaves.
  package static func table(reading text: String, file: String) throws(CSVError) -> Table {
    var records = try records(of: text, file: file)
    guard !records.isEmpty else { throw CSVError(file: file, line: 0, reason: "the file is empty") }
    let header = records.removeFirst()
    for record in records where record.cells.count != header.cells.count {
      throw CSVError(
        file: file, line: record.line,
        reason: "\(record.cells.count) cells where the header has \(header.cells.count)")
    }
    return Table(columns: header.cells, records: records)
  }

  private static func records(of text: String, file: String) throws(CSVError) -> [Table.Record] {
    var found: [Table.Record] = []
    var cells: [String] = []
    var cell: [UInt8] = []
    var line = 1, startLine = 1
    var quoted = false, wasQuoted = false
    let bytes = Array(text.utf8)
    var place = 0
    func fail(_ reason: String) -> CSVError { CSVError(file: file, line: line, reason: reason) }
    while place < bytes.count {
      let byte = bytes[place]
      place += 1
      switch byte {
      case UInt8(ascii: "\"") where quoted:
        if place < bytes.count, bytes[place] == byte {
          cell.append(byte)
          place += 1
        } else {
          quoted = false
        }
      case UInt8(ascii: "\"") where cell.isEmpty && !wasQuoted:
        quoted = true
        wasQuoted = true
      case UInt8(ascii: ",") where !quoted:
        cells.append(String(decoding: cell, as: UTF8.self))
        cell.removeAll(keepingCapacity: true)
        wasQuoted = false
      case UInt8(ascii: "\n") where !quoted:
        cells.append(String(decoding: cell, as: UTF8.self))
        cell.removeAll(keepingCapacity: true)
        wasQuoted = false
        found.append(Table.Record(line: startLine, cells: cells))
        cells.removeAll(keepingCapacity: true)
        line += 1
        startLine = line
      default:
        guard quoted || !wasQuoted else { throw fail("text after a closing quote") }
        guard quoted || byte != UInt8(ascii: "\"") else { throw fail("a quote inside an unquoted cell") }
        if byte == UInt8(ascii: "\n") { line += 1 }
        cell.append(byte)
      }
    }
    guard !quoted else { throw fail("a quoted cell never closes") }
    guard cells.isEmpty, cell.isEmpty, !wasQuoted else { throw fail("the last line is unfinished") }
    return found
  }
}

/// Reads one record's cells by column name.
struct CSVCells {
  let file: String
  let line: Int
  let cells: [String: String]

  init(_ record: CSV.Table.Record, of table: CSV.Table, file: String) {
    self.file = file
    line = record.line
    cells = Dictionary(uniqueKeysWithValues: zip(table.columns, record.cells))
  }

  func text(_ column: String) -> String { cells[column] ?? "" }

  func number(_ column: String) throws(CSVError) -> Double? {
    let text = text(column)
    if text.isEmpty { return nil }
    guard let value = Double(text), value.isFinite else { throw wrong(column, text, "a number") }
    return value
  }

  func requiredNumber(_ column: String) throws(CSVError) -> Double {
    guard let value = try number(column) else { throw wrong(column, "", "a number") }
    return value
  }

  func integer(_ column: String) throws(CSVError) -> Int {
    guard let value = Int(text(column)) else { throw wrong(column, text(column), "a whole number") }
    return value
  }

  func choice<Choice: RawRepresentable & CaseIterable>(_ column: String, _: Choice.Type) throws(CSVError) -> Choice
  where Choice.RawValue == String {
    let text = text(column)
    guard let value = Choice(rawValue: text) else {
      throw wrong(column, text, "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return value
  }

  /// Nil of an empty cell.
  func value<Value>(_ column: String, _ parse: (String) -> Value?) throws(CSVError) -> Value? {
    let text = text(column)
    guard !text.isEmpty else { return nil }
    guard let value = parse(text) else { throw wrong(column, text, "known") }
    return value
  }

  private func wrong(_ column: String, _ text: String, _ wanted: String) -> CSVError {
    CSVError(file: file, line: line, reason: "column \(column): \"\(text)\" is not \(wanted)")
  }
}
