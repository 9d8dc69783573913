/// Lines and areas in few bytes: relative coordinates of a tenth of a pixel, and no point that nobody could see.
extension InlineSVG {
  private enum Lines {
    /// A point that a straight line misses by no more than this, in pixels, is left out.
    static let tolerance = 0.35
  }

  private struct Point: Equatable {
    var x: Double
    var y: Double
  }

  /// Paths and polygons of an element; what is defined for marks is drawn larger, and stays.
  static func shorten(_ element: Element) {
    guard element.name != "defs" else { return }
    element.attributes = element.attributes.map { name, value in
      switch (element.name, name) {
      case ("path", "d"): (name, path(value) ?? value)
      case ("polygon", "points"): (name, polygon(value) ?? value)
      default: (name, value)
      }
    }
    for child in element.elements { shorten(child) }
  }

  /// Nil for a path with another command than move, line, and the `h0` of a dot.
  private static func path(_ text: String) -> String? {
    var lines: [[Point]] = []
    var isDot: [Bool] = []
    var rest = text.utf8[...]
    while let command = rest.first {
      rest = rest.dropFirst()
      switch command {
      case UInt8(ascii: " "): continue
      case UInt8(ascii: "M"):
        guard let point = point(&rest) else { return nil }
        lines.append([point])
        isDot.append(false)
      case UInt8(ascii: "L"):
        guard !lines.isEmpty, let point = point(&rest) else { return nil }
        lines[lines.count - 1].append(point)
      case UInt8(ascii: "h"):
        guard !lines.isEmpty, rest.popFirst() == UInt8(ascii: "0") else { return nil }
        isDot[isDot.count - 1] = true
      default: return nil
      }
    }
    var written = ""
    var place: Tenths?
    for (line, isDot) in zip(lines, isDot) where isDot || line.count > 1 {
      let points = simplified(line[...]).map(Tenths.init)
      guard let first = points.first else { continue }
      written += place.map { "m\(first.text(from: $0))" } ?? "M\(first.text(from: Tenths(x: 0, y: 0)))"
      place = first
      if isDot { written += "h0" }
      var command: Character = isDot ? "h" : "m"
      for point in points.dropFirst() {
        let (next, step) = point.step(from: place ?? point)
        written += next != command ? "\(next)\(step)" : step.hasPrefix("-") ? step : " \(step)"
        (command, place) = (next, point)
      }
    }
    return written
  }

  private static func polygon(_ text: String) -> String? {
    var points: [Point] = []
    var rest = text.utf8[...]
    while !rest.isEmpty {
      guard let point = point(&rest) else { return nil }
      points.append(point)
      while rest.first == UInt8(ascii: " ") { rest = rest.dropFirst() }
    }
    var kept = simplified(points[...])
    if kept.count > 3, kept.first == kept.last { kept.removeLast() }
    return kept.map { "\(shortText($0.x)),\(shortText($0.y))" }.joined(separator: " ")
  }

  /// `12.3,4` in front, which goes off `text`.
  private static func point(_ text: inout Substring.UTF8View) -> Point? {
    func isPart(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
    }
    let x = text.prefix(while: isPart)
    guard text.dropFirst(x.count).first == UInt8(ascii: ",") else { return nil }
    let y = text.dropFirst(x.count + 1).prefix(while: isPart)
    guard let first = Double(Substring(x)), let second = Double(Substring(y)) else { return nil }
    text = text.dropFirst(x.count + 1 + y.count)
    return Point(x: first, y: second)
  }

  /// The line after Ramer (1972), Douglas and Peucker (1973): its ends, and where a straight line misses it by too much, the farthest
  /// point between two parts that are simplified alike.
  private static func simplified(_ line: ArraySlice<Point>) -> [Point] {
    guard line.count > 2, let first = line.first, let last = line.last else { return Array(line) }
    let (dx, dy) = (last.x - first.x, last.y - first.y)
    let length = (dx * dx + dy * dy).squareRoot()
    func distance(_ point: Point) -> Double {
      let (px, py) = (point.x - first.x, point.y - first.y)
      return length > 0 ? abs(dy * px - dx * py) / length : (px * px + py * py).squareRoot()
    }
    guard let farthest = line.indices.dropFirst().dropLast().max(by: { distance(line[$0]) < distance(line[$1]) }),
      distance(line[farthest]) > Lines.tolerance
    else { return [first, last] }
    return simplified(line[...farthest]).dropLast() + simplified(line[farthest...])
  }

  /// A place in tenths of a pixel: steps between rounded places do not add up errors.
  private struct Tenths {
    var x: Int
    var y: Int

    init(x: Int, y: Int) { (self.x, self.y) = (x, y) }

    init(_ point: Point) {
      func tenths(_ value: Double) -> Int { Int(exactly: (value * 10).rounded()) ?? 0 }
      (x, y) = (tenths(point.x), tenths(point.y))
    }

    /// `1.5-.3` and `2,3`: a sign separates as well as a comma.
    func text(from other: Tenths) -> String {
      let (dx, dy) = (Self.text(x - other.x), Self.text(y - other.y))
      return dy.hasPrefix("-") ? dx + dy : "\(dx),\(dy)"
    }

    /// The shortest command that draws a line from `other`; a line of no length is upright, for `h0` is a dot.
    func step(from other: Tenths) -> (command: Character, text: String) {
      if x == other.x { return ("v", Self.text(y - other.y)) }
      return y == other.y ? ("h", Self.text(x - other.x)) : ("l", text(from: other))
    }

    private static func text(_ tenths: Int) -> String {
      let (whole, part) = tenths.magnitude.quotientAndRemainder(dividingBy: 10)
      let sign = tenths < 0 ? "-" : ""
      return part == 0 ? "\(sign)\(whole)" : "\(sign)\(whole == 0 ? "" : String(whole)).\(part)"
    }
  }
}
