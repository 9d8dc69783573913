import Logging
import Model
import NIOCore
import Security
import Synchronization
import TLS

/// What a secured listener knows of its clients: its certificates, its users, and the rules that name them. What changes while the broker runs (a
/// certificate's file, a dynamic configuration) is read again by `refresh`; connections that are open keep what they began with.
///
/// Any thread may call.
package final class ListenerDoor: Sendable {
  let listener: String
  let security: SecurityProtocol
  /// The largest frame of a client that is not known.
  let frameBytesMax: Int
  let failureDelayMs: Int64
  let wallMs: @Sendable () -> Int64

  private let mapping: PrincipalMapping
  private let credential: @Sendable (ScramHash, String) -> ScramCredential?
  private let nonces: Nonces
  private let unknownUserKey: [UInt8]
  private let state: Mutex<State>

  private struct State {
    var settings: TLSSettings?
    var tls: TLSContext?
    var rules: SaslRules
    var keySet: KeySetFile?
  }

  /// Reads the files; waits for the disk.
  ///
  /// - Parameter credential: of a user of SCRAM.
  /// - Throws: with the listener, the key, the file and the reason.
  init(
    _ listener: Listener, _ config: Config, wallMs: @escaping @Sendable () -> Int64,
    random: any RandomNumberGenerator & Sendable,
    credential: @escaping @Sendable (ScramHash, String) -> ScramCredential?
  ) throws(StartRefusal) {
    self.listener = listener.name
    security = listener.security
    frameBytesMax = min(Limits.unauthenticatedFrameBytes, config.saslServerMaxReceiveSize)
    failureDelayMs = Int64(config.failedAuthenticationDelayMs)
    self.wallMs = wallMs
    self.credential = credential
    var random = random
    unknownUserKey = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    nonces = Nonces(random)
    do {
      mapping = try config.principalMapping(of: listener.name)
      var state = State(rules: SaslRules([]))
      if listener.security.isEncrypted {
        let settings = try config.tlsSettings(of: listener.name)
        state.settings = settings
        state.tls = try TLSContext(settings, .server)
      }
      if listener.security.usesSASL {
        state.keySet = try KeySetFile(config, listener.name)
        state.rules = try config.saslRules(of: listener.name, tokens: state.keySet)
        state.rules.credential = credential
        state.rules.unknownUserKey = unknownUserKey
      }
      self.state = Mutex(state)
    } catch { throw StartRefusal("listener \(listener.name): \(error)") }
  }

  var rules: SaslRules { state.withLock { $0.rules } }

  /// The handler of TLS for one connection; nil for a listener without.
  func makeTLSHandler() -> (any ChannelHandler)? { state.withLock { $0.tls }?.makeServerHandler() }

  /// Who a client with this certificate is: nobody in particular without one. Nil when no rule names it.
  func principal(of certificate: [UInt8]?) -> Principal? {
    guard let certificate else { return .anonymous }
    guard let subject = try? DistinguishedName(subjectOf: certificate) else { return nil }
    return mapping.name(of: subject.text).map { Principal(name: $0) }
  }

  func makeNonce() -> String { nonces.next() }

  /// Reads again what has changed: files that were written, and keys of the configuration. What cannot be read leaves what there is, and the log
  /// says why, once for each change. Waits for the disk.
  func refresh(_ config: Config, _ log: Logger) {
    let before = state.withLock { ($0.settings, $0.tls, $0.keySet) }
    do {
      if let tls = before.1 {
        let settings = try config.tlsSettings(of: listener)
        if settings != before.0 || tls.isStale {
          state.withLock { $0.settings = settings }
          let fresh = try TLSContext(settings, .server)
          state.withLock { $0.tls = fresh }
          log.info("certificates read anew", metadata: ["listener": "\(listener)"])
        }
      }
      if security.usesSASL {
        var keySet = before.2
        if keySet?.isStale == true {
          keySet = try KeySetFile(config, listener)
          log.info("the key set was read anew", metadata: ["listener": "\(listener)"])
        }
        var rules = try config.saslRules(of: listener, tokens: keySet)
        rules.credential = credential
        rules.unknownUserKey = unknownUserKey
        let fresh = rules
        state.withLock {
          $0.keySet = keySet
          $0.rules = fresh
        }
      }
    } catch {
      log.error(
        "a listener keeps its certificates: the new ones cannot be used",
        metadata: ["listener": "\(listener)", "reason": "\(error)"])
      // The same file is not told of again until it changes again.
      state.withLock { state in
        state.tls = state.tls?.rememberingFiles()
        state.keySet = state.keySet?.rememberingFile()
      }
    }
  }
}
