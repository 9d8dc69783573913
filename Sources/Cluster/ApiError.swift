package import Model

/// The error that a response reports of a request, or of one of its topics or resources: Kafka's code with a message (Kafka:
/// ApiError).
package struct ApiError: Error, Equatable, CustomStringConvertible {
  package var code: ErrorCode
  package var message: String

  package init(_ code: ErrorCode, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { "\(code): \(message)" }
}
