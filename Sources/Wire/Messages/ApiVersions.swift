package import Model

/// The first request of a connection: which APIs and versions does the broker serve?
///
/// A version the broker does not know is answered in version 0 with `.unsupportedVersion`, never by closing the connection.
package struct ApiVersionsRequest: Request {
  package typealias Answer = ApiVersionsResponse
  package static let api = Api(key: 18, versions: 0...4, flexibleFrom: 3)

  package var clientSoftwareName = ""
  package var clientSoftwareVersion = ""

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    if wire.version >= 3 {
      try wire.field(&clientSoftwareName)
      try wire.field(&clientSoftwareVersion)
    }
    try wire.tags()
  }
}

package struct ApiVersionsResponse: Response {
  package static let api = ApiVersionsRequest.api

  package var errorCode = ErrorCode.none
  package var apiKeys: [ApiVersion] = []
  package var throttleTimeMs: Int32 = 0
  /// Features whose least version is 0 must be left out of versions 0 to 3, whose clients refuse them (KAFKA-17492).
  package var supportedFeatures: [SupportedFeature] = []
  /// -1: unknown.
  package var finalizedFeaturesEpoch: Int64 = -1
  package var finalizedFeatures: [FinalizedFeature] = []
  package var zkMigrationReady = false

  package init() {}

  package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
    try wire.field(&errorCode)
    try wire.field(&apiKeys)
    if wire.version >= 1 { try wire.field(&throttleTimeMs) }
    try wire.tags { (wire) throws(WireError) in
      try wire.tag(0, &supportedFeatures)
      try wire.tag(1, &finalizedFeaturesEpoch, default: -1)
      try wire.tag(2, &finalizedFeatures)
      try wire.tag(3, &zkMigrationReady)
    }
  }

  package struct ApiVersion: WireStruct {
    package var apiKey: Int16 = 0
    package var minVersion: Int16 = 0
    package var maxVersion: Int16 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&apiKey)
      try wire.field(&minVersion)
      try wire.field(&maxVersion)
      try wire.tags()
    }
  }

  package struct SupportedFeature: WireStruct {
    package var name = ""
    package var minVersion: Int16 = 0
    package var maxVersion: Int16 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&minVersion)
      try wire.field(&maxVersion)
      try wire.tags()
    }
  }

  package struct FinalizedFeature: WireStruct {
    package var name = ""
    package var maxVersionLevel: Int16 = 0
    package var minVersionLevel: Int16 = 0

    package init() {}

    package mutating func fields(_ wire: inout WireCursor) throws(WireError) {
      try wire.field(&name)
      try wire.field(&maxVersionLevel)
      try wire.field(&minVersionLevel)
      try wire.tags()
    }
  }
}
