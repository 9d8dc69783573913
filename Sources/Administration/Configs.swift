package import Base
import Client
package import Model
import Wire

/// What configuration belongs to.
package enum ConfigEntity: Hashable, Sendable {
  case topic(String)
  case broker(BrokerID)
  /// The brokers' common dynamic default.
  case brokerDefaults

  /// The resource types of DescribeConfigs and IncrementalAlterConfigs.
  private enum ResourceType { static let topic: Int8 = 2, broker: Int8 = 4 }

  var resourceType: Int8 {
    switch self {
    case .topic: ResourceType.topic
    case .broker, .brokerDefaults: ResourceType.broker
    }
  }

  var resourceName: String {
    switch self {
    case .topic(let name): name
    case .broker(let id): "\(id)"
    case .brokerDefaults: ""
    }
  }

  init?(type: Int8, name: String) {
    switch (type, BrokerID(name)) {
    case (ResourceType.topic, _): self = .topic(name)
    case (ResourceType.broker, let id?): self = .broker(id)
    case (ResourceType.broker, nil) where name.isEmpty: self = .brokerDefaults
    default: return nil
    }
  }
}

/// One entry of DescribeConfigs.
struct ConfigEntry: Equatable, Sendable {
  /// Where a value comes from, by the numbers of DescribeConfigs.
  enum Source: Int8, Sendable {
    case unknown = -1
    case topic = 1
    case dynamicBroker, dynamicDefault, staticBroker, `default`, brokerLogger

    /// Kafka's name, as kafka-configs prints it.
    var name: String {
      switch self {
      case .unknown: "UNKNOWN"
      case .topic: "DYNAMIC_TOPIC_CONFIG"
      case .dynamicBroker: "DYNAMIC_BROKER_CONFIG"
      case .dynamicDefault: "DYNAMIC_DEFAULT_BROKER_CONFIG"
      case .staticBroker: "STATIC_BROKER_CONFIG"
      case .default: "DEFAULT_CONFIG"
      case .brokerLogger: "DYNAMIC_BROKER_LOGGER_CONFIG"
      }
    }
  }

  struct Synonym: Equatable, Sendable {
    var name: String
    var value: String?
    var source: Source
  }

  var name: String
  /// Nil for a sensitive value.
  var value: String?
  var source: Source
  var isSensitive: Bool
  var isReadOnly: Bool
  var synonyms: [Synonym]

  /// Whether the value was set for `entity` itself while the cluster runs.
  func isOwn(of entity: ConfigEntity) -> Bool {
    switch entity {
    case .topic: source == .topic
    case .broker: source == .dynamicBroker
    case .brokerDefaults: source == .dynamicDefault
    }
  }
}

/// What `configs alter` is asked for.
package struct ConfigChange: Equatable, Sendable {
  package var additions: [KeyValueList.Pair]
  package var deletions: [String]

  /// - Parameters:
  ///   - additions: KEY=VALUE,KEY=[A,B],…
  ///   - deletions: KEY,KEY,…
  package init(adding additions: [String], deleting deletions: [String]) throws {
    self.additions = try Self.pairs(additions, of: "--add-config")
    self.deletions = deletions.flatMap { $0.split(separator: ",").map(String.init) }
    guard !self.additions.isEmpty || !self.deletions.isEmpty else {
      throw AdministrationError.argument("nothing is to change: give --add-config or --delete-config")
    }
    let keys = self.additions.map(\.key) + self.deletions
    if let twice = keys.first(where: { key in keys.count { $0 == key } > 1 }) {
      throw AdministrationError.argument("\(twice) is changed twice")
    }
  }

  static func pairs(_ texts: [String], of flag: String) throws(AdministrationError) -> [KeyValueList.Pair] {
    var pairs: [KeyValueList.Pair] = []
    for text in texts {
      guard let more = KeyValueList.pairs(in: text) else {
        throw .argument("\(flag) \(text): KEY=VALUE,KEY=[A,B],… is needed")
      }
      pairs += more
    }
    return pairs
  }
}

extension ClusterSession {
  /// - Parameters:
  ///   - entities: nil: every topic, or every broker and the brokers' default, as `ofBrokers` says.
  ///   - includesAll: also the values that are not the entity's own.
  package func describeConfigs(
    _ entities: [ConfigEntity]?, ofBrokers: Bool, includesAll: Bool
  ) async throws -> Answer {
    let asked: [ConfigEntity]
    if let entities {
      asked = entities
    } else if ofBrokers {
      asked = brokers.map { .broker($0.id) } + [.brokerDefaults]
    } else {
      asked = try await topics(nil).map { .topic($0.name) }
    }
    return ConfigText.describe(try await configs(of: asked), includesAll: includesAll)
  }

  package func alterConfigs(of entity: ConfigEntity, _ change: ConfigChange, isDryRun: Bool) async throws -> Answer {
    try await checkDeletions(change.deletions, of: entity)
    var request = IncrementalAlterConfigsRequest()
    request.validateOnly = isDryRun
    request.resources = [
      .with {
        $0.resourceType = entity.resourceType
        $0.resourceName = entity.resourceName
        $0.configs = Self.operations(change)
      }
    ]
    let target = try broker(serving: entity)
    let response = try await call(request, to: target).responses.first
    try check(
      response?.errorCode ?? .unknownServerError, message: response?.errorMessage,
      "changing the configuration of \(entity.words)",
      by: target)
    return ConfigText.altered(entity, change, isDryRun: isDryRun)
  }

  private static func operations(_ change: ConfigChange) -> [IncrementalAlterConfigsRequest.Config] {
    let sets = change.additions.map { pair in
      IncrementalAlterConfigsRequest.Config.with {
        $0.name = pair.key
        $0.value = pair.value
      }
    }
    let deletes = change.deletions.map { key in
      IncrementalAlterConfigsRequest.Config.with {
        $0.name = key
        $0.configOperation = 1
      }
    }
    return sets + deletes
  }

  /// As kafka-configs, refuses to delete what is not set.
  private func checkDeletions(_ keys: [String], of entity: ConfigEntity) async throws {
    guard !keys.isEmpty else { return }
    let own = try await configs(of: [entity]).flatMap(\.entries).filter { $0.isOwn(of: entity) }.map(\.name)
    let absent = keys.filter { !own.contains($0) }
    guard absent.isEmpty else {
      throw AdministrationError(
        "\(entity.words) has no value of its own for \(absent.joined(separator: ", ")), so none can be deleted"
          + (own.isEmpty ? "" : "; it has \(own.joined(separator: ", "))"))
    }
  }

  /// Brokers describe and change themselves; any broker serves the rest.
  private func broker(serving entity: ConfigEntity) throws(AdministrationError) -> Metadata.Broker? {
    if case .broker(let id) = entity { return try broker(id) }
    return nil
  }

  /// Describes entities, in the order asked.
  func configs(of entities: [ConfigEntity]) async throws -> [(entity: ConfigEntity, entries: [ConfigEntry])] {
    var found: [ConfigEntity: [ConfigEntry]] = [:]
    // Topics and defaults in one request, each broker in one of its own.
    let common = entities.filter { if case .broker = $0 { false } else { true } }
    let groups = (common.isEmpty ? [] : [common]) + entities.filter { !common.contains($0) }.map { [$0] }
    for group in groups {
      var request = DescribeConfigsRequest()
      request.includeSynonyms = true
      request.resources = group.map { entity in
        .with {
          $0.resourceType = entity.resourceType
          $0.resourceName = entity.resourceName
        }
      }
      let target = try broker(serving: group[0])
      for result in try await call(request, to: target).results {
        guard let entity = ConfigEntity(type: result.resourceType, name: result.resourceName) else { continue }
        try check(result.errorCode, message: result.errorMessage, "describing \(entity.words)", by: target)
        found[entity] = result.configs.map { ConfigEntry($0) }.sorted { $0.name < $1.name }
      }
    }
    return entities.compactMap { entity in found[entity].map { (entity, $0) } }
  }
}

extension ConfigEntry {
  init(_ config: DescribeConfigsResponse.Config) {
    name = config.name
    value = config.value
    source = Source(rawValue: config.configSource) ?? .unknown
    isSensitive = config.isSensitive
    isReadOnly = config.readOnly
    synonyms = config.synonyms.map {
      Synonym(name: $0.name, value: $0.value, source: Source(rawValue: $0.source) ?? .unknown)
    }
  }
}

extension ConfigEntity {
  /// As kafka-configs names it within a sentence.
  var words: String {
    switch self {
    case .topic(let name): "topic \(name)"
    case .broker(let id): "broker \(id)"
    case .brokerDefaults: "the brokers' default"
    }
  }
}
