import Model
import NIOCore
import Wire

extension LocalBroker {
  /// Lists what the handler table serves. A client whose name or version is malformed gets INVALID_REQUEST (KIP-511).
  func apiVersions(_ request: ApiVersionsRequest, _ context: RequestContext) -> Reply<ApiVersionsResponse> {
    var answer = ApiVersionsResponse()
    if context.version >= 3,
      !Self.isSoftwareName(request.clientSoftwareName) || !Self.isSoftwareName(request.clientSoftwareVersion)
    {
      answer.errorCode = .invalidRequest
      return .now(answer)
    }
    answer.apiKeys = offeredApis
    return .now(answer)
  }

  /// Letters, digits, dots and dashes, beginning and ending with a letter or digit: Kafka's rule.
  private static func isSoftwareName(_ name: String) -> Bool {
    guard let first = name.utf8.first, let last = name.utf8.last else { return false }
    guard name.utf8.count <= Limits.clientSoftwareNameBytes else { return false }
    return isLetterOrDigit(first) && isLetterOrDigit(last)
      && name.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }
}

extension ApiVersionsResponse {
  /// The answer to a version we do not know: in version 0, which every client reads, naming only ApiVersions itself,
  /// so that the client can ask again (KIP-511).
  static func unsupportedVersion(_ handler: Handler, correlationID: Int32) -> OutgoingReply {
    var answer = ApiVersionsResponse()
    answer.errorCode = .unsupportedVersion
    answer.apiKeys = [ApiVersion(handler)]
    return OutgoingReply(answer, [], version: 0, correlationID: correlationID)
  }
}

extension ApiVersionsResponse.ApiVersion {
  init(_ handler: Handler) {
    self.init()
    apiKey = handler.api.key
    minVersion = handler.offered.lowerBound
    maxVersion = handler.offered.upperBound
  }
}
