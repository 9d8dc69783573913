import Cluster
import Model
import Security
import Wire

extension LocalBroker {
  /// Lists the entities with quotas that a filter is about.
  func describeClientQuotas(
    _ request: DescribeClientQuotasRequest, _ context: RequestContext
  ) -> HandlerResult<DescribeClientQuotasResponse> {
    let filter: QuotaFilter
    do throws(ApiError) { filter = try QuotaFilter(request) } catch {
      let refusal = error
      return .now(
        .with {
          $0.errorCode = refusal.code
          $0.errorMessage = refusal.message
        })
    }
    let values = quotas.table.values
    return serve(context, size: values.count) {
      .with {
        $0.entries = values.filter { filter.matches($0.key) }.sorted { $0.key.path < $1.key.path }.map {
          entity, values in
          .with {
            $0.entity = entity.components.map { type, name in
              .with {
                $0.entityType = type
                $0.entityName = name
              }
            }
            $0.values = values.sorted { $0.key.rawValue < $1.key.rawValue }.map { key, value in
              .with {
                $0.key = key.rawValue
                $0.value = value
              }
            }
          }
        }
      }
    }
  }

  /// Sets and removes quotas. Each entity has a result of its own.
  func alterClientQuotas(
    _ request: AlterClientQuotasRequest, _ context: RequestContext
  ) -> HandlerResult<AlterClientQuotasResponse> {
    var response = AlterClientQuotasResponse()
    var changes: [(entity: QuotaEntity, values: [QuotaKey: Double?])] = []
    var places: [Int] = []
    let mentions = Mentions(request.entries.lazy.map { $0.entity.map { [$0.entityType, $0.entityName ?? "\u{0}"] } })
    for (count, index) in mentions.firsts.enumerated() {
      let asked = request.entries[index]
      var entry = AlterClientQuotasResponse.Entry()
      entry.entity = asked.entity
      do throws(ApiError) {
        guard count < Limits.resourcesDescribed else {
          throw ApiError(.invalidRequest, "A request can change the quotas of \(Limits.resourcesDescribed) entities.")
        }
        let entity = try QuotaEntity(asked.entity.map { ($0.entityType, $0.entityName) })
        changes.append((entity, try entity.changes(asked.ops)))
        places.append(response.entries.count)
      } catch {
        entry.errorCode = error.code
        entry.errorMessage = error.message
      }
      response.entries.append(entry)
    }
    guard !request.validateOnly, !changes.isEmpty else { return .now(response) }
    let pending = context.pending(AlterClientQuotasResponse.self)
    let (results, changed) = (response, places)
    controller.changeQuotas(changes) { outcomes in
      var response = results
      for (place, outcome) in zip(changed, outcomes) {
        guard let outcome else { continue }
        response.entries[place].errorCode = outcome.code
        response.entries[place].errorMessage = outcome.message
      }
      pending.complete(response)
    }
    return .pending
  }
}

/// Which entities a request is about.
private struct QuotaFilter {
  private enum Match {
    case named(String), byDefault, anyNamed
  }

  private var parts: [String: Match] = [:]
  private let isStrict: Bool

  init(_ request: DescribeClientQuotasRequest) throws(ApiError) {
    isStrict = request.strict
    for component in request.components {
      let type = component.entityType
      guard QuotaEntity.types.contains(type) else {
        throw ApiError(
          type.isEmpty ? .invalidRequest : .unsupportedVersion,
          type.isEmpty ? "Unexpected empty filter component entity type" : "Custom entity type '\(type)' not supported")
      }
      guard parts[type] == nil else {
        throw ApiError(.invalidRequest, "Duplicate \(type) filter component entity type")
      }
      switch (component.matchType, component.match) {
      case (0, let name?): parts[type] = .named(name)
      case (1, nil): parts[type] = .byDefault
      case (2, nil): parts[type] = .anyNamed
      default: throw ApiError(.invalidRequest, "Unexpected match type \(component.matchType) or name of a component")
      }
    }
    if parts["ip"] != nil, parts.count > 1 {
      throw ApiError(
        .invalidRequest,
        "Invalid entity filter component combination, IP filter component should not be used with user or clientId filter component."
      )
    }
  }

  func matches(_ entity: QuotaEntity) -> Bool {
    let components = Dictionary(uniqueKeysWithValues: entity.components.map { ($0.type, $0.name) })
    if isStrict, components.count != parts.count { return false }
    return parts.allSatisfy { type, match in
      guard let name = components[type] else { return false }
      switch match {
      case .named(let wanted): return name == wanted
      case .byDefault: return name == nil
      // As in Kafka also the default.
      case .anyNamed: return true
      }
    }
  }
}

extension QuotaEntity {
  fileprivate static let types = ["user", "client-id", "ip"]

  /// The parts by Kafka's names of their types; a name of nil is the default.
  fileprivate var components: [(type: String, name: String?)] {
    zip(Self.types, [user, clientID, ip]).compactMap { type, part in part.map { (type, $0.name) } }
  }

  fileprivate init(_ components: [(type: String, name: String?)]) throws(ApiError) {
    guard !components.isEmpty else { throw ApiError(.invalidRequest, "Invalid empty client quota entity") }
    var parts: [String: Part] = [:]
    for (type, name) in components {
      guard Self.types.contains(type) else {
        throw ApiError(.invalidRequest, "Unhandled client quota entity type: \(type)")
      }
      guard name != "" else { throw ApiError(.invalidRequest, "Empty \(type) not supported") }
      guard parts.updateValue(Part(name), forKey: type) == nil else {
        throw ApiError(.invalidRequest, "Invalid client quota entity, duplicate entity type \(type)")
      }
    }
    self.init(user: parts["user"], clientID: parts["client-id"], ip: parts["ip"])
    if ip != nil, parts.count > 1 {
      throw ApiError(
        .invalidRequest, "Invalid quota entity combination, IP entity should not be used with user or client ID entity."
      )
    }
    if let address = ip?.name, !address.utf8.allSatisfy({ Self.isOfAddress($0) }) {
      throw ApiError(.invalidRequest, "\(address) is not a valid IP address.")
    }
  }

  private static func isOfAddress(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
      UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "."), UInt8(ascii: ":"):
      true
    default: false
    }
  }

  /// The changes that a request's operations ask for; of several of one key the last counts.
  fileprivate func changes(_ operations: [AlterClientQuotasRequest.Operation]) throws(ApiError) -> [QuotaKey: Double?] {
    var changes: [QuotaKey: Double?] = [:]
    for operation in operations {
      guard let key = QuotaKey(rawValue: operation.key), keys.contains(key) else {
        throw ApiError(.invalidRequest, "Invalid configuration key \(operation.key)")
      }
      guard !operation.remove else {
        changes[key] = .some(nil)
        continue
      }
      let value = operation.value
      guard value.isFinite, value >= 0, value < 0x1p63, value > 0 || key == .connectionCreationRate else {
        throw ApiError(.invalidRequest, "Quota \(operation.key) must be greater than 0")
      }
      guard !key.isWhole || value == value.rounded() else {
        throw ApiError(.invalidRequest, "Configuration value \(value) for \(operation.key) must be a whole number")
      }
      changes[key] = value
    }
    return changes
  }
}
