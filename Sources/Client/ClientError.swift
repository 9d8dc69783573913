package import Model

/// Says why a request to a broker failed. The description names the broker, the request and a remedy.
package enum ClientError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Connecting failed; `reason` is the system's.
  case unreachable(Endpoint, reason: String)
  /// The connection ended while a response was awaited.
  case closed(Endpoint, reason: String)
  /// No response came in time.
  case timedOut(Endpoint, what: String, afterMs: Int)
  /// The broker answered with an error code.
  case refused(Endpoint, what: String, code: ErrorCode, message: String?)
  /// The client and the broker support no common version of the API.
  case noCommonVersion(Endpoint, key: Int16, ours: ClosedRange<Int16>, theirs: ClosedRange<Int16>?)
  /// The received bytes are not a valid response of Kafka's protocol.
  case malformed(Endpoint, what: String)
  /// The system refused a socket option.
  case socketOption(Endpoint, name: String, reason: String)
  /// The codec could not compress a batch; `reason` is its own.
  case notCompressed(codec: String, reason: String)

  /// The TLS handshake failed, or the broker did not let the client in.
  case notAuthenticated(Endpoint, reason: String)

  package var description: String {
    switch self {
    case .notAuthenticated(let endpoint, let reason):
      "\(endpoint) and this client did not authenticate: \(reason)"
    case .notCompressed(let codec, let reason):
      "\(codec) could not compress a batch: \(reason)"
    case .unreachable(let endpoint, let reason):
      "cannot connect to \(endpoint): \(reason); is a broker listening there?"
    case .closed(let endpoint, let reason):
      "\(endpoint) closed the connection: \(reason); see the broker's log"
    case .timedOut(let endpoint, let what, let afterMs):
      "\(endpoint) did not respond to \(what) within \(afterMs) ms"
    case .refused(let endpoint, let what, let code, let message):
      "\(endpoint) refused \(what): \(code)" + (message.map { " (\($0))" } ?? "")
    case .noCommonVersion(let endpoint, let key, let ours, let theirs):
      "\(endpoint) and this client have no common version of API \(key): ours \(ours), "
        + (theirs.map { "the broker's \($0)" } ?? "the broker has none")
    case .malformed(let endpoint, let what):
      "\(endpoint) sent bytes that are not Kafka's protocol: \(what)"
    case .socketOption(let endpoint, let name, let reason):
      "setting \(name) on the connection to \(endpoint) failed: \(reason)"
    }
  }

  /// True where another attempt, after a metadata refresh, may succeed.
  package var isRetriable: Bool {
    switch self {
    case .unreachable, .closed, .timedOut: true
    case .refused(_, _, let code, _): code.isRetriable
    case .noCommonVersion, .malformed, .socketOption, .notAuthenticated, .notCompressed: false
    }
  }
}
