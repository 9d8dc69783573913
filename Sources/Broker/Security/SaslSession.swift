import Model
import NIOCore
import Security
import Wire

/// A client that has authenticated for a time (`connections.max.reauth.ms`, or a token's): serves its requests, lets it authenticate again in the midst of
/// them, and closes the connection at the first request after the time is over (KIP-368).
///
/// Its state is confined to the connection's event loop.
final class SaslSession: RequestService {
  private struct State {
    var authentication: Authentication
    var ends: NIODeadline
    /// The client authenticates again.
    var exchange: SaslExchange?
    var hasFailed = false
  }

  private let door: ListenerDoor
  private let service: any RequestService
  private let state: NIOLoopBoundBox<State>

  init(_ authentication: Authentication, _ door: ListenerDoor, over service: any RequestService, on loop: any EventLoop)
  {
    self.door = door
    self.service = service
    state = NIOLoopBoundBox(
      State(authentication: authentication, ends: Self.end(authentication, loop.now)), eventLoop: loop)
  }

  private static func end(_ authentication: Authentication, _ now: NIODeadline) -> NIODeadline {
    guard let ms = authentication.lifetimeMs, ms < Limits.timerMsMax else { return .distantFuture }
    return now + .milliseconds(ms)
  }

  var requestBytesMax: Int { service.requestBytesMax }

  func serve(_ frame: ByteBuffer, from origin: RequestOrigin, _ slot: ResponseSlot) -> Served {
    guard !state.value.hasFailed else { return .close }
    switch frame.getInteger(at: frame.readerIndex, as: Int16.self) {
    case SaslHandshakeRequest.api.key: return authenticate(frame, slot)
    case SaslAuthenticateRequest.api.key where state.value.exchange != nil: return authenticate(frame, slot)
    case Api.apiVersionsKey: return service.serve(frame, from: origin, slot)
    default:
      guard state.value.exchange == nil else { return .refuse("a request in the midst of an authentication") }
      guard slot.eventLoop.now < state.value.ends else {
        return .refuse("the client has not authenticated again in time")
      }
      return service.serve(frame, from: origin, slot)
    }
  }

  private func authenticate(_ frame: ByteBuffer, _ slot: ResponseSlot) -> Served {
    var body = frame
    guard let header = try? RequestHeader(reading: &body) else { return .refuse("malformed request header") }
    var exchange = state.value.exchange ?? SaslExchange(again: state.value.authentication)
    let event: SaslExchange.Event
    if header.apiKey == SaslHandshakeRequest.api.key {
      // Version 0 would be followed by messages without requests around them.
      guard header.apiVersion == 1, let request = try? SaslHandshakeRequest(reading: &body, version: 1) else {
        return .refuse("malformed SaslHandshake, or not of version 1")
      }
      event = .handshake(request.mechanism, version: 1)
    } else {
      guard SaslAuthenticateRequest.api.versions.contains(header.apiVersion),
        let request = try? SaslAuthenticateRequest(reading: &body, version: header.apiVersion)
      else { return .refuse("malformed SaslAuthenticate") }
      event = .authenticate(Array(request.authBytes.readableBytesView))
    }
    let action = exchange.step(event, door.rules, wallMs: door.wallMs(), nonce: door.makeNonce)
    let answers = SaslAnswers(header: header, note: slot.note)
    state.value.exchange = exchange
    switch action {
    case .agree: return .response(.bytes(answers.handshake(.none, door.rules)))
    case .challenge(let bytes): return .response(.bytes(answers.message(bytes)))
    case .authenticated(let authentication, let final):
      state.value.authentication = authentication
      state.value.ends = Self.end(authentication, slot.eventLoop.now)
      state.value.exchange = nil
      return .response(.bytes(answers.message(final, lifetimeMs: authentication.lifetimeMs)))
    case .disagree: return fail(answers.handshake(.unsupportedSaslMechanism, door.rules), slot)
    case .fail(let error, let message, _):
      guard let answer = answers.failure(error, message) else { return .close }
      return fail(answer, slot)
    case .close(let reason): return .refuse(reason)
    case .answerVersions: return .refuse("ApiVersions out of its place")
    }
  }

  /// Answers after the delay of a failure; nothing is served afterwards.
  private func fail(_ answer: ByteBuffer, _ slot: ResponseSlot) -> Served {
    state.value.hasFailed = true
    slot.holdConnection()
    slot.eventLoop.scheduleTask(in: .milliseconds(door.failureDelayMs)) {
      slot.complete(.response(.bytes(answer)))
      slot.releaseConnection()
    }
    return .pending
  }
}
