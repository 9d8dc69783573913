/// One login module of a `sasl.jaas.config`: `org.apache.kafka.…PlainLoginModule required username="a" password="b";`. Only its options are used.
package struct JaasConfig: Sendable, Equatable {
  package private(set) var module: String
  package private(set) var options: [String: Secret]

  /// - Parameter key: names the value in an error, which has nothing of the value: it holds passwords.
  package init(_ text: String, key: String) throws(SecurityError) {
    let wrong = SecurityError("\(key) is not one login module: MODULE required name=\"value\" …;")
    guard var words = Self.words(text), words.count >= 3, words.last == .end else { throw wrong }
    words.removeLast()
    guard case .word(let module) = words[0], case .word(let flag) = words[1],
      ["required", "requisite", "sufficient", "optional"].contains(flag.lowercased())
    else { throw wrong }
    self.module = module
    options = [:]
    var rest = words[2...]
    while !rest.isEmpty {
      guard case .word(let name) = rest.popFirst(), rest.popFirst() == .equals, case .word(let value) = rest.popFirst()
      else { throw wrong }
      options[name] = Secret(value)
    }
  }

  private enum Word: Equatable { case word(String), equals, end }

  /// Splits into words, texts in quotes (in which a backslash escapes), equals signs and semicolons; nil for a quote without an end.
  private static func words(_ text: String) -> [Word]? {
    var words: [Word] = []
    var rest = Substring(text)
    while let character = rest.first {
      if character.isWhitespace {
        rest.removeFirst()
      } else if character == "=" || character == ";" {
        rest.removeFirst()
        words.append(character == "=" ? .equals : .end)
      } else if character == "\"" || character == "'" {
        rest.removeFirst()
        var value = ""
        while let next = rest.first, next != character {
          rest.removeFirst()
          if next == "\\", let escaped = rest.popFirst() { value.append(escaped) } else { value.append(next) }
        }
        guard rest.popFirst() == character else { return nil }
        words.append(.word(value))
      } else {
        let word = rest.prefix { !$0.isWhitespace && $0 != "=" && $0 != ";" && $0 != "\"" }
        rest = rest.dropFirst(word.count)
        words.append(.word(String(word)))
      }
    }
    return words
  }

  /// The users of a PLAIN server: `user_NAME="password"`.
  package var users: [String: Secret] {
    Dictionary(
      uniqueKeysWithValues: options.compactMap { name, value in
        name.hasPrefix("user_") ? (String(name.dropFirst("user_".count)), value) : nil
      })
  }
}
