import Model
import NIOCore
import Wire

extension LocalBroker {
  /// Lists the APIs and versions of the handler table. A client whose software name or version is malformed gets
  /// INVALID_REQUEST (KIP-511).
  func apiVersions(_ request: ApiVersionsRequest, _ context: RequestContext) -> HandlerResult<ApiVersionsResponse> {
    var response = ApiVersionsResponse()
    if context.version >= 3,
      !Self.isSoftwareName(request.clientSoftwareName) || !Self.isSoftwareName(request.clientSoftwareVersion)
    {
      response.errorCode = .invalidRequest
      return .now(response)
    }
    response.apiKeys = offeredApis
    if context.version >= 3 { response.listFeatures(version: context.version) }
    return .now(response)
  }

  /// Whether `name` consists of letters, digits, dots and dashes, and begins and ends with a letter or digit: Kafka's rule
  /// for a client's software name and version.
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
  /// Lists version 2 of transactions (KIP-890), where every API is listed in the version that it takes: a client that finds the feature
  /// leaves AddPartitionsToTxn and AddOffsetsToTxn to the broker.
  mutating func listFeatures(version: Int16) {
    let needed: [(key: Int16, version: Int16)] = [
      (ProduceRequest.api.key, 12), (EndTxnRequest.api.key, 5), (TxnOffsetCommitRequest.api.key, 5),
    ]
    let isServed = needed.allSatisfy { api in
      apiKeys.contains { $0.apiKey == api.key && $0.maxVersion >= api.version }
    }
    guard isServed else { return }
    let name = "transaction.version"
    // Clients before version 4 refuse a feature whose least version is 0 (KAFKA-17492).
    if version >= 4 { supportedFeatures = [.with { ($0.name, $0.minVersion, $0.maxVersion) = (name, 0, 2) }] }
    finalizedFeaturesEpoch = 0
    finalizedFeatures = [.with { ($0.name, $0.minVersionLevel, $0.maxVersionLevel) = (name, 2, 2) }]
  }

  /// Makes the response to an ApiVersions request of a version that is not served: in version 0, which every client can read,
  /// and with ApiVersions alone, so that the client asks again in a version from that range (KIP-511).
  static func unsupportedVersion(_ handler: Handler, correlationID: Int32, for slot: ResponseSlot) -> OutgoingResponse {
    var response = ApiVersionsResponse()
    response.errorCode = .unsupportedVersion
    response.apiKeys = [ApiVersion(handler)]
    return OutgoingResponse(response, [], version: 0, correlationID: correlationID, for: slot)
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
