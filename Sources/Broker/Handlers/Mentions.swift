/// The distinct names of a request, with those that appear more than once. A request may name one topic a hundred thousand
/// times; a handler works on each name once, so that the repetitions cost one look-up each.
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
