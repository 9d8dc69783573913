import Model
import Security
import Wire

// A client of a listener with SASL authenticates before any handler is asked (`UnauthenticatedConnection`), or again (`SaslSession`).

extension LocalBroker {
  /// Refuses to begin an authentication on a connection that is not to authenticate, or has done so for good.
  func saslHandshake(_ request: SaslHandshakeRequest, _ context: RequestContext) -> HandlerResult<SaslHandshakeResponse>
  {
    .now(
      .with {
        $0.errorCode = .illegalSaslState
        $0.mechanisms = doors[context.origin.listener]?.rules.mechanisms.map(\.rawValue) ?? []
      })
  }

  func saslAuthenticate(
    _ request: SaslAuthenticateRequest, _ context: RequestContext
  ) -> HandlerResult<SaslAuthenticateResponse> {
    .now(
      .with {
        $0.errorCode = .illegalSaslState
        $0.errorMessage = "SaslAuthenticate request received after successful authentication"
      })
  }
}
