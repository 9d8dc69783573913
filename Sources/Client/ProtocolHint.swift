/// Explains connections that fail before the broker's first answer by what fails them most often: one side speaks TLS, the other does not.
enum ProtocolHint {
  /// - Parameter isEncrypted: this side speaks TLS.
  static func explain(_ error: ClientError, isEncrypted: Bool) -> ClientError {
    switch error {
    case .closed(let endpoint, let reason):
      return .closed(
        endpoint,
        reason: reason
          + (isEncrypted
            ? " before TLS was agreed on; perhaps the listener does not speak TLS (security.protocol=PLAINTEXT or SASL_PLAINTEXT)"
            : " before any answer; perhaps the listener speaks TLS (security.protocol=SSL or SASL_SSL), or wants SASL"))
    // A record of TLS, an alert as a rule, read as the length of a frame.
    case .malformed(let endpoint, _) where !isEncrypted:
      return .notAuthenticated(
        endpoint,
        reason:
          "it does not answer in Kafka's protocol; perhaps the listener speaks TLS (security.protocol=SSL or SASL_SSL)")
    case .notAuthenticated(let endpoint, let reason) where isEncrypted && reason.contains("WRONG_VERSION_NUMBER"):
      return .notAuthenticated(
        endpoint,
        reason: "the listener does not speak TLS (security.protocol=PLAINTEXT or SASL_PLAINTEXT): \(reason)")
    default: return error
    }
  }
}
