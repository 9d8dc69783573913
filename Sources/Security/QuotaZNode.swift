import Base

/// `/config/users/U`, `/config/clients/C`, `/config/users/U/clients/C` and `/config/ips/I`: the quotas of an entity. A user's node has the
/// user's SCRAM credentials too, which a change of quotas leaves as they are.
package struct QuotaZNode: Equatable, Sendable {
  /// The nodes whose children have quotas.
  package static let parents = ["/config/users", "/config/clients", "/config/ips"]

  package static func path(_ entity: QuotaEntity) -> String { "/config/\(entity.path)" }

  /// All values, also those that are no quotas.
  package private(set) var values: [String: String] = [:]

  package init() {}

  /// - Throws: for data that is not what Kafka writes; no data is no value.
  package init(_ path: String, data: [UInt8]) throws(AclZNodeError) {
    guard !data.isEmpty else { return }
    let json: JSON
    do { json = try JSON(data) } catch { throw AclZNodeError(path: path, reason: "\(error)") }
    guard let members = json["config"]?.asMembers else { throw AclZNodeError(path: path, reason: "config is missing") }
    for member in members {
      guard let value = member.value.asString else {
        throw AclZNodeError(path: path, reason: "\(member.name) is not text")
      }
      values[member.name] = value
    }
  }

  package var quotas: [QuotaKey: Double] {
    var quotas: [QuotaKey: Double] = [:]
    for key in QuotaKey.allCases { quotas[key] = values[key.rawValue].flatMap { key.value($0) } }
    return quotas
  }

  /// - Parameter changes: nil removes a quota.
  package func changing(_ changes: [QuotaKey: Double?]) -> QuotaZNode {
    var changed = self
    for (key, value) in changes { changed.values[key.rawValue] = value.map { key.text($0) } }
    return changed
  }

  /// The node with other values, of whatever kind.
  package func replacing(_ values: [String: String]) -> QuotaZNode {
    var changed = self
    changed.values = values
    return changed
  }

  package var data: [UInt8] {
    let members = values.sorted { $0.key < $1.key }.map { JSON.Member(name: $0.key, value: .string($0.value)) }
    return JSON.object(["version": .int(1), "config": .object(members)]).encoded
  }
}
