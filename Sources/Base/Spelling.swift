/// The nearest of the words a writer could have meant.
package enum Spelling {
  /// The candidate with the fewest edits from `word`, whatever the case of their letters; of several the first in
  /// alphabetical order.
  ///
  /// - Parameter reach: most edits; without one a third of the word's length, and at least 2.
  package static func nearest(
    to word: String, among candidates: some Sequence<String>, reach: Int? = nil
  ) -> String? {
    let reach = reach ?? max(2, word.count / 3)
    let wanted = Array(word.lowercased())
    var best: (distance: Int, candidate: String)?
    for candidate in candidates.sorted() {
      // A name cannot be nearer than their lengths are.
      guard abs(candidate.count - wanted.count) <= min(reach, (best?.distance ?? .max) - 1) else { continue }
      let edits = distance(wanted, Array(candidate.lowercased()))
      if edits <= reach, edits < best?.distance ?? .max { best = (edits, candidate) }
    }
    return best?.candidate
  }

  /// Levenshtein's distance, with a swap of neighbours as one edit.
  package static func distance(_ a: [Character], _ b: [Character]) -> Int {
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
