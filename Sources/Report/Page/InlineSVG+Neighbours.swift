/// What looks alike and stands side by side is one element.
extension InlineSVG {
  // MARK: Dots

  /// Ids of gnuplot's filled circle: a filled use of a circle.
  static func dots(of root: Element) -> [String] {
    let definitions = root.descendants.filter { $0.name == "defs" }.flatMap(\.elements)
    let circles = Set(definitions.filter { $0.name == "circle" }.compactMap { $0["id"] })
    return definitions.filter { one in
      one.name == "use" && one["fill"] != nil && circles.contains(String((one["href"] ?? "").dropFirst()))
    }.compactMap { $0["id"] }
  }

  private enum Dots {
    /// A single run's dot has at most this radius in pixels; a median's mark is larger.
    static let runRadiusMax = 2.5
  }

  /// Runs of equal filled circles, which are the single runs behind a median, are one path of round dots: a tenth of the bytes.
  static func joinDots(_ element: Element, _ dots: Set<String>, keeping: Bool) {
    var joined: [Node] = []
    var run: [(place: Place, element: Element)] = []
    func close() {
      defer { run.removeAll() }
      guard run.count > 1, let first = run.first?.element, let scale = run.first.flatMap({ Double($0.place.scale) })
      else {
        joined += run.map { .element($0.element) }
        return
      }
      let isSmall = scale <= Dots.runRadiusMax
      guard keeping || !isSmall else { return }
      func text(_ coordinate: Substring) -> String { isSmall ? whole(coordinate) : String(coordinate) }
      // Runs that gave the same are one dot: a path is painted once, however often it passes a place.
      var seen: Set<String> = []
      let places = run.map { "M\(text($0.place.x)),\(text($0.place.y))h0" }.filter { seen.insert($0).inserted }
      var attributes = [("stroke", first["color"] ?? "black"), ("stroke-width", shortText(2 * scale))]
      attributes.append(("stroke-linecap", "round"))
      if let opacity = first["opacity"] { attributes.append(("opacity", opacity)) }
      joined.append(.element(Element("path", attributes + [("d", places.joined())])))
    }
    for child in element.children {
      guard case .element(let inner) = child else {
        close()
        joined.append(child)
        continue
      }
      guard inner.name == "use", let place = Place(of: inner), dots.contains(String((inner["href"] ?? "").dropFirst()))
      else {
        close()
        joinDots(inner, dots, keeping: keeping)
        joined.append(child)
        continue
      }
      if let last = run.last, last.place.scale != place.scale || !isAlike(last.element, inner) { close() }
      run.append((place, inner))
    }
    close()
    element.children = joined
  }

  private static func isAlike(_ a: Element, _ b: Element) -> Bool {
    ["href", "color", "opacity"].allSatisfy { a[$0] == b[$0] }
  }

  /// To the half pixel that a dot is drawn blurred by anyway.
  private static func whole(_ coordinate: Substring) -> String {
    Double(coordinate).flatMap { Int(exactly: $0.rounded()) }.map { String($0) } ?? String(coordinate)
  }

  /// Where gnuplot puts a mark: `translate(x,y) scale(s)`. A page has tens of thousands, so no regular expression reads them.
  struct Place {
    let x, y, scale: Substring

    /// Nil for any other transformation.
    init?(of use: Element) {
      guard let text = use["transform"]?[...], let moved = Self.arguments("translate(", of: text),
        let comma = moved.inside.utf8.firstIndex(of: UInt8(ascii: ",")),
        let scaled = Self.arguments(" scale(", of: moved.rest), scaled.rest.isEmpty, !scaled.inside.isEmpty
      else { return nil }
      (x, y) = (moved.inside[..<comma], moved.inside[comma...].dropFirst())
      scale = scaled.inside
    }

    private static func arguments(
      _ name: StaticString, of text: Substring
    ) -> (inside: Substring, rest: Substring)? {
      let count = name.utf8CodeUnitCount
      let begins = name.withUTF8Buffer { text.utf8.starts(with: $0) }
      guard begins, let end = text.utf8.firstIndex(of: UInt8(ascii: ")")) else { return nil }
      return (text[text.utf8.index(text.startIndex, offsetBy: count)..<end], text[text.utf8.index(after: end)...])
    }
  }

  // MARK: Neighbours

  /// Groups that say nothing are their children.
  static func unwrap(_ element: Element) {
    for child in element.elements { unwrap(child) }
    element.children = element.children.flatMap { child -> [Node] in
      guard case .element(let inner) = child, inner.name == "g" else { return [child] }
      if inner.children.isEmpty { return [] }
      // Text has no outline, whatever its group says of lines.
      if inner.elements.allSatisfy({ $0.name == "text" }) {
        inner.attributes.removeAll { $0.name.hasPrefix("stroke") }
      }
      return inner.attributes.isEmpty && !hasHoverText(inner) ? inner.children : [child]
    }
  }

  /// Of a shape that is not a circle: the text is the group's.
  private static func hasHoverText(_ group: Element) -> Bool { group.elements.first?.name == "title" }

  /// Neighbours that say the same of themselves: groups are one group; lines are one path, and move before the texts among them, which
  /// then stand in one group; hover circles stand in one group.
  static func gather(_ element: Element) {
    var gathered: [Element] = []
    for child in element.elements {
      if let last = gathered.last, last.name == "g", child.name == "g", last.signature() == child.signature(),
        !hasHoverText(last), !hasHoverText(child)
      {
        last.children += child.children
      } else {
        gathered.append(child)
      }
    }
    guard element.name != "text", element.name != "circle", !gathered.isEmpty else { return }
    var result: [Element] = []
    var rest = gathered[...]
    while let first = rest.first {
      var run = Array(rest.prefix { isLine($0) || $0.name == "text" })
      if run.isEmpty { run = Array(rest.prefix { $0.name == "circle" && $0["class"] != nil }) }
      if run.isEmpty { run = Array(rest.prefix { areMarksAlike($0, first) }) }
      guard run.count > 1 else {
        result.append(first)
        rest = rest.dropFirst()
        continue
      }
      rest = rest.dropFirst(run.count)
      switch first.name {
      case "circle": result.append(hovers(run))
      case "use": result.append(marks(run))
      default: result += lines(run.filter(isLine)) + texts(run.filter { !isLine($0) })
      }
    }
    for child in result where child.name == "g" { gather(child) }
    element.children = result.map { .element($0) }
  }

  /// Without a dash, whose pattern begins anew with each path, and of full colour, as lines that cross would show.
  private static func isLine(_ element: Element) -> Bool {
    element.name == "path" && element.attributes.allSatisfy { ["stroke", "stroke-width", "d"].contains($0.name) }
  }

  private static func lines(_ paths: [Element]) -> [Element] {
    var kept: [Element] = []
    for path in paths {
      guard let own = path["d"] else { continue }
      if let alike = kept.first(where: { $0.signature(without: ["d"]) == path.signature(without: ["d"]) }) {
        alike.attributes = alike.attributes.map { $0.name == "d" ? ("d", "\($0.value) \(own)") : $0 }
      } else {
        kept.append(path)
      }
    }
    return kept
  }

  private static func texts(_ all: [Element]) -> [Element] {
    var result: [Element] = []
    for text in all {
      let common = text.attributes.filter { $0.name != "x" && $0.name != "y" }
      guard !common.isEmpty, text["transform"] == nil else {
        result.append(text)
        continue
      }
      text.attributes.removeAll { $0.name != "x" && $0.name != "y" }
      let group = Element("g", common)
      if let last = result.last, last.name == "g", last.signature() == group.signature() {
        last.children.append(.element(text))
      } else {
        group.children = [.element(text)]
        result.append(group)
      }
    }
    for group in result where group.name == "g" && group.children.count == 1 {
      guard let only = group.elements.first else { continue }
      (group.name, group.attributes, group.children) = ("text", only.attributes + group.attributes, only.children)
    }
    return result
  }

  private static func areMarksAlike(_ one: Element, _ other: Element) -> Bool {
    guard one.name == "use", other.name == "use", let place = Place(of: one), let otherPlace = Place(of: other),
      place.scale == otherPlace.scale, Double(place.scale).map({ $0 > 0 }) ?? false
    else { return false }
    return one.signature(without: ["transform"]) == other.signature(without: ["transform"])
  }

  /// A group that says once how large marks are, and of which colour; their places are in units of that size.
  private static func marks(_ uses: [Element]) -> Element {
    guard let first = uses.first, let scale = Place(of: first)?.scale, let size = Double(scale) else { return uses[0] }
    func scaled(_ coordinate: Substring) -> String {
      let hundredths = ((Double(coordinate) ?? 0) / size * 100).rounded() / 100
      return Int(exactly: hundredths).map { String($0) } ?? String(hundredths)
    }
    let common = first.attributes.filter { $0.name != "href" && $0.name != "transform" }
    let group = Element("g", [("transform", "scale(\(scale))")] + common)
    group.children = uses.compactMap { use in
      guard let place = Place(of: use), let href = use["href"] else { return nil }
      return .element(Element("use", [("href", href), ("x", scaled(place.x)), ("y", scaled(place.y))]))
    }
    return group
  }

  private enum Hover {
    /// Of the unseen circle under a pointer, in pixels, which the style sheet knows too.
    static let radius = "6.3"
  }

  private static func hovers(_ circles: [Element]) -> Element {
    for circle in circles {
      circle.attributes.removeAll { $0.name == "class" || $0.name == "r" && $0.value == Hover.radius }
    }
    let group = Element("g", [("class", "h")])
    group.children = circles.map { .element($0) }
    return group
  }
}
