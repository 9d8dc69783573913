import Base

/// The server's side of SCRAM: a value that takes the client's two messages.
///
/// A user that is not known gets a challenge like any other, with a salt that is always the same for the name; its proof fails then.
package struct ScramServer: Sendable {
  private enum State {
    case first
    case final(ScramCredential, isKnown: Bool, user: String, nonces: [String], header: String, said: String)
    case ended
  }

  /// The outcome of a message.
  package enum Outcome: Equatable, Sendable {
    case challenge([UInt8])
    case authenticated(user: String, final: [UInt8])
    case failed
  }

  private let hash: ScramHash
  private let nonce: String
  private let unknownUserKey: [UInt8]
  private var state = State.first

  /// The longest user name or nonce.
  private static let fieldBytesMax = 1024

  /// - Parameters:
  ///   - nonce: the server's part of the nonce, of printable ASCII characters but the comma; never used before.
  ///   - unknownUserKey: from which the salts of unknown users are made.
  package init(_ hash: ScramHash, nonce: String, unknownUserKey: [UInt8]) {
    self.hash = hash
    self.nonce = nonce
    self.unknownUserKey = unknownUserKey
  }

  /// - Parameter credential: of a user; nil when there is none.
  package mutating func step(_ message: [UInt8], _ credential: (String) -> ScramCredential?) -> Outcome {
    let before = state
    state = .ended
    guard let text = String(validating: message, as: UTF8.self) else { return .failed }
    switch before {
    case .first: return first(text, credential) ?? .failed
    case .final(let known, let isKnown, let user, let nonces, let header, let said):
      guard isProved(text, known, nonces: nonces, header: header, said: said), isKnown else { return .failed }
      let signature = hash.code(known.serverKey, Array((said + "," + Self.withoutProof(text)).utf8))
      return .authenticated(user: user, final: Array("v=\(Base64.encode(signature))".utf8))
    case .ended: return .failed
    }
  }

  private mutating func first(_ text: String, _ credential: (String) -> ScramCredential?) -> Outcome? {
    guard let (header, bare) = ScramMessage.Header.split(text), let message = ScramMessage.first(bare),
      let escaped = message.value("n", at: 0), let user = ScramMessage.name(escaped: escaped[...]), !user.isEmpty,
      let theirs = message.value("r", at: 1), !theirs.isEmpty,
      user.utf8.count <= Self.fieldBytesMax, theirs.utf8.count <= Self.fieldBytesMax,
      header.authorizationID ?? user == user
    else { return nil }
    let known = credential(user)
    let used = known ?? unknown(user)
    let all = theirs + nonce
    let challenge = "r=\(all),s=\(Base64.encode(used.salt)),i=\(used.iterations)"
    // librdkafka before 2.6.1 sends its own nonce twice. The server's is in it all the same, and the proof is of what was sent.
    state = .final(
      used, isKnown: known != nil, user: user, nonces: [all, theirs + all], header: header.text,
      said: "\(bare),\(challenge)")
    return .challenge(Array(challenge.utf8))
  }

  private func unknown(_ user: String) -> ScramCredential {
    let made = hash.code(unknownUserKey, Array(user.utf8))
    return ScramCredential(
      salt: Array(made.prefix(20)), storedKey: hash.code(made, [1]), serverKey: hash.code(made, [2]),
      iterations: ScramCredential.iterationsAllowed.lowerBound)
  }

  private func isProved(
    _ text: String, _ credential: ScramCredential, nonces: [String], header: String, said: String
  ) -> Bool {
    guard let message = ScramMessage(text[...]), let binding = message.value("c", at: 0),
      Base64.decode(binding) == Array(header.utf8), let theirs = message.value("r", at: 1), nonces.contains(theirs),
      let last = message.attributes.last, last.name == "p", let proof = Base64.decode(last.value),
      proof.count == hash.byteCount
    else { return false }
    let signature = hash.code(credential.storedKey, Array((said + "," + Self.withoutProof(text)).utf8))
    let key = zip(proof, signature).map { $0 ^ $1 }
    return ConstantTime.areEqual(hash.hash(key), credential.storedKey)
  }

  /// A client's last message up to its proof, which is the last attribute.
  private static func withoutProof(_ text: String) -> String {
    guard let comma = text.lastIndex(of: ",") else { return text }
    return String(text[..<comma])
  }
}

extension ScramMessage {
  /// A client's first message: extensions may follow, of which Kafka's `tokenauth=true`, a login by a delegation token, is none that is served.
  static func first(_ bare: Substring) -> ScramMessage? {
    let parts = bare.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count >= 2, !parts.dropFirst(2).contains(where: { $0.hasPrefix("tokenauth=true") }) else { return nil }
    return ScramMessage(bare.prefix(parts[0].count + 1 + parts[1].count))
  }
}
