/// Finds all prefixes of a name among many: in the order of their bytes, each with a link to the longest other one that it begins with.
///
/// A look-up is a binary search and a walk along the links. Example: of `a`, `ab`, `abc` and `b`, the last that is not after `abd` is
/// `abc`, which is no prefix of it; its links lead to `ab` and to `a`, which are.
struct PrefixIndex<Value: Sendable>: Sendable {
  private struct Entry: Sendable {
    let prefix: [UInt8]
    let value: Value
    /// The longest other entry that is a prefix of this one.
    let parent: Int?
  }

  private var entries: [Entry] = []

  init(_ values: [(prefix: String, value: Value)]) {
    let sorted = values.map { (prefix: Array($0.prefix.utf8), value: $0.value) }
      .sorted { $0.prefix.lexicographicallyPrecedes($1.prefix) }
    entries.reserveCapacity(sorted.count)
    // The entries that the last one begins with, and itself.
    var open: [Int] = []
    for (prefix, value) in sorted {
      while let last = open.last, !prefix.starts(with: entries[last].prefix) { open.removeLast() }
      entries.append(Entry(prefix: prefix, value: value, parent: open.last))
      open.append(entries.count - 1)
    }
  }

  var isEmpty: Bool { entries.isEmpty }

  /// Calls `body` with the value of every prefix of `name`, the longest first.
  func forEachPrefix(of name: String, _ body: (Value) -> Void) {
    guard !entries.isEmpty else { return }
    var name = name
    name.withUTF8 { name in
      var low = 0
      var high = entries.count
      while low < high {
        let middle = low + (high - low) / 2
        if name.lexicographicallyPrecedes(entries[middle].prefix) { high = middle } else { low = middle + 1 }
      }
      var next: Int? = low - 1
      var isPrefix = false
      while let at = next, at >= 0 {
        isPrefix = isPrefix || name.starts(with: entries[at].prefix)
        if isPrefix { body(entries[at].value) }
        next = entries[at].parent
      }
    }
  }
}
