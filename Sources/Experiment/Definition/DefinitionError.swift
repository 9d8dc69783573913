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

  package init(file: String, line: Int, column: Int, key: String, message: String, suggestion: String? = nil) {
    self.file = file
    self.line = line
    self.column = column
    self.key = key
    self.message = message
    self.suggestion = suggestion
  }

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
  package func located(in yaml: String) -> DefinitionError {
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
