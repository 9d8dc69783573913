/// Where a message stands in Kafka's protocol: its key, the versions this module can read and write, and where its layout turned "flexible"
/// (compact lengths, tagged fields; KIP-482).
///
/// `versions` is what the codec knows. What a broker offers is the broker's choice and may be less.
package struct Api: Hashable, Sendable {
  package let key: Int16
  package let versions: ClosedRange<Int16>
  /// The first flexible version; nil where there is none.
  package let flexibleFrom: Int16?

  package init(key: Int16, versions: ClosedRange<Int16>, flexibleFrom: Int16?) {
    self.key = key
    self.versions = versions
    self.flexibleFrom = flexibleFrom
  }

  package func isFlexible(_ version: Int16) -> Bool {
    guard let flexibleFrom else { return false }
    return version >= flexibleFrom
  }

  /// 0 has no client id, 1 has one, 2 adds tagged fields.
  ///
  /// ControlledShutdown v0 is the only request old enough to be sent without a client id.
  package func requestHeaderVersion(_ version: Int16) -> Int16 {
    if key == Api.controlledShutdownKey && version == 0 { return 0 }
    return isFlexible(version) ? 2 : 1
  }

  /// 0 is the bare correlation id, 1 adds tagged fields.
  ///
  /// ApiVersions is answered with header 0 in every version: a client that asked for a version the broker does not know
  /// must still be able to read the refusal (KIP-511).
  package func responseHeaderVersion(_ version: Int16) -> Int16 {
    if key == Api.apiVersionsKey { return 0 }
    return isFlexible(version) ? 1 : 0
  }

  /// The header version of a request nobody has decoded yet, by key: nil for a key or version this module does not know.
  package static func known(_ key: Int16) -> Api? { byKey[key] }

  package static let apiVersionsKey: Int16 = 18
  private static let controlledShutdownKey: Int16 = 7

  private static let byKey = Dictionary(uniqueKeysWithValues: Messages.requests.map { ($0.api.key, $0.api) })
}
