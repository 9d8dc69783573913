import Model
import NIOCore
import Wire

/// The two requests by which a client of the world logs in, in front of all others. A value without I/O.
struct SimulatedLogin {
  private enum Step { case mechanism, password }

  private let login: Scenario.Login
  private let name: String
  private var step = Step.mechanism

  init(_ login: Scenario.Login, clientID: String) {
    self.login = login
    name = clientID
  }

  /// The frame with which it begins.
  var first: ByteBuffer { frame(SaslHandshakeRequest.with { $0.mechanism = "PLAIN" }, version: 1) }

  enum Next {
    case send(ByteBuffer)
    case isDone
    case failed(String)
  }

  /// Takes in the response to what was sent last.
  mutating func answered(_ frame: ByteBuffer) -> Next {
    var frame = frame
    do {
      switch step {
      case .mechanism:
        _ = try ResponseHeader(reading: &frame, version: SaslHandshakeRequest.api.responseHeaderVersion(1))
        let answer = try SaslHandshakeResponse(reading: &frame, version: 1)
        guard answer.errorCode == .none else { return .failed("SaslHandshake: \(answer.errorCode)") }
        step = .password
        return .send(
          self.frame(SaslAuthenticateRequest.with { $0.authBytes = ByteBuffer(bytes: login.plain()) }, version: 2))
      case .password:
        _ = try ResponseHeader(reading: &frame, version: SaslAuthenticateRequest.api.responseHeaderVersion(2))
        let answer = try SaslAuthenticateResponse(reading: &frame, version: 2)
        guard answer.errorCode == .none else { return .failed("SaslAuthenticate: \(answer.errorCode)") }
        return .isDone
      }
    } catch { return .failed("\(error)") }
  }

  private func frame<R: Request>(_ request: R, version: Int16) -> ByteBuffer {
    guard let bytes = Frame.request(request, version: version, correlationID: 0, clientID: name).joined else {
      preconditionFailure("a request is bytes")
    }
    return bytes
  }
}
