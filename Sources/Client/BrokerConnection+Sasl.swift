import Model
import NIOCore
import Security
import Wire

extension BrokerConnection {
  /// Authenticates, where the options say by what; and again in time, where the broker says that the session ends.
  func authenticate(_ security: ConnectionSecurity?, then: @escaping (Result<Void, ClientError>) -> Void) {
    guard let security, security.login != nil else { return then(.success(())) }
    exchange(security) { [self] result in
      then(
        result.map { lifetimeMs in
          if lifetimeMs > 0 { scheduleAgain(inMs: lifetimeMs, security) }
        })
    }
  }

  /// Well before the session ends, as Kafka's clients do.
  private func scheduleAgain(inMs lifetimeMs: Int64, _ security: ConnectionSecurity) {
    let wait = TimeAmount.milliseconds(max(1, min(lifetimeMs, ClientLimits.sessionMsMax) / 100 * 85))
    eventLoop.assumeIsolated().scheduleTask(in: wait) { [weak self] in self?.authenticateAgain(security) }
  }

  /// Requests wait meanwhile: between SaslHandshake and the last SaslAuthenticate the broker allows no other.
  private func authenticateAgain(_ security: ConnectionSecurity) {
    guard isOpen else { return }
    holdRequests()
    exchange(security) { [self] result in
      switch result {
      case .failure(let error): end(error)
      case .success(let lifetimeMs):
        releaseRequests()
        if lifetimeMs > 0 { scheduleAgain(inMs: lifetimeMs, security) }
      }
    }
  }

  /// One exchange; `then` gets the lifetime of the session in milliseconds, 0 for none.
  private func exchange(_ security: ConnectionSecurity, then: @escaping (Result<Int64, ClientError>) -> Void) {
    let begun: (SaslMechanism, SaslClient)
    do throws(SecurityError) {
      guard let exchange = try security.begin() else { return then(.success(0)) }
      begun = exchange
    } catch { return then(.failure(.notAuthenticated(endpoint, reason: "\(error)"))) }
    let endpoint = endpoint
    let (mechanism, client) = begun
    guard versions.version(of: SaslHandshakeRequest.api) == 1 else {
      return then(.failure(.notAuthenticated(endpoint, reason: "the broker has no SASL, or too old a one")))
    }
    sendAhead(SaslHandshakeRequest.with { $0.mechanism = mechanism.rawValue }) { [self] result in
      switch result {
      case .failure(let error): then(.failure(error))
      case .success(let answer) where answer.errorCode != .none:
        let enabled = answer.mechanisms.joined(separator: ", ")
        then(
          .failure(
            .notAuthenticated(
              endpoint, reason: "\(answer.errorCode) for \(mechanism.rawValue); enabled are: \(enabled)")))
      case .success: say(client.first, client, then: then)
      }
    }
  }

  private func say(
    _ message: [UInt8], _ client: SaslClient, then: @escaping (Result<Int64, ClientError>) -> Void
  ) {
    let endpoint = endpoint
    sendAhead(SaslAuthenticateRequest.with { $0.authBytes = ByteBuffer(bytes: message) }) { [self] result in
      switch result {
      case .failure(let error): then(.failure(error))
      case .success(let answer) where answer.errorCode != .none:
        then(.failure(.notAuthenticated(endpoint, reason: answer.errorMessage ?? "\(answer.errorCode)")))
      case .success(let answer):
        var client = client
        do throws(SecurityError) {
          guard let next = try client.step(Array(answer.authBytes.readableBytesView)) else {
            return then(.success(answer.sessionLifetimeMs))
          }
          say(next, client, then: then)
        } catch { then(.failure(.notAuthenticated(endpoint, reason: "\(error)"))) }
      }
    }
  }
}

/// Keeps what is written until the connection has authenticated again.
final class HeldRequests: Transport {
  let transport: any Transport
  /// The correlation id of the first request that waits.
  let firstCorrelationID: Int32
  private var parts: [ByteBuffer] = []
  private var flushes: [(() -> Void)?] = []

  init(_ transport: any Transport, from firstCorrelationID: Int32) {
    self.transport = transport
    self.firstCorrelationID = firstCorrelationID
  }

  func write(_ bytes: ByteBuffer) { parts.append(bytes) }
  func flush(written: (() -> Void)?) { flushes.append(written) }
  func close() { transport.close() }

  /// Whether the request with this id waits; ids go round after 2^31.
  func holds(_ correlationID: Int32) -> Bool {
    UInt32(bitPattern: correlationID &- firstCorrelationID) & 0x7FFF_FFFF < 1 << 30
  }

  func release() {
    for part in parts { transport.write(part) }
    guard !flushes.isEmpty else { return }
    let written = flushes.compactMap { $0 }
    transport.flush(written: written.isEmpty ? nil : { for call in written { call() } })
  }
}
