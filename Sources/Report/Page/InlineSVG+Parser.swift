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

    /// What the element says of itself, but for some attributes.
    func signature(without left: Set<String> = []) -> [String] {
      [name] + attributes.filter { !left.contains($0.name) }.map { "\($0.name)=\($0.value)" }.sorted()
    }

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
