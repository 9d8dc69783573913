package import Base

/// The outcome of an administrative command, to be printed by the program: text for a person, or one JSON document.
package struct Answer: Equatable, Sendable {
  /// For standard output, a line each.
  package var lines: [String]
  package var json: JSON
  /// What a person should know beside the answer; for standard error.
  package var notes: [String]
  /// Whether the cluster refused a part of what was asked; `notes` say which.
  package var isRefused: Bool

  package init(_ lines: [String], json: JSON, notes: [String] = [], isRefused: Bool = false) {
    self.lines = lines
    self.json = json
    self.notes = notes
    self.isRefused = isRefused
  }

  /// The JSON document, compact, with its members in the order of the text.
  package var document: String { String(decoding: json.encoded, as: UTF8.self) }
}

/// Says why a command cannot do what was asked of it, and what to do.
package struct AdministrationError: Error, Equatable, CustomStringConvertible {
  package var description: String
  /// Whether the arguments are wrong, rather than the cluster's state.
  package var isOfArguments: Bool

  package init(_ description: String, isOfArguments: Bool = false) {
    self.description = description
    self.isOfArguments = isOfArguments
  }

  static func argument(_ description: String) -> AdministrationError {
    AdministrationError(description, isOfArguments: true)
  }
}

extension JSON {
  /// Text, or null.
  static func text(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }

  static func number(_ number: some BinaryInteger) -> JSON { .int(Int64(clamping: number)) }
}
