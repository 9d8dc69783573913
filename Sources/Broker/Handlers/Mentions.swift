/// The names of a request, each once: a request may name one thing a hundred thousand times, and what that costs must be no
/// more than to look at them.
struct Mentions<Name: Hashable> {
  /// The index of each name's first mention, rising.
  private(set) var firsts: [Int] = []
  private var doubled: Set<Name> = []

  init(_ names: some Sequence<Name>) {
    var seen: Set<Name> = []
    for (index, name) in names.enumerated() {
      if seen.insert(name).inserted { firsts.append(index) } else { doubled.insert(name) }
    }
  }

  func isDoubled(_ name: Name) -> Bool { doubled.contains(name) }
}
