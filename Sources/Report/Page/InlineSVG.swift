import Foundation

/// gnuplot's SVG as part of a page, and only what a browser needs of it there.
///
/// gnuplot opens a group with six attributes for every line it draws, empty ones too, and an experiment's first chart is on the page
/// twice (wide and for phones): the page was three quarters attributes. What all groups say is said once by the root, what says the
/// initial value is left out, neighbours that look alike share an element, and coordinates keep a tenth of a pixel. Texts and hover
/// texts are kept to the letter. The files in `plots` are as gnuplot wrote them.
enum InlineSVG {
  /// With ids of its own (several charts share a page), named for screen readers.
  ///
  /// - Parameter runs: whether the single runs behind a median are drawn; a phone has no room for them.
  static func embed(_ svg: String, title: String, prefix: String, runs: Bool = true) -> String {
    guard let root = Parser.root(of: svg) else { return "" }
    root.attributes = root.attributes.filter { $0.name == "viewBox" }
    root.attributes += [("fill", "none"), ("color", "black"), ("stroke", "currentColor")]
    root.attributes.insert(contentsOf: [("role", "img"), ("aria-label", escaped(title))], at: 0)
    prune(root)
    for child in root.elements { slim(child) }
    joinDots(root, Set(dots(of: root)), keeping: runs)
    rename(root, prefix)
    unwrap(root)
    gather(root)
    shorten(root)
    var text = ""
    root.write(into: &text)
    return text
  }

  /// For an attribute.
  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing("\"", with: "&quot;")
  }

  // MARK: What is left out

  /// Initial values, and what the root says for all; gnuplot nests no group that sets one of them in another.
  private static let implied: Set<String> = [
    "stroke-linecap=butt", "stroke-linejoin=miter", "stroke-width=1", "fill=none", "color=black", "stroke=currentColor",
  ]

  private static func slim(_ element: Element) {
    let isGroup = element.name == "g"
    element.attributes = element.attributes.compactMap { name, value in
      let short = Self.short(name, value)
      if name == "font-family" || name == "class" { return nil }
      if isGroup, implied.contains("\(name)=\(short)") { return nil }
      return (name == "xlink:href" ? "href" : name, short)
    }
    prune(element)
    for child in element.elements { slim(child) }
    if isGroup { simplify(element) }
  }

  /// Titles of gnuplot's own (of the page, and of each plot: those with an id), which a pointer would show beside the
  /// values; its white page; labels without a text.
  private static func prune(_ element: Element) {
    element.children.removeAll { child in
      guard case .element(let inner) = child else { return false }
      if inner.name == "title" { return element.name == "svg" || element["id"] != nil }
      if inner.name == "text" { return inner.children.isEmpty }
      return inner.name == "desc" || inner.name == "rect" && inner["fill"] == "#ffffff" && inner["x"] == "0"
    }
  }

  /// A group around one text is that text; a group around a hover text and the unseen mark under it is a circle with that text.
  private static func simplify(_ group: Element) {
    let inner = group.elements
    if inner.count == 1, inner[0].name == "text", group["id"] == nil,
      inner[0].attributes.allSatisfy({ $0.name == "xml:space" })
    {
      // The style sheet says that text has no outline and keeps its spaces, and which size most of it has.
      let implied = ["stroke=none", "font-size=14", "text-anchor=start"]
      group.attributes.removeAll { implied.contains("\($0.name)=\($0.value)") }
      if let place = group["transform"]?.wholeMatch(of: #/translate\(([^,)]+),([^,)]+)\)/#)?.output {
        group.attributes.removeAll { $0.name == "transform" }
        group.attributes.insert(contentsOf: [("x", String(place.1)), ("y", String(place.2))], at: 0)
      }
      (group.name, group.children) = ("text", inner[0].children)
    }
    guard inner.count == 2, inner[0].name == "title", inner[1].name == "use", inner[1]["opacity"] == "0",
      let place = Place(of: inner[1])
    else { return }
    (group.name, group.children) = ("circle", [.element(inner[0])])
    group.attributes = [("class", "h"), ("cx", String(place.x)), ("cy", String(place.y)), ("r", String(place.scale))]
  }

  // MARK: Values

  private static let coordinates: Set<String> = [
    "transform", "d", "points", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "font-size",
    "stroke-width", "opacity", "fill-opacity",
  ]

  private static func short(_ name: String, _ value: String) -> String {
    if value.hasPrefix("rgb(") { return hex(value) }
    return coordinates.contains(name) ? rounded(value) : value
  }

  /// `#0072b2` of `rgb(  0, 114, 178)`.
  private static func hex(_ colour: String) -> String {
    let parts = colour.dropFirst(4).dropLast().split(separator: ",").map { Int($0.filter { $0 != " " }) }
    guard parts.count == 3, parts.allSatisfy({ $0.map { (0...255).contains($0) } ?? false }) else { return colour }
    return "#" + parts.compactMap(\.self).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// Numbers from 1 on to one place behind the point, all without zeros at the end; several spaces are one.
  private static func rounded(_ value: String) -> String {
    var result: [UInt8] = []
    var number: [UInt8] = []
    func close() {
      guard !number.isEmpty else { return }
      result += shortened(number)
      number.removeAll()
    }
    for byte in value.utf8 {
      if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: ".") {
        number.append(byte)
        continue
      }
      close()
      if byte == UInt8(ascii: " "), result.last == UInt8(ascii: " ") { continue }
      result.append(byte)
    }
    close()
    while result.last == UInt8(ascii: " ") { result.removeLast() }
    return String(decoding: result, as: UTF8.self)
  }

  static func shortText(_ value: Double) -> String { rounded(String(value)) }

  private static func shortened(_ digits: [UInt8]) -> [UInt8] {
    guard digits.contains(UInt8(ascii: ".")), let value = Double(String(decoding: digits, as: UTF8.self)) else {
      return digits
    }
    let places = value < 1 ? 1000.0 : 10.0
    let kept = (value * places).rounded() / places
    return Array((Int(exactly: kept).map { String($0) } ?? String(kept)).utf8)
  }

  // MARK: Ids

  /// Those that something refers to, under short names of this chart's own; definitions without use go.
  private static func rename(_ root: Element, _ prefix: String) {
    var names: [String: String] = [:]
    func reference(_ value: String) -> String? {
      if value.hasPrefix("#") { return String(value.dropFirst()) }
      return value.hasPrefix("url(#") ? String(value.dropFirst(5).dropLast()) : nil
    }
    func looksUp(_ name: String) -> Bool { name == "href" || name == "filter" || name == "fill" || name == "clip-path" }
    let all = root.descendants
    let definitions = all.filter { $0.name == "defs" }.flatMap(\.elements)
    let defined = Dictionary(
      definitions.compactMap { one in one["id"].map { ($0, one) } }, uniquingKeysWith: { first, _ in first })
    func use(_ elements: [Element]) {
      for (name, value) in elements.flatMap(\.attributes) where looksUp(name) {
        guard let id = reference(value), names[id] == nil, let target = defined[id] else { continue }
        names[id] = prefix + String(names.count, radix: 36)
        use([target] + target.descendants)
      }
    }
    let isDefinition = Set(definitions.flatMap { [$0] + $0.descendants }.map(ObjectIdentifier.init))
    use(all.filter { !isDefinition.contains(ObjectIdentifier($0)) })
    for element in [root] + all {
      if element.name == "defs" {
        element.children = element.elements.filter { $0["id"].map { names[$0] != nil } ?? false }.map { .element($0) }
      }
      element.attributes = element.attributes.compactMap { name, value in
        if name == "id" { return names[value].map { (name, $0) } }
        guard looksUp(name), let id = reference(value), let own = names[id] else { return (name, value) }
        return (name, value.hasPrefix("#") ? "#\(own)" : "url(#\(own))")
      }
    }
  }
}
