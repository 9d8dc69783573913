import Base
import Model
package import Security
import Wire

extension ClusterSession {
  /// Lists quotas: of an entity and all that have the same parts, or of all.
  package func listQuotas(of entity: QuotaEntity?) async throws -> Answer {
    var request = DescribeClientQuotasRequest()
    request.components = (entity?.wireParts ?? []).map { type, name in
      .with {
        $0.entityType = type
        $0.matchType = name == nil ? 1 : 0
        $0.match = name
      }
    }
    let answer = try await call(request)
    try check(answer.errorCode, message: answer.errorMessage, "listing quotas")
    return QuotaText.list(answer.entries ?? [])
  }

  /// Sets and removes quotas of an entity.
  ///
  /// - Parameters:
  ///   - additions: KEY=NUMBER,…
  ///   - removals: KEY,…
  package func alterQuotas(
    of entity: QuotaEntity, adding additions: [String], removing removals: [String], isDryRun: Bool
  ) async throws -> Answer {
    let change = try ConfigChange(adding: additions, deleting: removals)
    var request = AlterClientQuotasRequest()
    request.validateOnly = isDryRun
    var entry = AlterClientQuotasRequest.Entry()
    entry.entity = entity.wireParts.map { type, name in
      .with {
        $0.entityType = type
        $0.entityName = name
      }
    }
    let known = entity.keys.map(\.rawValue)
    for pair in change.additions {
      guard let value = Double(pair.value), value.isFinite else {
        throw AdministrationError.argument("\(pair.key)=\(pair.value): a number is needed")
      }
      guard known.contains(pair.key) else { throw Self.unknown(pair.key, known) }
      entry.ops.append(
        .with {
          $0.key = pair.key
          $0.value = value
        })
    }
    for key in change.deletions {
      guard known.contains(key) else { throw Self.unknown(key, known) }
      entry.ops.append(
        .with {
          $0.key = key
          $0.remove = true
        })
    }
    request.entries = [entry]
    let result = try await call(request).entries.first
    let words = QuotaText.words(entity.wireParts)
    try check(
      result?.errorCode ?? .unknownServerError, message: result?.errorMessage, "changing the quotas of \(words)")
    let added = entry.ops.filter { !$0.remove }.map { ($0.key, $0.value) }
    return QuotaText.changed(entity.wireParts, added: added, deleted: change.deletions, isDryRun: isDryRun)
  }

  private static func unknown(_ key: String, _ known: [String]) -> AdministrationError {
    .argument("\(key) is no quota of this entity: \(known.joined(separator: ", ")) are\(Refusal.hint(key, known))")
  }

}

/// Quotas as kafka-configs prints them, and as JSON. An entity is its parts, by the names that requests have for them; a name of nil is the default.
enum QuotaText {
  static func list(_ entries: [DescribeClientQuotasResponse.Entry]) -> Answer {
    var lines: [String] = []
    var documents: [JSON] = []
    for entry in entries {
      let parts = entry.entity.map { ($0.entityType, $0.entityName) }
      let values = entry.values.sorted { $0.key < $1.key }
      lines.append(
        "Quota configs for \(words(parts)) are " + values.map { "\($0.key)=\($0.value)" }.joined(separator: ", "))
      documents.append(
        .object([
          "entity": json(parts),
          "quotas": .object(values.map { JSON.Member(name: $0.key, value: .double($0.value)) }),
        ]))
    }
    return Answer(lines, json: .array(documents))
  }

  static func changed(
    _ parts: [(type: String, name: String?)], added: [(key: String, value: Double)], deleted: [String], isDryRun: Bool
  ) -> Answer {
    let words = words(parts)
    return Answer(
      [isDryRun ? "The change of \(words) is valid; nothing was changed." : "Completed updating config for \(words)."],
      json: .object([
        "entity": json(parts), "added": .object(added.map { JSON.Member(name: $0.key, value: .double($0.value)) }),
        "deleted": .array(deleted.map { .string($0) }), "dry_run": .bool(isDryRun),
      ]))
  }

  /// As kafka-configs names an entity: `user-principal 'u', client-id 'c'`.
  static func words(_ parts: [(type: String, name: String?)]) -> String {
    parts.map { type, name in
      let kind = type == "user" ? "user-principal" : type
      return name.map { "\(kind) '\($0)'" } ?? "the default \(kind)"
    }.joined(separator: ", ")
  }

  private static func json(_ parts: [(type: String, name: String?)]) -> JSON {
    .object(parts.map { JSON.Member(name: $0.type, value: .text($0.name)) })
  }
}

extension QuotaEntity {
  /// The parts as requests name them; a name of nil is the default.
  fileprivate var wireParts: [(type: String, name: String?)] {
    zip(["user", "client-id", "ip"], [user, clientID, ip]).compactMap { type, part in part.map { (type, $0.name) } }
  }
}
