/// Who sends requests over a connection, in Kafka's terms: a type and a name, written `User:alice`. A connection whose listener
/// asks nobody to authenticate speaks for `User:ANONYMOUS`.
package struct Principal: Hashable, Sendable {
  /// The type of every principal that Kafka's own authentication makes. Upper and lower case differ.
  package static let userType = "User"

  /// Stands for every connection that has not authenticated.
  package static let anonymous = Principal(type: userType, name: "ANONYMOUS")

  package let type: String
  package let name: String

  package init(type: String = Principal.userType, name: String) {
    self.type = type
    self.name = name
  }

  /// Reads `User:alice`. The name begins behind the first colon and may have colons itself.
  ///
  /// - Returns: nil where there is no colon, no type or no name.
  package init?(parsing text: String) {
    guard let colon = text.firstIndex(of: ":") else { return nil }
    let name = text[text.index(after: colon)...]
    guard colon != text.startIndex, !name.isEmpty else { return nil }
    self.init(type: String(text[..<colon]), name: String(name))
  }
}

extension Principal: CustomStringConvertible {
  /// As in ACLs, `super.users` and logs: `User:alice`.
  package var description: String { "\(type):\(name)" }
}
