package import Model

/// A broker that is registered in the tree.
package struct LiveBroker: Equatable, Sendable {
  package var id: BrokerID
  /// The zxid of its registration: a broker that comes back has a larger one.
  package var epoch: Int64

  package init(id: BrokerID, epoch: Int64) {
    self.id = id
    self.epoch = epoch
  }
}

/// One change of the tree, as a step of a `multi`. This module knows no tree; `Coordination` has the operations of one.
package enum TreeOperation: Equatable, Sendable {
  case create(path: String, data: [UInt8])
  /// Ten digits are added to the path; `writeFinished` names it.
  case createSequential(path: String, data: [UInt8])
  /// `version` nil: whatever the node's version is.
  case set(path: String, data: [UInt8], version: Int32? = nil)
  case delete(path: String)
  case check(path: String, version: Int32)
}

/// Why a write changed nothing.
package enum TreeFailure: Equatable, Sendable {
  /// Another controller was elected since: the controller epoch is no longer ours.
  case fenced
  /// Anything else; the text is sent to the clients.
  case failed(String)
}

extension Controller {
  /// Names a request among those that wait for their answer. The caller chooses it.
  package typealias RequestID = UInt64

  /// What happens that the controller must know of.
  package enum Event: Sendable {
    /// A broker registered; it leads nothing until it is elected anew, also where it led before.
    case brokerCame(LiveBroker)
    case brokerWent(BrokerID)
    case asked(RequestID, Request)
    /// A broker has carried out `Effect.leaderAndISR` for topics whose logs were new to it: made, or why not.
    case replicasMade(by: BrokerID, [String: String?])
    /// A broker has carried out `Effect.stopReplicas` for a topic that is being deleted. Where `isGone` is false, files may be
    /// left, and the deletion goes on when the broker comes again.
    case replicasStopped(by: BrokerID, topic: String, isGone: Bool)
    /// The timer of `auto.leader.rebalance`: leaders go back to the preferred replicas, and what failed is tried again.
    case preferredElectionDue
    /// The tree's session ended: another broker may be controller already.
    case sessionLost
    /// `created` are the paths of the write's sequential nodes, in their order.
    case writeFinished(created: [String])
    case writeFailed(TreeFailure)
  }

  /// What the controller wants done. To be carried out in order.
  package enum Effect: Equatable, Sendable {
    /// A conditional `multi`: all or nothing. One at a time; `writeFinished` or `writeFailed` follows.
    case write([TreeOperation])
    /// The broker leads or follows these partitions as they are described.
    case leaderAndISR(to: BrokerID, [ReplicaState])
    /// An entity's values are now these. (Other brokers learn of it by the notification in the tree.)
    case configure(ConfigZNode.Entity, [String: String])
    /// The metadata that brokers answer with changes: topics that have changed and those that are gone.
    case updateMetadata(to: [BrokerID], changed: [String], removed: [String])
    /// The broker has no business with these partitions any more.
    case stopReplicas(to: BrokerID, [StoppedReplica])
    case answer(RequestID, [Outcome])
    /// This broker is controller no longer; every further event is refused.
    case resigned
  }

  /// A partition as LeaderAndIsr and UpdateMetadata describe it.
  package struct ReplicaState: Equatable, Sendable {
    package var name: TopicPartition
    package var topicID: TopicID
    package var partition: PartitionDescription
    /// The replica has no log yet.
    package var isNew: Bool
  }

  package struct StoppedReplica: Equatable, Sendable {
    package var name: TopicPartition
    package var topicID: TopicID
    /// The log is deleted too.
    package var isDeleted: Bool
  }

  /// What clients and brokers ask of the controller. Each element of a list has an outcome of its own.
  package enum Request: Sendable {
    case create([Creation], validateOnly: Bool)
    case grow([Growth], validateOnly: Bool)
    case delete([Deletion])
    case alterConfigs([ConfigChange], validateOnly: Bool, nowMs: Int64)
    case changeISR(by: BrokerID, brokerEpoch: Int64, [ISRChange])
    case reassign([Reassignment])
    /// Move all leaderships away from a broker that is about to stop.
    case shutDown(BrokerID, brokerEpoch: Int64)
    case producerIDs(for: BrokerID)
  }

  /// How one element of a request ended.
  package enum Outcome: Equatable, Sendable {
    /// Created, grown or deleted; or it would have been, where it was only to be validated.
    case topic(TopicDescription)
    case done
    case partition(PartitionDescription)
    /// The partitions that a broker about to stop still leads.
    case remaining([TopicPartition])
    case producerIDs(Range<Int64>)
    case refused(Refusal)
  }

  package struct Creation: Sendable {
    package var topic: NewTopic
    /// The new topic's id, drawn by the caller, which has a source of randomness.
    package var id: TopicID
    /// Checked values; or what is wrong with those given, which is said when nothing else is wrong.
    package var configs: Result<[String: String], Refusal>

    package init(_ topic: NewTopic, id: TopicID, configs: Result<[String: String], Refusal> = .success([:])) {
      self.topic = topic
      self.id = id
      self.configs = configs
    }
  }

  package struct Growth: Sendable {
    package var name: String
    package var count: Int32
    package var assignments: [[BrokerID]]?

    package init(_ name: String, to count: Int32, assignments: [[BrokerID]]? = nil) {
      self.name = name
      self.count = count
      self.assignments = assignments
    }
  }

  package struct Deletion: Sendable {
    package var name: String
    /// The topic must be this one and not another of its name; nil: any.
    package var id: TopicID?

    package init(_ name: String, id: TopicID? = nil) {
      self.name = name
      self.id = id
    }
  }

  package struct ConfigChange: Sendable {
    package var entity: ConfigZNode.Entity
    /// The entity's values as they become, from what they are and from the brokers' dynamic ones.
    package var change: @Sendable ([String: String], BrokerValues) throws(Refusal) -> [String: String]

    package init(
      _ entity: ConfigZNode.Entity,
      _ change: @escaping @Sendable ([String: String], BrokerValues) throws(Refusal) -> [String: String]
    ) {
      self.entity = entity
      self.change = change
    }
  }

  package struct ISRChange: Sendable {
    package var name: TopicPartition
    /// What the leader knows of the partition.
    package var leaderEpoch: LeaderEpoch
    package var partitionEpoch: Int32
    package var inSyncReplicas: [BrokerID]
    package var isRecovering: Bool

    package init(
      _ name: TopicPartition, leaderEpoch: LeaderEpoch, partitionEpoch: Int32, inSyncReplicas: [BrokerID],
      isRecovering: Bool = false
    ) {
      self.name = name
      self.leaderEpoch = leaderEpoch
      self.partitionEpoch = partitionEpoch
      self.inSyncReplicas = inSyncReplicas
      self.isRecovering = isRecovering
    }
  }

  package struct Reassignment: Sendable {
    package var name: TopicPartition
    /// Nil: what is under way is called off.
    package var replicas: [BrokerID]?

    package init(_ name: TopicPartition, to replicas: [BrokerID]?) {
      self.name = name
      self.replicas = replicas
    }
  }
}
