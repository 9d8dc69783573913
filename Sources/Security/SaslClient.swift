/// The client's side of one SASL exchange: a value.
package struct SaslClient: Sendable {
  /// What a client logs in with.
  package enum Login: Sendable, Equatable {
    case plain(user: String, password: Secret)
    case scram(ScramHash, user: String, password: Secret)
    /// A file that has the token, read anew for each connection.
    case bearer(path: String)

    package var mechanism: SaslMechanism {
      switch self {
      case .plain: .plain
      case .scram(let hash, _, _): hash.mechanism
      case .bearer: .oauthBearer
      }
    }
  }

  private enum State {
    /// The first message ends what the client has to say.
    case single([UInt8])
    case scram(ScramClient)
    case bearer([UInt8])
    case ended
  }

  private var state: State

  /// - Parameters:
  ///   - token: what the file of a bearer's token has.
  ///   - nonce: never used before.
  package init(_ login: Login, token: Secret?, nonce: String) {
    switch login {
    case .plain(let user, let password): state = .single([0] + Array(user.utf8) + [0] + Array(password.text.utf8))
    case .scram(let hash, let user, let password):
      state = .scram(ScramClient(hash, user: user, password: password, nonce: nonce))
    case .bearer: state = .bearer(Array("n,,\u{1}auth=Bearer \(token?.text ?? "")\u{1}\u{1}".utf8))
    }
  }

  package var first: [UInt8] {
    switch state {
    case .single(let message), .bearer(let message): message
    case .scram(let client): client.first
    case .ended: []
    }
  }

  /// Takes a message of the server that was no refusal; returns what is to be sent, or nil when both sides know each other.
  package mutating func step(_ message: [UInt8]) throws(SecurityError) -> [UInt8]? {
    switch state {
    case .single:
      state = .ended
      return nil
    case .scram(var client):
      let answer = try client.step(message)
      state = answer == nil ? .ended : .scram(client)
      return answer
    case .bearer:
      state = .ended
      // An error is told before the refusal, and has to be answered for that to follow.
      return message.isEmpty ? nil : [1]
    case .ended: throw SecurityError("the server said more than the mechanism has")
    }
  }
}
