/// Why a definition is refused: where, which key, and the nearest thing that would have been right.
package struct DefinitionError: Error, Equatable, CustomStringConvertible {
  package var file: String
  /// From 1; 0 when the whole file is meant.
  package var line: Int
  package var column: Int
  /// Path of the key, such as `arms[2].options`.
  package var key: String
  package var message: String
  package var suggestion: String?

  package var description: String {
    let place = line > 0 ? "\(file):\(line):\(column)" : file
    let subject = key.isEmpty ? "" : "\(key): "
    let hint = suggestion.map { " (did you mean `\($0)`?)" } ?? ""
    return "\(place): \(subject)\(message)\(hint)"
  }
}

extension DefinitionError {
  /// With the line of the word the message is about, below the part that the key names; one that has its line stays.
  ///
  /// `arms.new.repeats: `old` is no arm` is looked for as the first line with the word `old` from the line on that says
  /// `name: new`; `metrics: `mb_per_second` is no metric` from the line `metrics:`.
  func located(in yaml: String) -> DefinitionError {
    guard line == 0 else { return self }
    let lines = yaml.split(separator: "\n", omittingEmptySubsequences: false).map(Self.withoutComment)
    let parts = key.split(separator: ".").map(String.init)
    let section = parts.first.flatMap { part in lines.firstIndex { $0.hasPrefix("\(part):") } } ?? 0
    let owner =
      parts.count > 1
      ? lines[section...].firstIndex { Self.column(of: parts[1], in: $0) != nil && $0.contains("name:") } : nil
    let start = owner ?? section
    let words =
      message.split(separator: "`", omittingEmptySubsequences: false).enumerated()
      .filter { $0.offset % 2 == 1 }.map { String($0.element) } + parts.reversed()
    for word in words {
      for (offset, text) in lines[start...].enumerated() {
        guard let column = Self.column(of: word, in: text) else { continue }
        var found = self
        (found.line, found.column) = (start + offset + 1, column + 1)
        return found
      }
    }
    return self
  }

  private static func withoutComment(_ line: Substring) -> String {
    line.drop { $0 == " " }.hasPrefix("#") ? "" : String(line)
  }

  /// Of a whole word: what stands before and behind it belongs to no name.
  private static func column(of word: String, in line: String) -> Int? {
    let (text, wanted) = (Array(line), Array(word))
    guard !wanted.isEmpty, text.count >= wanted.count else { return nil }
    func isName(_ place: Int) -> Bool {
      text.indices.contains(place) && (text[place].isLetter || text[place].isNumber || "_-".contains(text[place]))
    }
    return (0...(text.count - wanted.count)).first { place in
      Array(text[place..<(place + wanted.count)]) == wanted && !isName(place - 1) && !isName(place + wanted.count)
    }
  }
}

/// The nearest of the words a reader could have meant.
package enum Spelling {
  /// The candidate with the fewest edits from `word`, when it is at most a third of the word's length (and at least 2).
  package static func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    var best: (distance: Int, candidate: String)?
    for candidate in candidates.sorted() {
      let edits = distance(Array(word.lowercased()), Array(candidate.lowercased()))
      if edits < best?.distance ?? Int.max { best = (edits, candidate) }
    }
    guard let best, best.distance <= max(2, word.count / 3) else { return nil }
    return best.candidate
  }

  /// Levenshtein's distance, with a swap of neighbours as one edit.
  static func distance(_ a: [Character], _ b: [Character]) -> Int {
    if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
    var table = Array(repeating: Array(repeating: 0, count: b.count + 1), count: a.count + 1)
    for i in 0...a.count { table[i][0] = i }
    for j in 0...b.count { table[0][j] = j }
    for i in 1...a.count {
      for j in 1...b.count {
        let change = table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)
        table[i][j] = min(change, table[i - 1][j] + 1, table[i][j - 1] + 1)
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
          table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
        }
      }
    }
    return table[a.count][b.count]
  }
}
