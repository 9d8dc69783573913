package import Wire

/// Chooses the version of each API that a connection uses: the highest that both sides support.
package struct ApiVersionTable: Sendable {
  private var theirs: [Int16: ClosedRange<Int16>] = [:]

  package init(_ response: ApiVersionsResponse) {
    for api in response.apiKeys where api.minVersion <= api.maxVersion {
      theirs[api.apiKey] = api.minVersion...api.maxVersion
    }
  }

  /// Uses our own highest version of every API, for a peer inside the process.
  package static let ours = ApiVersionTable()

  private init() {
    for request in Messages.requests { theirs[request.api.key] = request.api.versions }
  }

  /// - Parameter limit: the highest version that the caller can fill in.
  package func version(of api: Api, limit: Int16 = .max) -> Int16? {
    guard let theirs = theirs[api.key] else { return nil }
    let version = min(api.versions.upperBound, theirs.upperBound, limit)
    return version >= max(api.versions.lowerBound, theirs.lowerBound) ? version : nil
  }

  package func offered(_ api: Api) -> ClosedRange<Int16>? { theirs[api.key] }
}
