import Base

/// The client's side of SCRAM: a value that answers the server's two messages.
package struct ScramClient: Sendable {
  private enum State {
    case first
    case sent(serverSignature: [UInt8])
    case ended
  }

  private let hash: ScramHash
  private let user: String
  private let password: Secret
  private let nonce: String
  private var state = State.first

  /// The most iterations that a server may ask for: a hostile one could ask for a day of them.
  private static let iterationsMax = 1_000_000

  /// - Parameter nonce: of printable ASCII characters but the comma; never used before.
  package init(_ hash: ScramHash, user: String, password: Secret, nonce: String) {
    self.hash = hash
    self.user = user
    self.password = password
    self.nonce = nonce
  }

  private var bare: String { "n=\(ScramMessage.escape(user)),r=\(nonce)" }

  package var first: [UInt8] { Array("n,,\(bare)".utf8) }

  /// Takes a message of the server; returns what is to be sent, or nil when the server has proved that it knows the user too.
  package mutating func step(_ message: [UInt8]) throws(SecurityError) -> [UInt8]? {
    let text = String(decoding: message, as: UTF8.self)
    switch state {
    case .first: return try final(text)
    case .sent(let signature):
      state = .ended
      guard let answer = ScramMessage(text[...]), let given = answer.value("v", at: 0).flatMap({ Base64.decode($0) }),
        ConstantTime.areEqual(given, signature)
      else { throw SecurityError("the server does not know the user's credential: it may be another server") }
      return nil
    case .ended: throw SecurityError("the server said more than SCRAM has")
    }
  }

  private mutating func final(_ challenge: String) throws(SecurityError) -> [UInt8] {
    guard let message = ScramMessage(challenge[...]), let all = message.value("r", at: 0), all.hasPrefix(nonce),
      all != nonce, let salt = message.value("s", at: 1).flatMap({ Base64.decode($0) }),
      let iterations = message.value("i", at: 2).flatMap({ Int($0) }), (1...Self.iterationsMax).contains(iterations)
    else { throw SecurityError("the server's challenge is not SCRAM's") }
    let salted = hash.salted(password.text, salt: salt, iterations: iterations)
    let clientKey = hash.code(salted, Array("Client Key".utf8))
    let withoutProof = "c=\(Base64.encode(Array("n,,".utf8))),r=\(all)"
    let said = Array("\(bare),\(challenge),\(withoutProof)".utf8)
    let signature = hash.code(hash.hash(clientKey), said)
    state = .sent(serverSignature: hash.code(hash.code(salted, Array("Server Key".utf8)), said))
    return Array("\(withoutProof),p=\(Base64.encode(zip(clientKey, signature).map { $0 ^ $1 }))".utf8)
  }
}
