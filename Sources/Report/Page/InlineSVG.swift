import Foundation

/// gnuplot's SVG as part of a page, and only what a browser needs of it there.
///
/// gnuplot opens a group with six attributes for every line it draws, empty ones too, and every chart is on the page twice (wide and
/// for phones): the page was three quarters attributes. What all groups say is said once by the root, what says the initial value
/// is left out, and coordinates keep a tenth of a pixel. Hover texts are kept to the letter. The files in `plots` are as gnuplot
/// wrote them.
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
    let ids = rename(root, prefix)
    unwrap(root, keeping: ids)
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

  /// A group around one text is that text; a group around a hover text and the unseen mark under it has a plain circle.
  private static func simplify(_ group: Element) {
    let inner = group.elements
    if inner.count == 1, inner[0].name == "text", inner[0].attributes.isEmpty, group["id"] == nil {
      // The style sheet says that text has no outline, and which size most of it has.
      group.attributes.removeAll { ["stroke=none", "font-size=14"].contains("\($0.name)=\($0.value)") }
      if let place = group["transform"]?.wholeMatch(of: #/translate\(([^,)]+),([^,)]+)\)/#)?.output {
        group.attributes.removeAll { $0.name == "transform" }
        group.attributes.insert(contentsOf: [("x", String(place.1)), ("y", String(place.2))], at: 0)
      }
      (group.name, group.children) = ("text", inner[0].children)
    }
    guard inner.count == 2, inner[0].name == "title", inner[1].name == "use", inner[1]["opacity"] == "0",
      let place = Place(of: inner[1])
    else { return }
    (inner[1].name, inner[1].children) = ("circle", [])
    inner[1].attributes = [
      ("class", "h"), ("cx", String(place.x)), ("cy", String(place.y)), ("r", String(place.scale)),
    ]
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

  private static func shortened(_ digits: [UInt8]) -> [UInt8] {
    guard digits.contains(UInt8(ascii: ".")), let value = Double(String(decoding: digits, as: UTF8.self)) else {
      return digits
    }
    let places = value < 1 ? 1000.0 : 10.0
    let kept = (value * places).rounded() / places
    return Array((kept == kept.rounded() ? String(Int(kept)) : String(kept)).utf8)
  }

  // MARK: Dots

  /// Ids of gnuplot's filled circle: a filled use of a circle.
  private static func dots(of root: Element) -> [String] {
    let definitions = root.descendants.filter { $0.name == "defs" }.flatMap(\.elements)
    let circles = Set(definitions.filter { $0.name == "circle" }.compactMap { $0["id"] })
    return definitions.filter { one in
      one.name == "use" && one["fill"] != nil && circles.contains(String((one["href"] ?? "").dropFirst()))
    }.compactMap { $0["id"] }
  }

  /// Where gnuplot puts a mark: `translate(x,y) scale(s)`. A page has tens of thousands, so no regular expression reads them.
  private struct Place {
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

  private enum Dots {
    /// A single run's dot has at most this radius in pixels; a median's mark is larger.
    static let runRadiusMax = 2.5
  }

  /// Runs of equal filled circles, which are the single runs behind a median, are one path of round dots: a tenth of the bytes.
  private static func joinDots(_ element: Element, _ dots: Set<String>, keeping: Bool) {
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
      var attributes = [("stroke", first["color"] ?? "black"), ("stroke-width", shortText(2 * scale))]
      attributes.append(("stroke-linecap", "round"))
      if let opacity = first["opacity"] { attributes.append(("opacity", opacity)) }
      joined.append(
        .element(
          Element("path", attributes + [("d", run.map { "M\(text($0.place.x)),\(text($0.place.y))h0" }.joined())])))
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
    Double(coordinate).map { String(Int($0.rounded())) } ?? String(coordinate)
  }

  private static func shortText(_ value: Double) -> String { rounded(String(value)) }

  // MARK: Ids

  /// Those that something refers to, under short names of this chart's own; definitions without use go.
  private static func rename(_ root: Element, _ prefix: String) -> Set<String> {
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
    return Set(names.values)
  }

  /// Groups that say nothing are their children; those of a hover text stay, for the text is theirs.
  private static func unwrap(_ element: Element, keeping ids: Set<String>) {
    for child in element.elements { unwrap(child, keeping: ids) }
    element.children = element.children.flatMap { child -> [Node] in
      guard case .element(let inner) = child, inner.name == "g" else { return [child] }
      if inner.children.isEmpty { return [] }
      if inner.attributes.isEmpty, inner.elements.first?.name != "title" { return inner.children }
      return [child]
    }
  }
}

extension InlineSVG {
  enum Node {
    case element(Element)
    /// Escaped as it was.
    case text(String)
  }

  /// Owned by one call of `embed`.
  final class Element {
    var name: String
    /// Values escaped as they were.
    var attributes: [(name: String, value: String)]
    var children: [Node] = []

    init(_ name: String, _ attributes: [(name: String, value: String)]) {
      self.name = name
      self.attributes = attributes
    }

    subscript(name: String) -> String? { attributes.first { $0.name == name }?.value }

    var elements: [Element] {
      children.compactMap { if case .element(let element) = $0 { element } else { nil } }
    }

    var descendants: [Element] { elements.flatMap { [$0] + $0.descendants } }

    var text: String {
      children.map { if case .text(let text) = $0 { text } else { "" } }.joined()
    }

    func write(into page: inout String) {
      page += "<\(name)"
      for (name, value) in attributes { page += " \(name)=\"\(value)\"" }
      guard !children.isEmpty else {
        page += "/>"
        return
      }
      page += ">"
      for child in children {
        switch child {
        case .text(let text): page += text
        case .element(let element): element.write(into: &page)
        }
      }
      page += "</\(name)>"
    }
  }

  /// Of what gnuplot writes: elements, attributes in either kind of quotes, text. Owned by one call of `root(of:)`.
  /// (FoundationXML's documents mend a chart that is cut off in silence, and bring libxml2 and ICU into every program.)
  struct Parser {
    /// Nil where there is no complete `svg` element.
    static func root(of svg: String) -> Element? {
      guard let start = svg.firstRange(of: "<svg") else { return nil }
      var parser = Parser(bytes: Array(svg[start.lowerBound...].utf8))
      return parser.parse()
    }

    private let bytes: [UInt8]
    private var place = 0
    private var open: [Element] = []

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func parse() -> Element? {
      while place < bytes.count {
        let text = upTo(UInt8(ascii: "<"))
        add(text)
        place += 1
        let tag = self.tag()
        if tag.hasPrefix("!") || tag.hasPrefix("?") { continue }
        if tag.hasPrefix("/") {
          guard let ended = open.popLast() else { return nil }
          if open.isEmpty { return ended }
          continue
        }
        let isEmpty = tag.hasSuffix("/")
        let element = Self.element(isEmpty ? tag.dropLast() : tag[...])
        open.last?.children.append(.element(element))
        if !isEmpty { open.append(element) }
      }
      return nil
    }

    /// White space between elements is layout, but within a text it is text.
    private func add(_ text: String) {
      guard let parent = open.last else { return }
      let isLayout = text.allSatisfy { $0 == " " || $0 == "\n" || $0 == "\t" }
      if !isLayout || !text.isEmpty && !text.contains("\n") && open.contains(where: { $0.name == "text" }) {
        parent.children.append(.text(text))
      }
    }

    private mutating func upTo(_ byte: UInt8) -> String {
      let start = place
      while place < bytes.count, bytes[place] != byte { place += 1 }
      return String(decoding: bytes[start..<place], as: UTF8.self)
    }

    /// Behind `<` up to its `>`, which may stand in quotes before.
    private mutating func tag() -> String {
      let start = place
      var quote: UInt8?
      while place < bytes.count {
        let byte = bytes[place]
        if let open = quote {
          if byte == open { quote = nil }
        } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
          quote = byte
        } else if byte == UInt8(ascii: ">") {
          break
        }
        place += 1
      }
      defer { place += 1 }
      return String(decoding: bytes[start..<place], as: UTF8.self)
    }

    private static func element(_ tag: Substring) -> Element {
      func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
      func text(_ bytes: Substring.UTF8View) -> String { String(Substring(bytes)) }
      var rest = tag.utf8
      let name = rest.prefix { !isSpace($0) }
      rest = rest.dropFirst(name.count)
      var attributes: [(name: String, value: String)] = []
      // gnuplot writes `points = '…'` as well.
      while let equals = rest.firstIndex(of: UInt8(ascii: "=")) {
        let quoted = rest[equals...].dropFirst().drop(while: isSpace)
        guard let quote = quoted.first, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else { break }
        let value = quoted.dropFirst().prefix { $0 != quote }
        let key = rest[..<equals].drop(while: isSpace).prefix { !isSpace($0) }
        let isPlain = quote == UInt8(ascii: "\"")
        attributes.append((text(key), isPlain ? text(value) : text(value).replacing("\"", with: "&quot;")))
        rest = quoted.dropFirst(value.count + 2)
      }
      return Element(text(name), attributes)
    }
  }
}
