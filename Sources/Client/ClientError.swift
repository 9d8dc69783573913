package import Model

/// Why a request to a broker did not end well. The description says to whom, what, and what to do about it.
package enum ClientError: Error, Equatable, Sendable, CustomStringConvertible {
  /// No connection could be made; `reason` is the system's.
  case unreachable(Endpoint, reason: String)
  /// The connection ended while an answer was awaited.
  case closed(Endpoint, reason: String)
  /// No answer came in time.
  case timedOut(Endpoint, what: String, afterMs: Int)
  /// The broker answered with an error code.
  case refused(Endpoint, what: String, code: ErrorCode, message: String?)
  /// Our versions of the API and the broker's have none in common.
  case noCommonVersion(Endpoint, key: Int16, ours: ClosedRange<Int16>, theirs: ClosedRange<Int16>?)
  /// The bytes that came are not an answer of Kafka's protocol.
  case malformed(Endpoint, what: String)
  /// A socket option the system refused.
  case socketOption(Endpoint, name: String, reason: String)

  package var description: String {
    switch self {
    case .unreachable(let endpoint, let reason):
      "cannot connect to \(endpoint): \(reason); is a broker listening there?"
    case .closed(let endpoint, let reason):
      "\(endpoint) closed the connection: \(reason); the broker's log says why"
    case .timedOut(let endpoint, let what, let afterMs):
      "\(endpoint) gave no answer to \(what) within \(afterMs) ms"
    case .refused(let endpoint, let what, let code, let message):
      "\(endpoint) refused \(what): \(code)" + (message.map { " (\($0))" } ?? "")
    case .noCommonVersion(let endpoint, let key, let ours, let theirs):
      "\(endpoint) and this client have no common version of API \(key): ours \(ours), "
        + (theirs.map { "the broker's \($0)" } ?? "the broker has none")
    case .malformed(let endpoint, let what):
      "\(endpoint) sent what is not Kafka's protocol: \(what)"
    case .socketOption(let endpoint, let name, let reason):
      "setting \(name) on the connection to \(endpoint) failed: \(reason)"
    }
  }

  /// True where trying again, after asking for metadata, may succeed.
  package var isRetriable: Bool {
    switch self {
    case .unreachable, .closed, .timedOut: true
    case .refused(_, _, let code, _): code.isRetriable
    case .noCommonVersion, .malformed, .socketOption: false
    }
  }
}
