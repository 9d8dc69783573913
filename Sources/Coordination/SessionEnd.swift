/// Whether a session has ended, and who is told when it does.
struct SessionEnd {
  /// `.closed` or `.sessionExpired`; nil while the session lasts.
  private(set) var code: ZNodeError.Code?
  private var bodies: [@Sendable () -> Void] = []

  /// Fails where the session has ended.
  func check(_ path: String = "") throws(ZNodeError) {
    if let code { throw ZNodeError(code, path) }
  }

  /// Keeps `body` for the end. Returns false where the session has ended: the caller then calls it.
  mutating func keep(_ body: @escaping @Sendable () -> Void) -> Bool {
    guard code == nil else { return false }
    bodies.append(body)
    return true
  }

  /// Returns those to be told, in the order in which they asked; none where the session had ended before.
  mutating func end(_ code: ZNodeError.Code) -> [@Sendable () -> Void] {
    guard self.code == nil else { return [] }
    self.code = code
    defer { bodies = [] }
    return bodies
  }
}
