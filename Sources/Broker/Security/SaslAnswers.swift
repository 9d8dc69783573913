import Model
import NIOCore
import Security
import Wire

/// The responses of a SASL exchange, as frames: to a request, or to a raw message, which has no request around it.
struct SaslAnswers {
  /// Of the request that is answered; nil for a raw message.
  let header: RequestHeader?
  /// Gets what is counted of errors.
  let note: (RequestMeter.Note) -> Void

  func handshake(_ error: ErrorCode, _ rules: SaslRules) -> ByteBuffer {
    var response = SaslHandshakeResponse()
    response.errorCode = error
    response.mechanisms = rules.mechanisms.map(\.rawValue)
    return framed(response)
  }

  /// The mechanism's next message.
  func message(_ bytes: [UInt8], lifetimeMs: Int64? = nil) -> ByteBuffer {
    guard header != nil else {
      var frame = ByteBuffer()
      frame.writeInteger(Int32(bytes.count))
      frame.writeBytes(bytes)
      return frame
    }
    return framed(
      SaslAuthenticateResponse.with {
        $0.authBytes = ByteBuffer(bytes: bytes)
        $0.sessionLifetimeMs = lifetimeMs ?? 0
      })
  }

  /// Nil for a raw message: the connection closes without a word.
  func failure(_ error: SaslExchange.ErrorName, _ message: String) -> ByteBuffer? {
    guard header != nil else { return nil }
    return framed(
      SaslAuthenticateResponse.with {
        $0.errorCode = error == .illegalState ? .illegalSaslState : .saslAuthenticationFailed
        $0.errorMessage = message
      })
  }

  private func framed(_ response: some Response) -> ByteBuffer {
    guard let header else { return ByteBuffer() }
    let frame = Frame.response(response, version: header.apiVersion, correlationID: header.correlationID)
    if !frame.errors.isEmpty { note(.errors(frame.errors, api: header.apiKey)) }
    let parts = frame.parts
    guard case .bytes(let bytes)? = parts.first, parts.count == 1 else { return ByteBuffer() }
    return bytes
  }
}
