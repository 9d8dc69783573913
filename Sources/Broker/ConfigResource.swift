import Cluster
import Model

/// What the configuration requests speak of: a topic, this broker, or all brokers.
enum ConfigResource: Equatable {
  case topic(String)
  case broker
  case brokerDefault

  /// The resource types of DescribeConfigs and AlterConfigs.
  private enum Kind { static let topic: Int8 = 2, broker: Int8 = 4 }

  init(type: Int8, name: String, brokerID: BrokerID) throws(Refusal) {
    switch type {
    case Kind.topic: self = .topic(name)
    case Kind.broker where name.isEmpty: self = .brokerDefault
    case Kind.broker:
      guard Int32(name) == brokerID else {
        throw Refusal(
          .invalidRequest, "Unexpected broker id, expected \(brokerID) or empty string, but received \(name)")
      }
      self = .broker
    default: throw Refusal(.invalidRequest, "Configuration of resource type \(type) is not served.")
    }
  }
}

extension LocalBroker {
  /// The configuration of a resource, as far as `names` asks for it (nil: all of it).
  func describe(_ resource: ConfigResource, only names: [String]?) throws(Refusal) -> [DescribedConfig] {
    let names = names.map { Set($0) }
    switch resource {
    case .topic(let name):
      if let problem = TopicName.problem(with: name) { throw Refusal(.invalidTopicException, problem) }
      guard let topic = registry.topic(name) else {
        throw Refusal(.unknownTopicOrPartition, "The topic '\(name)' does not exist.")
      }
      return effectiveConfig(of: topic).describe(over: registry.config, only: names)
    case .broker: return registry.config.describe(only: names)
    case .brokerDefault: return registry.config.describeDynamicDefaults(only: names)
    }
  }

  /// Changes the configuration of a resource; open logs obey it from their next append.
  func alter(_ resource: ConfigResource, _ alteration: ConfigAlteration, validateOnly: Bool) throws(Refusal) {
    try change { () throws(Refusal) in
      switch resource {
      case .topic(let name):
        let description = try registry.alter(topic: name, alteration, validateOnly: validateOnly)
        if !validateOnly { install(description) }
      case .broker, .brokerDefault:
        _ = try registry.alter(
          brokerDefault: resource == .brokerDefault, alteration, validateOnly: validateOnly)
        // Topics take the broker's values where they have none of their own.
        if !validateOnly { for description in registry.topics { install(description) } }
      }
    }
  }
}
