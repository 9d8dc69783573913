/// `ssl.principal.mapping.rules`: how the subject of a client's certificate becomes the name of its principal. The first rule that matches counts; with
/// `DEFAULT` the whole subject is the name.
///
/// Example: `RULE:^CN=(.*?),OU=Users.*$/$1/L,DEFAULT` makes `CN=Alice,OU=Users,O=Example` into `alice`.
package struct PrincipalMapping: Sendable {
  private enum Letters { case asTheyAre, lower, upper }

  private enum Rule: @unchecked Sendable {
    // Unchecked: a regular expression is an immutable value, which the standard library does not say.
    case unchanged
    case rewrite(Regex<AnyRegexOutput>, replacement: String, Letters)
  }

  private let rules: [Rule]

  /// The longest subject that is matched: a pattern may take time that grows fast with it, and a client chooses it.
  private static let subjectBytesMax = 4096

  /// - Parameter text: the value of the key; empty is `DEFAULT`.
  package init(_ text: String) throws(SecurityError) {
    var rules: [Rule] = []
    for part in Self.split(text) {
      if part == "DEFAULT" {
        rules.append(.unchanged)
        continue
      }
      rules.append(try Self.rule(part))
    }
    self.rules = rules.isEmpty ? [.unchanged] : rules
  }

  /// The name of a subject; nil when no rule matches.
  package func name(of subject: String) -> String? {
    guard subject.utf8.count <= Self.subjectBytesMax else { return nil }
    for rule in rules {
      switch rule {
      case .unchanged: return subject
      case .rewrite(let pattern, let replacement, let letters):
        guard let match = try? pattern.wholeMatch(in: subject) else { continue }
        let name = Self.filled(replacement, match)
        switch letters {
        case .asTheyAre: return name
        case .lower: return name.lowercased()
        case .upper: return name.uppercased()
        }
      }
    }
    return nil
  }

  /// Splits at the commas that begin another rule: patterns have commas too.
  private static func split(_ text: String) -> [String] {
    var parts: [String] = []
    for piece in text.split(separator: ",", omittingEmptySubsequences: false) {
      let trimmed = String(piece.drop { $0 == " " })
      if trimmed.hasPrefix("RULE:") || trimmed == "DEFAULT" || parts.isEmpty {
        if !trimmed.isEmpty { parts.append(trimmed) }
      } else {
        parts[parts.count - 1] += "," + piece
      }
    }
    return parts.map { part in
      var part = Substring(part)
      while part.last == " " { part.removeLast() }
      return String(part)
    }
  }

  /// `RULE:pattern/replacement/` with `L` or `U` behind it.
  private static func rule(_ text: String) throws(SecurityError) -> Rule {
    let wrong = SecurityError(
      "ssl.principal.mapping.rules: \(text) is not DEFAULT or RULE:pattern/replacement/ with L, U or nothing behind it")
    guard text.hasPrefix("RULE:") else { throw wrong }
    let fields = text.dropFirst("RULE:".count).split(separator: "/", omittingEmptySubsequences: false)
    guard fields.count == 3 else { throw wrong }
    let letters: Letters
    switch fields[2] {
    case "": letters = .asTheyAre
    case "L": letters = .lower
    case "U": letters = .upper
    default: throw wrong
    }
    do {
      return .rewrite(try Regex(String(fields[0])), replacement: String(fields[1]), letters)
    } catch {
      throw SecurityError("ssl.principal.mapping.rules: \(fields[0]) is not a regular expression: \(error)")
    }
  }

  /// Puts the groups of a match where `$1` to `$9` stand.
  private static func filled(_ replacement: String, _ match: Regex<AnyRegexOutput>.Match) -> String {
    var out = ""
    var rest = Substring(replacement)
    while let character = rest.popFirst() {
      guard character == "$", let digit = rest.first?.wholeNumberValue, digit < match.output.count else {
        out.append(character)
        continue
      }
      rest.removeFirst()
      if let group = match.output[digit].substring { out += group }
    }
    return out
  }
}
