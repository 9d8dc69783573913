import Cluster
import Model
import Security
package import Wire

// The rights of APIs about topics and their configurations.

extension MetadataRequest: GuardedRequest {
  package static let access = AccessRow(
    .topic(.describe),
    AccessNeed(.describe, on: .topic, .leftOut, when: "all topics are asked for"),
    AccessNeed(
      .create, on: .topic, .part(.topicAuthorizationFailed),
      when: "the topic is created by the request; Create on the cluster is enough"),
    AccessNeed(.describe, on: .cluster, .leftOut, when: "authorized operations of the cluster are asked for"))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<MetadataResponse> {
    let (ofTopics, ofCluster) = (includeTopicAuthorizedOperations, includeClusterAuthorizedOperations)
    @Sendable func tellOperations(_ response: inout MetadataResponse) {
      if ofCluster { response.clusterAuthorizedOperations = access.clusterBits }
      guard ofTopics else { return }
      for index in response.topics.indices where response.topics[index].topicAuthorizedOperations != .min {
        response.topics[index].topicAuthorizedOperations = access.bits(on: .topic, response.topics[index].name ?? "")
      }
    }
    guard let asked = topics, version > 0 || !asked.isEmpty else {
      return .partly { response in
        response.topics.removeAll { !access.allows(.describe, .topic, $0.name ?? "") }
        tellOperations(&response)
      }
    }
    let image = access.image
    var kept = asked
    var refused = access.withhold(&kept, .describe, .topic) { $0.name ?? image.withID($0.topicID)?.name }
    if image.config.autoCreateTopics, version < 4 || allowAutoTopicCreation, !access.allowsOnCluster(.create) {
      refused += access.withhold(&kept, .create, .topic) { topic in
        topic.name.flatMap { image.named($0) == nil && TopicName.isValid($0) ? $0 : nil }
      }
    }
    guard !refused.isEmpty || ofTopics || ofCluster else { return .allowed }
    topics = kept
    let hidden = refused.map { topic in
      MetadataResponse.Topic.with {
        $0.errorCode = .topicAuthorizationFailed
        // Kafka tells no id of a topic that was named, and no name of one whose id was given. A version without null has no name then.
        $0.name = topic.name ?? (version >= 12 ? nil : "")
        if topic.name == nil { $0.topicID = topic.topicID }
      }
    }
    // An empty list asks for all topics in version 0.
    let isEmpty = kept.isEmpty && version == 0
    return .partly { response in
      if isEmpty { response.topics = [] }
      tellOperations(&response)
      response.topics += hidden
    }
  }
}

extension DescribeTopicPartitionsRequest: GuardedRequest {
  package static let access = AccessRow(
    .topic(.describe), AccessNeed(.describe, on: .topic, .leftOut, when: "all topics are asked for"))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<DescribeTopicPartitionsResponse> {
    @Sendable func tellOperations(_ response: inout DescribeTopicPartitionsResponse) {
      for index in response.topics.indices where response.topics[index].topicAuthorizedOperations != .min {
        response.topics[index].topicAuthorizedOperations = access.bits(on: .topic, response.topics[index].name ?? "")
      }
    }
    guard !topics.isEmpty else {
      return .partly { response in
        response.topics.removeAll { !access.allows(.describe, .topic, $0.name ?? "") }
        tellOperations(&response)
      }
    }
    let refused = access.withhold(&topics, .describe, .topic, { $0.name }).map { topic in
      DescribeTopicPartitionsResponse.Topic.with {
        $0.name = topic.name
        $0.errorCode = .topicAuthorizationFailed
      }
    }
    return .partly(isEmpty: topics.isEmpty) { response in
      tellOperations(&response)
      response.topics += refused
    }
  }
}

extension CreateTopicsRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(
      .create, on: .topic, .part(.topicAuthorizationFailed), when: "Create on the cluster is lacking, which is enough"),
    AccessNeed(.describeConfigs, on: .topic, .leftOut, when: "the response tells the new topic's configuration"))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<CreateTopicsResponse> {
    var refused: [Topic] = []
    if !access.allowsOnCluster(.create) { refused = access.withhold(&topics, .create, .topic) { $0.name } }
    let results = refused.map { topic in
      CreateTopicsResponse.Topic.with {
        $0.name = topic.name
        $0.errorCode = .topicAuthorizationFailed
        $0.errorMessage = "Authorization failed."
      }
    }
    return .partly(isEmpty: topics.isEmpty && !refused.isEmpty) { response in
      for index in response.topics.indices where response.topics[index].errorCode == .none {
        guard !access.allows(.describeConfigs, .topic, response.topics[index].name) else { continue }
        response.topics[index].topicConfigErrorCode = .topicAuthorizationFailed
        response.topics[index].numPartitions = -1
        response.topics[index].replicationFactor = -1
        response.topics[index].configs = []
      }
      response.topics += results
    }
  }
}

extension DeleteTopicsRequest: GuardedRequest {
  package static let access = AccessRow(
    .topic(.delete), note: "Of a topic that was given by its id the name is told only to who may Describe it.")

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<DeleteTopicsResponse> {
    let image = access.image
    let names = access.withhold(&topicNames, .delete, .topic) { $0 }
    let ids = access.withhold(&topics, .delete, .topic) { $0.name ?? image.withID($0.topicID)?.name }
    let refused =
      names.map { name in
        DeleteTopicsResponse.Topic.with {
          $0.name = name
          $0.errorCode = .topicAuthorizationFailed
        }
      }
      + ids.map { topic in
        DeleteTopicsResponse.Topic.with {
          $0.name = topic.name ?? image.withID(topic.topicID)?.name
          if topic.name == nil, let name = $0.name, !access.allows(.describe, .topic, name) { $0.name = nil }
          $0.topicID = topic.topicID
          $0.errorCode = .topicAuthorizationFailed
        }
      }
    guard !refused.isEmpty else { return .allowed }
    return .partly(isEmpty: topicNames.isEmpty && topics.isEmpty) { $0.responses += refused }
  }
}

extension CreatePartitionsRequest: GuardedRequest {
  package static let access = AccessRow(.topic(.alter))

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<CreatePartitionsResponse> {
    let refused = access.withhold(&topics, .alter, .topic, { $0.name }).map { topic in
      CreatePartitionsResponse.Topic.with {
        $0.name = topic.name
        $0.errorCode = .topicAuthorizationFailed
      }
    }
    return refused.isEmpty ? .allowed : .partly(isEmpty: topics.isEmpty) { $0.results += refused }
  }
}

// MARK: Configurations

extension AccessRow {
  fileprivate static func configs(_ operation: AclOperation) -> AccessRow {
    AccessRow(
      AccessNeed(operation, on: .topic, .part(.topicAuthorizationFailed), when: "it is of a topic"),
      AccessNeed(operation, on: .cluster, .part(.clusterAuthorizationFailed), when: "it is of a broker"))
  }
}

/// A resource whose configuration the requester may not read or change.
private struct RefusedConfig {
  var type: Int8
  var name: String
  var code: ErrorCode
}

extension Access {
  /// Takes out of a list the resources whose configurations may not be read or changed, and returns them.
  fileprivate func withholdConfigs<Resource>(
    _ resources: inout [Resource], _ operation: AclOperation, _ key: (Resource) -> (type: Int8, name: String)
  ) -> [RefusedConfig] {
    var refused: [RefusedConfig] = []
    resources.removeAll { resource in
      let (type, name) = key(resource)
      guard let code = refusal(operation, type: type, name: name) else { return false }
      refused.append(RefusedConfig(type: type, name: name, code: code))
      return true
    }
    return refused
  }

  /// Why a configuration may not be read or changed; nil where it may.
  private func refusal(_ operation: AclOperation, type: Int8, name: String) -> ErrorCode? {
    // Kafka's numbers of what has a configuration; other types are refused by the handler.
    let topic: Int8 = 2
    if type == topic { return allows(operation, .topic, name) ? nil : .topicAuthorizationFailed }
    return allowsOnCluster(operation) ? nil : .clusterAuthorizationFailed
  }
}

extension DescribeConfigsRequest: GuardedRequest {
  package static let access = AccessRow.configs(.describeConfigs)

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<DescribeConfigsResponse> {
    let refused = access.withholdConfigs(&resources, .describeConfigs) { ($0.resourceType, $0.resourceName) }.map {
      refused in
      DescribeConfigsResponse.Resource.with {
        ($0.resourceType, $0.resourceName, $0.errorCode) = (refused.type, refused.name, refused.code)
      }
    }
    return refused.isEmpty ? .allowed : .partly(isEmpty: resources.isEmpty) { $0.results += refused }
  }
}

extension AlterConfigsRequest: GuardedRequest {
  package static let access = AccessRow.configs(.alterConfigs)

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<AlterConfigsResponse> {
    let refused = access.withholdConfigs(&resources, .alterConfigs) { ($0.resourceType, $0.resourceName) }.map {
      refused in
      AlterConfigsResponse.Resource.with {
        ($0.resourceType, $0.resourceName, $0.errorCode) = (refused.type, refused.name, refused.code)
      }
    }
    return refused.isEmpty ? .allowed : .partly(isEmpty: resources.isEmpty) { $0.responses += refused }
  }
}

extension IncrementalAlterConfigsRequest: GuardedRequest {
  package static let access = AccessRow.configs(.alterConfigs)

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<IncrementalAlterConfigsResponse> {
    let refused = access.withholdConfigs(&resources, .alterConfigs) { ($0.resourceType, $0.resourceName) }.map {
      refused in
      IncrementalAlterConfigsResponse.Resource.with {
        ($0.resourceType, $0.resourceName, $0.errorCode) = (refused.type, refused.name, refused.code)
      }
    }
    return refused.isEmpty ? .allowed : .partly(isEmpty: resources.isEmpty) { $0.responses += refused }
  }
}
