/// A group's metadata as its record in `__consumer_offsets` has it: the generation, and for each member what it subscribed to and
/// was assigned.
package struct StoredGroup: Equatable, Sendable {
  package var protocolType: String
  package var generation: Int32
  package var protocolName: String?
  package var leader: String?
  /// When the group entered its state, in milliseconds since 1970; nil in records older than Kafka 2.1.
  package var stateTimestampMs: Int64?
  package var members: [Member]

  package struct Member: Equatable, Sendable {
    package var id: String
    package var instanceID: String?
    package var clientID: String
    package var clientHost: String
    package var rebalanceTimeoutMs: Int32
    package var sessionTimeoutMs: Int32
    package var subscription: [UInt8]
    package var assignment: [UInt8]

    package init(
      id: String, instanceID: String?, clientID: String, clientHost: String, rebalanceTimeoutMs: Int32,
      sessionTimeoutMs: Int32, subscription: [UInt8], assignment: [UInt8]
    ) {
      self.id = id
      self.instanceID = instanceID
      self.clientID = clientID
      self.clientHost = clientHost
      self.rebalanceTimeoutMs = rebalanceTimeoutMs
      self.sessionTimeoutMs = sessionTimeoutMs
      self.subscription = subscription
      self.assignment = assignment
    }
  }

  package init(
    protocolType: String, generation: Int32, protocolName: String?, leader: String?, stateTimestampMs: Int64?,
    members: [Member]
  ) {
    self.protocolType = protocolType
    self.generation = generation
    self.protocolName = protocolName
    self.leader = leader
    self.stateTimestampMs = stateTimestampMs
    self.members = members
  }
}
