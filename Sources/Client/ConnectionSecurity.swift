import NIOCore
package import Security
import TLS

/// How connections are secured: the certificates, read, and what the client logs in with.
package struct ConnectionSecurity: Sendable {
  let tls: TLSContext?
  let login: SaslClient.Login?
  private let nonce: @Sendable () -> String

  /// Reads the files that the properties name; waits for the disk. Nil where nothing is secured.
  ///
  /// - Parameter nonce: makes a nonce of SCRAM, never used before.
  /// - Throws: with the property, the file and the reason.
  package init?(_ settings: ClientSecurity, nonce: @escaping @Sendable () -> String) throws(SecurityError) {
    guard settings.securityProtocol != .plaintext else { return nil }
    do throws(TLSError) {
      tls = settings.securityProtocol.isEncrypted ? try TLSContext(settings.tls, .client) : nil
    } catch { throw SecurityError("\(error)") }
    login = settings.login
    self.nonce = nonce
  }

  /// Whether a file of certificates has changed since it was read. Costs a system call a file.
  package var isStale: Bool { tls?.isStale ?? false }

  /// Begins an exchange. A bearer's token is read from its file.
  func begin() throws(SecurityError) -> (SaslMechanism, SaslClient)? {
    guard let login else { return nil }
    var token: Secret?
    if case .bearer(let path) = login {
      do throws(TLSError) {
        let text = String(decoding: try WatchedFile(path).read(), as: UTF8.self)
        token = Secret(String(text.filter { !$0.isWhitespace }))
      } catch { throw SecurityError("sasl.oauthbearer.token.endpoint.url: \(error)") }
    }
    return (login.mechanism, SaslClient(login, token: token, nonce: nonce()))
  }
}
