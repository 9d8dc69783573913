/// Plain values that are gathered for one request and forgotten with it, in memory that is kept for the next one.
///
/// An array that is emptied is searched for references to release, which costs 60 to 90 instructions however short it is. Here a number is
/// set: the values have no references, and those that were forgotten are overwritten later.
struct KeptList<Element: BitwiseCopyable> {
  /// The first `count` are in the list.
  private var elements: [Element] = []
  private(set) var count = 0

  init() {}

  var isEmpty: Bool { count == 0 }
  var indices: Range<Int> { 0..<count }
  var last: Element? { count == 0 ? nil : elements[count - 1] }

  subscript(index: Int) -> Element {
    get {
      precondition(index < count, "a value that was forgotten is asked for")
      return elements[index]
    }
    _modify {
      precondition(index < count, "a value that was forgotten is changed")
      yield &elements[index]
    }
  }

  mutating func append(_ element: Element) {
    if count < elements.count { elements[count] = element } else { elements.append(element) }
    count += 1
  }

  /// Keeps the first `count`.
  ///
  /// - Precondition: there are as many.
  mutating func shorten(to count: Int) {
    precondition(count >= 0 && count <= self.count, "a list cannot be shortened to more than it has")
    self.count = count
  }

  mutating func removeAll() { count = 0 }

  /// The values in the list, to be changed in place.
  mutating func withUnsafeMutableBufferPointer<Result>(
    _ body: (UnsafeMutableBufferPointer<Element>) -> Result
  ) -> Result {
    let count = count
    return elements.withUnsafeMutableBufferPointer { body(UnsafeMutableBufferPointer(rebasing: $0[..<count])) }
  }
}
