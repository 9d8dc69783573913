/// The messages of SCRAM (RFC 5802, section 7): attributes of one letter, comma-separated.
struct ScramMessage {
  /// In the order of the message.
  private(set) var attributes: [(name: Character, value: String)] = []

  /// Nil for what has another form.
  init?(_ text: Substring) {
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let name = part.first, name.isASCII, name.isLetter, part.dropFirst().first == "=" else { return nil }
      attributes.append((name, String(part.dropFirst(2))))
    }
  }

  /// The attribute at a place, which must have this name.
  func value(_ name: Character, at index: Int) -> String? {
    guard index < attributes.count, attributes[index].name == name else { return nil }
    return attributes[index].value
  }

  /// What precedes a client's first message: whether channels are bound, and the authorisation id. Of `n,a=me,n=…` it is `n,a=me,`.
  struct Header {
    var text: String
    var authorizationID: String?

    /// Splits a client's first message; nil for another form, and for one that binds channels, which no mechanism here does.
    static func split(_ message: String) -> (header: Header, bare: Substring)? {
      let parts = message.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0] == "n" || parts[0] == "y" else { return nil }
      guard parts[1].isEmpty || parts[1].hasPrefix("a=") else { return nil }
      var id: String?
      if !parts[1].isEmpty {
        guard let name = ScramMessage.name(escaped: parts[1].dropFirst(2)) else { return nil }
        id = name
      }
      return (Header(text: "\(parts[0]),\(parts[1]),", authorizationID: id), parts[2])
    }
  }

  /// A name, in which `=2C` stands for a comma and `=3D` for an equals sign; nil for any other use of the sign.
  static func name(escaped text: Substring) -> String? {
    var name = ""
    var rest = text
    while let character = rest.popFirst() {
      guard character == "=" else {
        name.append(character)
        continue
      }
      switch rest.prefix(2) {
      case "2C": name.append(",")
      case "3D": name.append("=")
      default: return nil
      }
      rest = rest.dropFirst(2)
    }
    return name
  }

  static func escape(_ name: String) -> String {
    String(name.flatMap { $0 == "," ? Array("=2C") : $0 == "=" ? Array("=3D") : [$0] })
  }
}
