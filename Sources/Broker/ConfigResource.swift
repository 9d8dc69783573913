import Cluster
import Model

/// What the configuration requests speak of: a topic, a broker, or all brokers.
enum ConfigResource: Hashable {
  case topic(String)
  case broker(BrokerID)
  case brokerDefault

  /// The resource types of DescribeConfigs and AlterConfigs.
  private enum Kind { static let topic: Int8 = 2, broker: Int8 = 4 }

  /// - Parameter isServed: whether requests about the broker of that id are served here, besides those about `brokerID`.
  init(
    type: Int8, name: String, brokerID: BrokerID, isServed: (BrokerID) -> Bool = { _ in false }
  ) throws(ApiError) {
    switch type {
    case Kind.topic: self = .topic(name)
    case Kind.broker where name.isEmpty: self = .brokerDefault
    case Kind.broker:
      guard let id = BrokerID(name), id == brokerID || isServed(id) else {
        throw ApiError(
          .invalidRequest, "Unexpected broker id, expected \(brokerID) or empty string, but received \(name)")
      }
      self = .broker(id)
    default: throw ApiError(.invalidRequest, "Configuration of resource type \(type) is not served.")
    }
  }
}

extension LocalBroker {
  /// The configuration of a resource, as far as `names` asks for it (nil: all of it).
  func describe(
    _ resource: ConfigResource, only names: [String]?, _ image: MetadataImage
  ) throws(ApiError) -> [DescribedConfig] {
    let names = names.map { Set($0) }
    switch resource {
    case .topic(let name):
      if let problem = TopicName.problem(with: name) { throw ApiError(.invalidTopicException, problem) }
      guard let topic = image.named(name) else {
        throw ApiError(.unknownTopicOrPartition, "The topic '\(name)' does not exist.")
      }
      return topic.config.describe(over: image.config, only: names)
    case .broker: return image.config.describe(only: names)
    case .brokerDefault: return image.config.describeDynamicDefaults(only: names)
    }
  }

  /// A change of a resource as the controller takes it; open logs obey it from their next append.
  func change(_ resource: ConfigResource, _ alteration: ConfigAlteration) -> Controller.ConfigChange {
    let configs = controller.configs
    switch resource {
    case .topic(let name):
      return Controller.ConfigChange(.topic(name)) { values, brokers throws(ApiError) in
        try alteration.applied(toTopic: values, broker: configs.config(brokers))
      }
    case .broker(let id):
      return Controller.ConfigChange(.broker(id)) { _, brokers throws(ApiError) in
        try alteration.applied(toBroker: configs.config(brokers, of: id), isDefault: false).dynamicOwn
      }
    case .brokerDefault:
      return Controller.ConfigChange(.brokerDefault) { _, brokers throws(ApiError) in
        try alteration.applied(toBroker: configs.config(brokers), isDefault: true).dynamicDefaults
      }
    }
  }
}
