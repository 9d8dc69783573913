import Base
package import Model

// The z-nodes of a Kafka cluster: for each its path, its contents, and the JSON that Kafka writes, byte for byte. The tree
// is Kafka's tree in ZooKeeper.

/// Names the nodes that exist before any broker.
package enum ZNodeRoots {
  /// Parents first.
  package static let persistent = [
    "/consumers", "/brokers", "/brokers/ids", "/brokers/topics", "/brokers/seqid", "/config", "/config/changes",
    "/config/topics", "/config/clients", "/config/users", "/config/brokers", "/config/ips", "/admin",
    "/admin/delete_topics", "/isr_change_notification", "/latest_producer_id_block", "/log_dir_event_notification",
    "/cluster",
  ]
}

/// Says why a z-node's data is invalid for its path.
package struct ZNodeDataError: Error, Equatable, CustomStringConvertible {
  package var path: String
  package var reason: String

  package var description: String { "\(path): \(reason)" }
}

/// Reads the members of a z-node's JSON object; the error for a missing member names it.
struct ZNodeReader {
  var path: String
  var json: JSON

  init(_ path: String, _ data: [UInt8]) throws(ZNodeDataError) {
    self.path = path
    do { json = try JSON(data) } catch { throw ZNodeDataError(path: path, reason: "\(error)") }
    guard case .object = json else { throw ZNodeDataError(path: path, reason: "not a JSON object") }
  }

  func error(_ reason: String) -> ZNodeDataError { ZNodeDataError(path: path, reason: reason) }

  func required<Value>(_ name: String, _ read: (JSON) -> Value?) throws(ZNodeDataError) -> Value {
    guard let member = json[name] else { throw error("\(name) is missing") }
    guard let value = read(member) else { throw error("\(name) has an invalid value") }
    return value
  }

  func int32(_ name: String) throws(ZNodeDataError) -> Int32 { try required(name) { $0.asInt32 } }
  func string(_ name: String) throws(ZNodeDataError) -> String { try required(name) { $0.asString } }
}

/// `/cluster/id`.
package struct ClusterIDZNode: Equatable, Sendable {
  package static let path = "/cluster/id"
  package var id: String

  package init(id: String) { self.id = id }

  package var data: [UInt8] { JSON.object(["version": .string("1"), "id": .string(id)]).encoded }

  package init(data: [UInt8]) throws(ZNodeDataError) { id = try ZNodeReader(Self.path, data).string("id") }
}

/// `/brokers/ids/N`: a living broker. Ephemeral; the zxid of its creation is the broker's epoch.
package struct BrokerZNode: Equatable, Sendable {
  package struct Endpoint: Equatable, Sendable {
    package var listener: String
    package var securityProtocol: String
    package var host: String
    package var port: Int32

    package init(listener: String, securityProtocol: String, host: String, port: Int32) {
      self.listener = listener
      self.securityProtocol = securityProtocol
      self.host = host
      self.port = port
    }
  }

  package var id: BrokerID
  package var endpoints: [Endpoint]
  package var rack: String?
  package var timestampMs: Int64

  package init(id: BrokerID, endpoints: [Endpoint], rack: String?, timestampMs: Int64) {
    self.id = id
    self.endpoints = endpoints
    self.rack = rack
    self.timestampMs = timestampMs
  }

  package static let parent = "/brokers/ids"
  package static func path(_ id: BrokerID) -> String { "\(parent)/\(id)" }

  package var data: [UInt8] {
    let plaintext = endpoints.first { $0.securityProtocol == "PLAINTEXT" }
    var members: [JSON.Member] = [
      .init(name: "version", value: .int(5)),
      .init(name: "host", value: plaintext.map { .string($0.host) } ?? .null),
      .init(name: "port", value: .int(plaintext.map { Int64($0.port) } ?? -1)),
      .init(name: "jmx_port", value: .int(-1)),
      .init(name: "timestamp", value: .string(String(timestampMs))),
      .init(
        name: "endpoints",
        value: .array(endpoints.map { .string("\($0.listener)://\(Self.bracketed($0.host)):\($0.port)") })),
      .init(
        name: "listener_security_protocol_map",
        value: .object(endpoints.map { JSON.Member(name: $0.listener, value: .string($0.securityProtocol)) })),
    ]
    if let rack { members.append(.init(name: "rack", value: .string(rack))) }
    members.append(.init(name: "features", value: .object([])))
    return JSON.object(members).encoded
  }

  package init(id: BrokerID, data: [UInt8]) throws(ZNodeDataError) {
    let reader = try ZNodeReader(Self.path(id), data)
    let protocols = try reader.required("listener_security_protocol_map") { $0.asMembers }
    self.id = id
    endpoints = []
    for text in try reader.required("endpoints", { $0.asArray?.compactMap(\.asString) }) {
      guard let endpoint = Self.endpoint(text, protocols) else { throw reader.error("\(text) is no endpoint") }
      endpoints.append(endpoint)
    }
    rack = reader.json["rack"]?.asString
    timestampMs = try reader.required("timestamp") { $0.asString.flatMap { Int64($0) } }
  }

  private static func bracketed(_ host: String) -> String { host.contains(":") ? "[\(host)]" : host }

  private static func endpoint(_ text: String, _ protocols: [JSON.Member]) -> Endpoint? {
    let parts = text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].hasSuffix(":"), parts[1].isEmpty, let colon = parts[2].lastIndex(of: ":"),
      let port = Int32(parts[2][parts[2].index(after: colon)...])
    else { return nil }
    let listener = String(parts[0].dropLast())
    var host = parts[2][..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard let securityProtocol = protocols.last(where: { $0.name == listener })?.value.asString else { return nil }
    return Endpoint(listener: listener, securityProtocol: securityProtocol, host: String(host), port: port)
  }
}

/// `/brokers/seqid`: empty; the node's version is the number of generated broker ids.
package enum BrokerSequenceZNode {
  package static let path = "/brokers/seqid"
}

/// `/controller`: the broker that leads the cluster. Ephemeral.
package struct ControllerZNode: Equatable, Sendable {
  package static let path = "/controller"
  package var brokerID: BrokerID
  package var timestampMs: Int64

  package init(brokerID: BrokerID, timestampMs: Int64) {
    self.brokerID = brokerID
    self.timestampMs = timestampMs
  }

  package var data: [UInt8] {
    JSON.object([
      "version": .int(2), "brokerid": .int(Int64(brokerID)), "timestamp": .string(String(timestampMs)),
      "kraftControllerEpoch": .int(-1),
    ]).encoded
  }

  package init(data: [UInt8]) throws(ZNodeDataError) {
    let reader = try ZNodeReader(Self.path, data)
    brokerID = try reader.int32("brokerid")
    timestampMs = try reader.required("timestamp") { $0.asString.flatMap { Int64($0) } }
  }
}

/// `/controller_epoch`: the controller epoch, as plain text.
package enum ControllerEpochZNode {
  package static let path = "/controller_epoch"

  package static func data(_ epoch: Int32) -> [UInt8] { Array(String(epoch).utf8) }

  package static func epoch(data: [UInt8]) throws(ZNodeDataError) -> Int32 {
    guard let epoch = Int32(String(decoding: data, as: UTF8.self)) else {
      throw ZNodeDataError(path: path, reason: "not a number")
    }
    return epoch
  }
}

/// `/brokers/topics/T`: the topic's id and the replicas of its partitions.
package struct TopicZNode: Equatable, Sendable {
  package var name: String
  package var id: TopicID
  /// The brokers of each partition, the preferred leader first; the index is the partition.
  package var replicas: [[BrokerID]]
  /// While partitions are reassigned.
  package var addingReplicas: [Int32: [BrokerID]] = [:]
  package var removingReplicas: [Int32: [BrokerID]] = [:]

  package init(name: String, id: TopicID, replicas: [[BrokerID]]) {
    self.name = name
    self.id = id
    self.replicas = replicas
  }

  package static let parent = "/brokers/topics"
  package static func path(_ name: String) -> String { "\(parent)/\(name)" }

  package var data: [UInt8] {
    JSON.object([
      "version": .int(3), "topic_id": .string(id.description),
      "partitions": .object(
        replicas.enumerated().map { JSON.Member(name: String($0.offset), value: .integers($0.element)) }),
      "adding_replicas": Self.json(addingReplicas), "removing_replicas": Self.json(removingReplicas),
    ]).encoded
  }

  package init(name: String, data: [UInt8]) throws(ZNodeDataError) {
    let reader = try ZNodeReader(Self.path(name), data)
    self.name = name
    id = try reader.required("topic_id") { $0.asString.flatMap { TopicID($0) } }
    let partitions = try reader.required("partitions") { Self.partitions($0) }
    replicas = []
    for partition in 0..<Int32(partitions.count) {
      guard let brokers = partitions[partition] else { throw reader.error("partition \(partition) is missing") }
      replicas.append(brokers)
    }
    addingReplicas = reader.json["adding_replicas"].flatMap { Self.partitions($0) } ?? [:]
    removingReplicas = reader.json["removing_replicas"].flatMap { Self.partitions($0) } ?? [:]
  }

  private static func json(_ replicas: [Int32: [BrokerID]]) -> JSON {
    .object(replicas.sorted { $0.key < $1.key }.map { JSON.Member(name: String($0.key), value: .integers($0.value)) })
  }

  private static func partitions(_ json: JSON) -> [Int32: [BrokerID]]? {
    guard let members = json.asMembers else { return nil }
    var partitions: [Int32: [BrokerID]] = [:]
    for member in members {
      guard let partition = Int32(member.name), partition >= 0, let brokers = member.value.asIntegers else {
        return nil
      }
      partitions[partition] = brokers
    }
    return partitions
  }
}

/// `/brokers/topics/T/partitions/N/state`: the partition's leader and ISR. The node's version is the partition epoch.
package struct PartitionStateZNode: Equatable, Sendable {
  /// -1 when there is no leader.
  package var leader: BrokerID
  package var leaderEpoch: LeaderEpoch
  package var controllerEpoch: Int32
  package var inSyncReplicas: [BrokerID]
  /// The leader was elected uncleanly and has not yet recovered.
  package var isRecovering = false

  package init(leader: BrokerID, leaderEpoch: LeaderEpoch, controllerEpoch: Int32, inSyncReplicas: [BrokerID]) {
    self.leader = leader
    self.leaderEpoch = leaderEpoch
    self.controllerEpoch = controllerEpoch
    self.inSyncReplicas = inSyncReplicas
  }

  package static func partitionsPath(_ topic: String) -> String { "\(TopicZNode.path(topic))/partitions" }
  package static func partitionPath(_ topic: String, _ partition: Int32) -> String {
    "\(partitionsPath(topic))/\(partition)"
  }
  package static func path(_ topic: String, _ partition: Int32) -> String { "\(partitionPath(topic, partition))/state" }

  package var data: [UInt8] {
    var members: [JSON.Member] = [
      .init(name: "version", value: .int(1)), .init(name: "leader", value: .int(Int64(leader))),
      .init(name: "leader_epoch", value: .int(Int64(leaderEpoch))),
      .init(name: "controller_epoch", value: .int(Int64(controllerEpoch))),
      .init(name: "isr", value: .integers(inSyncReplicas)),
    ]
    if isRecovering { members.append(.init(name: "leader_recovery_state", value: .int(1))) }
    return JSON.object(members).encoded
  }

  package init(_ topic: String, _ partition: Int32, data: [UInt8]) throws(ZNodeDataError) {
    let reader = try ZNodeReader(Self.path(topic, partition), data)
    leader = try reader.int32("leader")
    leaderEpoch = try reader.int32("leader_epoch")
    controllerEpoch = try reader.int32("controller_epoch")
    inSyncReplicas = try reader.required("isr") { $0.asIntegers }
    isRecovering = reader.json["leader_recovery_state"]?.asInt == 1
  }
}

/// `/config/<type>/<name>`: the overrides of a topic, a broker, or all brokers.
package struct ConfigZNode: Equatable, Sendable {
  package enum Entity: Equatable, Sendable {
    case topic(String)
    case broker(BrokerID)
    /// The default of all brokers.
    case brokerDefault
    /// A user, a client id or both, by the path beneath `/config`: `users/alice`, `clients/c`. It has quotas and SCRAM credentials.
    case client(String)

    /// A user's entity: its name is in the path as Kafka writes it, `a%20b` for `a b`.
    package static func user(_ name: String) -> Entity { .client(usersPrefix + SanitizedName.of(name)) }

    package static let usersPrefix = "users/"
  }

  package var entity: Entity
  package var values: [String: String]

  package init(_ entity: Entity, values: [String: String]) {
    self.entity = entity
    self.values = values
  }

  /// `topics/T`, as change notifications name it.
  package static func entityPath(_ entity: Entity) -> String {
    switch entity {
    case .topic(let name): "topics/\(name)"
    case .broker(let id): "brokers/\(id)"
    case .brokerDefault: "brokers/<default>"
    case .client(let path): path
    }
  }

  package static func path(_ entity: Entity) -> String { "/config/\(entityPath(entity))" }

  package var data: [UInt8] {
    let members = values.sorted { $0.key < $1.key }.map { JSON.Member(name: $0.key, value: .string($0.value)) }
    return JSON.object(["version": .int(1), "config": .object(members)]).encoded
  }

  package init(_ entity: Entity, data: [UInt8]) throws(ZNodeDataError) {
    let reader = try ZNodeReader(Self.path(entity), data)
    self.entity = entity
    values = [:]
    for member in try reader.required("config", { $0.asMembers }) {
      guard let value = member.value.asString else { throw reader.error("\(member.name) is not text") }
      values[member.name] = value
    }
  }
}

/// `/log_dir_event_notification/log_dir_event_NNN`: persistent and sequential; says that log directories of a broker have failed. The
/// controller removes it.
package struct LogDirEventZNode: Equatable, Sendable {
  package static let parent = "/log_dir_event_notification"
  package static let prefix = "\(parent)/log_dir_event_"
  /// Kafka's number of the only event there is: a log directory has failed.
  private static let failure: Int64 = 1

  package var brokerID: BrokerID

  package init(brokerID: BrokerID) { self.brokerID = brokerID }

  package var data: [UInt8] {
    JSON.object(["version": .int(1), "broker": .int(Int64(brokerID)), "event": .int(Self.failure)]).encoded
  }

  package init(_ path: String, data: [UInt8]) throws(ZNodeDataError) {
    brokerID = try ZNodeReader(path, data).int32("broker")
  }
}

/// `/config/changes/config_change_NNN`: persistent and sequential; names a changed configuration.
package enum ConfigChangeZNode {
  package static let parent = "/config/changes"
  package static let prefix = "\(parent)/config_change_"
  /// Kafka sweeps them after 15 minutes.
  package static let keptMs: Int64 = 15 * 60 * 1000

  package static func data(_ entity: ConfigZNode.Entity) -> [UInt8] { data(path: ConfigZNode.entityPath(entity)) }

  /// - Parameter path: the path of what has changed, below `/config`.
  package static func data(path: String) -> [UInt8] {
    JSON.object(["version": .int(2), "entity_path": .string(path)]).encoded
  }

  /// Reads which path below `/config` has changed.
  package static func path(data: [UInt8]) throws(ZNodeDataError) -> String {
    try ZNodeReader(prefix, data).string("entity_path")
  }

  /// Reads which entity has changed; nil for one of a kind that brokers do not read.
  package static func entity(data: [UInt8]) throws(ZNodeDataError) -> ConfigZNode.Entity? {
    let parts = try path(data: data).split(separator: "/", maxSplits: 1)
    guard parts.count == 2 else { return nil }
    switch (parts[0], parts[1]) {
    case ("topics", let name): return .topic(String(name))
    case ("brokers", "<default>"): return .brokerDefault
    case ("brokers", let id): return BrokerID(id).map { .broker($0) }
    case ("users", let name), ("clients", let name): return .client("\(parts[0])/\(name)")
    default: return nil
    }
  }
}

/// `/admin/delete_topics/T`: empty; the topic is being deleted.
package enum DeleteTopicZNode {
  package static let parent = "/admin/delete_topics"
  package static func path(_ topic: String) -> String { "\(parent)/\(topic)" }
}

/// `/latest_producer_id_block`: the block of producer ids allocated last.
package struct ProducerIDBlockZNode: Equatable, Sendable {
  package static let path = "/latest_producer_id_block"
  package var brokerID: BrokerID
  package var ids: ClosedRange<Int64>

  package init(brokerID: BrokerID, ids: ClosedRange<Int64>) {
    self.brokerID = brokerID
    self.ids = ids
  }

  package var data: [UInt8] {
    JSON.object([
      "version": .int(1), "broker": .int(Int64(brokerID)), "block_start": .string(String(ids.lowerBound)),
      "block_end": .string(String(ids.upperBound)),
    ]).encoded
  }

  package init(data: [UInt8]) throws(ZNodeDataError) {
    let reader = try ZNodeReader(Self.path, data)
    brokerID = try reader.int32("broker")
    let start = try reader.required("block_start") { $0.asString.flatMap { Int64($0) } }
    let end = try reader.required("block_end") { $0.asString.flatMap { Int64($0) } }
    guard start >= 0 else { throw reader.error("a block of negative producer ids") }
    guard start <= end else { throw reader.error("a block that ends before it begins") }
    ids = start...end
  }
}

/// `/feature`: the cluster's finalized features; there are none.
package enum FeatureZNode {
  package static let path = "/feature"
  package static var data: [UInt8] {
    JSON.object(["version": .int(2), "status": .int(1), "features": .object([])]).encoded
  }
}
