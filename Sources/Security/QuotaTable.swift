/// The quotas in force. An immutable snapshot: a change makes another one.
package struct QuotaTable: Sendable {
  /// Who shares a quota: its windows count what all of them do together.
  package struct Scope: Hashable, Sendable {
    /// Empty where the quota is not for a user.
    package var user = ""
    /// Empty where the quota is not for a client id.
    package var clientID = ""
  }

  package struct Limit: Equatable, Sendable {
    package var scope: Scope
    package var perSecond: Double
  }

  package private(set) var values: [QuotaEntity: [QuotaKey: Double]] = [:]
  /// The keys that some entity has a value of, besides addresses.
  package private(set) var keysInUse: Set<QuotaKey> = []

  package init() {}

  package var isEmpty: Bool { values.isEmpty }

  /// Returns the snapshot after a change; an entity without values has no quotas.
  package func replacing(_ changes: [QuotaEntity: [QuotaKey: Double]]) -> QuotaTable {
    var changed = self
    for (entity, values) in changes { changed.values[entity] = values.isEmpty ? nil : values }
    changed.keysInUse = Set(changed.values.values.lazy.flatMap(\.keys))
    return changed
  }

  /// The limit for a user with a client id; nil where there is none. The first of these counts, as in Kafka: the quotas of
  ///
  /// 1. the user with the client id,
  /// 2. the user with any client id,
  /// 3. the user,
  /// 4. any user with the client id,
  /// 5. any user with any client id,
  /// 6. any user,
  /// 7. the client id,
  /// 8. any client id.
  package func limit(_ key: QuotaKey, user: String, clientID: String) -> Limit? {
    guard keysInUse.contains(key) else { return nil }
    let (named, client) = (QuotaEntity.Part.named(user), QuotaEntity.Part.named(clientID))
    let both = Scope(user: user, clientID: clientID)
    let order: [(QuotaEntity, Scope)] = [
      (QuotaEntity(user: named, clientID: client), both),
      (QuotaEntity(user: named, clientID: .byDefault), both),
      (QuotaEntity(user: named), Scope(user: user)),
      (QuotaEntity(user: .byDefault, clientID: client), both),
      (QuotaEntity(user: .byDefault, clientID: .byDefault), both),
      (QuotaEntity(user: .byDefault), Scope(user: user)),
      (QuotaEntity(clientID: client), Scope(clientID: clientID)),
      (QuotaEntity(clientID: .byDefault), Scope(clientID: clientID)),
    ]
    for (entity, scope) in order {
      if let value = values[entity]?[key] { return Limit(scope: scope, perSecond: value) }
    }
    return nil
  }

  /// How many connections an address may make a second; nil where that is not limited.
  package func connectionRate(of address: String) -> Double? {
    values[QuotaEntity(ip: .named(address))]?[.connectionCreationRate]
      ?? values[QuotaEntity(ip: .byDefault)]?[.connectionCreationRate]
  }
}
