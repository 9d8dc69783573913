package import Measure

/// A limitation as a cell of `rows.csv`: `link side=broker rate=113 ceiling=118 mbit_per_s=1000`.
extension Limitation {
  package var cell: String {
    if let told { return told }
    let known = Figure.allCases.compactMap { figure in
      self[figure].map { "\(figure.rawValue)=\(CSV.number($0))" }
    }
    return (["\(bottleneck.rawValue) side=\(side.rawValue)"] + known).joined(separator: " ")
  }

  /// Nil where the cell is neither, such as one that was edited.
  package init?(cell: String) {
    if let told = Self.told(cell) {
      self = told
      return
    }
    let words = cell.split(separator: " ")
    guard let bottleneck = words.first.flatMap({ Bottleneck(rawValue: String($0)) }) else { return nil }
    var side: Side?
    var figures: [Figure: Double?] = [:]
    for word in words.dropFirst() {
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { return nil }
      if parts[0] == "side" {
        side = Side(rawValue: parts[1])
      } else if let figure = Figure(rawValue: parts[0]), let value = Double(parts[1]) {
        figures[figure] = value
      } else {
        return nil
      }
    }
    guard let side else { return nil }
    self.init(bottleneck, of: side, figures)
  }

  /// How the sentences began that rows held before figures were kept.
  private static let beginnings: [(words: String, bottleneck: Bottleneck, side: Side?)] = [
    ("its pace", .pace, nil), ("the load generator:", .generator, .broker), ("the receiver:", .receiver, .mechanism),
    ("CPU of the broker:", .broker, .broker), ("CPU of the mechanism:", .mechanism, .mechanism),
    ("the machine's CPU:", .processors, nil), ("the link:", .link, nil), ("the disk:", .disk, nil),
    ("a lock:", .lock, nil), ("no CPU:", .waiting, nil), ("not the load generator", .target, .broker),
  ]

  private static func told(_ sentence: String) -> Limitation? {
    guard let found = beginnings.first(where: { sentence.hasPrefix($0.words) }) else { return nil }
    let side = found.side ?? (sentence.contains("broker") ? .broker : .mechanism)
    return Limitation(found.bottleneck, of: side, told: sentence)
  }
}
