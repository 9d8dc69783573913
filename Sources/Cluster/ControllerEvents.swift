package import Model

/// Describes a broker that is registered in the tree.
package struct LiveBroker: Equatable, Sendable {
  package var id: BrokerID
  /// The zxid of the registration, larger with each new one; -1 where it is not known.
  package var epoch: Int64
  /// Where its listeners are reached.
  package var endpoints: [BrokerZNode.Endpoint]
  package var rack: String?

  package init(id: BrokerID, epoch: Int64, endpoints: [BrokerZNode.Endpoint] = [], rack: String? = nil) {
    self.id = id
    self.epoch = epoch
    self.endpoints = endpoints
    self.rack = rack
  }

  /// Returns the address of the listener of that name; nil when the broker has none.
  package func endpoint(_ listener: String) -> BrokerZNode.Endpoint? { endpoints.first { $0.listener == listener } }
}

/// Describes one operation of a `multi` on the tree. This module imports no tree; `Coordination` has its operations.
package enum TreeOperation: Equatable, Sendable {
  case create(path: String, data: [UInt8])
  /// Ten digits are appended to the path; `writeFinished` returns it.
  case createSequential(path: String, data: [UInt8])
  /// A nil `version` matches any.
  case set(path: String, data: [UInt8], version: Int32? = nil)
  case delete(path: String)
  case check(path: String, version: Int32)
}

/// Says why a write changed nothing.
package enum TreeFailure: Equatable, Sendable {
  /// Another controller has been elected: the controller epoch is no longer ours.
  case fenced
  /// Any other failure; the text is sent to the clients.
  case failed(String)
}

extension Controller {
  /// Identifies a pending request. The caller chooses it.
  package typealias RequestID = UInt64

  /// Describes an event that the controller handles.
  package enum Event: Sendable {
    /// The brokers that are alive when a controller begins among several: all of them, before the first election.
    ///
    /// `writtenAt` has the zxid at which each partition's state was written last. A broker that has registered since, which no controller
    /// has seen, was away meanwhile.
    case began([LiveBroker], writtenAt: [TopicPartition: Int64])
    /// A broker registered. It leads nothing until it is elected, even where it led before.
    case brokerCame(LiveBroker)
    case brokerWent(BrokerID)
    case asked(RequestID, Request)
    /// A broker has carried out `Effect.leaderAndISR` for topics whose logs were new to it; a string is the error.
    case replicasMade(by: BrokerID, [String: String?])
    /// A request to a broker that is registered has failed, and is sent again: no topic waits for its logs there.
    case unreachable(BrokerID)
    /// Log directories of a broker have failed, which ones is not known: it is sent the state of all its replicas, and says of each whether
    /// its log can be used.
    case directoriesFailed(at: BrokerID)
    /// A broker has answered `Effect.leaderAndISR` for replicas whose logs it cannot use.
    case replicasFailed(at: BrokerID, [TopicPartition])
    /// A broker has carried out `Effect.stopReplicas` for a topic that is being deleted. If `isGone` is false, files may be
    /// left, and the deletion continues when the broker registers again.
    case replicasStopped(by: BrokerID, topic: String, isGone: Bool)
    /// A timer fired: retry failed work.
    case retryDue
    /// The timer of `leader.imbalance.check.interval.seconds` fired: elect preferred leaders where too few of them lead.
    case rebalanceDue
    /// Every broker has responded to all that was sent to it before `Effect.settle`, or is gone.
    case settled
    /// The tree's session ended: another broker may already be controller.
    case sessionLost
    /// The write succeeded; `created` are the paths of its sequential nodes, in order.
    case writeFinished(created: [String])
    case writeFailed(TreeFailure)
  }

  /// Describes an effect to carry out. Effects are carried out in order.
  package enum Effect: Equatable, Sendable {
    /// Execute a conditional `multi`. One is in flight at a time; `writeFinished` or `writeFailed` follows.
    case write([TreeOperation])
    /// Send LeaderAndIsr: the broker leads or follows these partitions as described.
    case leaderAndISR(to: BrokerID, [ReplicaState])
    /// Apply an entity's new values. (Other brokers see the notification in the tree.)
    case configure(ConfigZNode.Entity, [String: String])
    /// Send UpdateMetadata, with what has changed of topics and the topics that were deleted.
    case updateMetadata(to: [BrokerID], changed: [TopicChange], removed: [String])
    /// Send StopReplica: the broker must stop these replicas.
    case stopReplicas(to: BrokerID, [StoppedReplica])
    /// Report `settled` when every broker has responded to what was sent to it. Elections in series wait for that.
    case settle
    /// Respond to the request with the outcomes of its elements, in their order.
    case response(RequestID, [Outcome])
    /// This broker is no longer the controller; further requests are refused.
    case resigned
  }

  /// Says what has changed of a topic: a change of one partition is told as that of one, however many the topic has.
  package struct TopicChange: Equatable, Sendable {
    package var name: String
    /// The numbers of the partitions, rising; nil for all.
    package var partitions: [Int32]?

    package init(_ name: String, partitions: [Int32]? = nil) {
      self.name = name
      self.partitions = partitions
    }
  }

  /// Describes a partition as LeaderAndIsr and UpdateMetadata do.
  package struct ReplicaState: Equatable, Sendable {
    package var name: TopicPartition
    package var topicID: TopicID
    package var partition: PartitionDescription
    /// The replica has no log yet.
    package var isNew: Bool

    package init(name: TopicPartition, topicID: TopicID, partition: PartitionDescription, isNew: Bool) {
      self.name = name
      self.topicID = topicID
      self.partition = partition
      self.isNew = isNew
    }
  }

  package struct StoppedReplica: Equatable, Sendable {
    package var name: TopicPartition
    package var topicID: TopicID
    /// The log is to be deleted as well.
    package var isDeleted: Bool

    package init(name: TopicPartition, topicID: TopicID, isDeleted: Bool) {
      self.name = name
      self.topicID = topicID
      self.isDeleted = isDeleted
    }
  }

  /// Describes a request of a client or broker. Each element of a list has its own outcome.
  package enum Request: Sendable {
    case create([Creation], validateOnly: Bool)
    case grow([Growth], validateOnly: Bool)
    case delete([Deletion])
    case alterConfigs([ConfigChange], validateOnly: Bool, nowMs: Int64)
    case changeISR(by: BrokerID, brokerEpoch: Int64, [ISRChange])
    case reassign([Reassignment])
    case elect([RequestedElection])
    /// Move all leaderships away from a broker that is about to stop.
    case shutDown(BrokerID, brokerEpoch: Int64)
    case producerIDs(for: BrokerID)
  }

  /// The outcome of one element of a request.
  package enum Outcome: Equatable, Sendable {
    /// The topic that was created, grown or deleted; with `validateOnly`, the topic that would have been.
    case topic(TopicDescription)
    case done
    case partition(PartitionDescription)
    /// The partitions that a broker in controlled shutdown still leads.
    case remaining([TopicPartition])
    case producerIDs(Range<Int64>)
    case refused(ApiError)
  }

  package struct Creation: Sendable {
    package var topic: NewTopic
    /// The new topic's id, drawn at random by the caller.
    package var id: TopicID
    /// The checked values, or a configuration error, which is reported after all other checks pass.
    package var configs: Result<[String: String], ApiError>

    package init(_ topic: NewTopic, id: TopicID, configs: Result<[String: String], ApiError> = .success([:])) {
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
    /// The id that the topic must have; nil for any.
    package var id: TopicID?
    /// Whether the node in `/admin/delete_topics` is there already: it is how the deletion was asked for.
    package var isMarked: Bool

    package init(_ name: String, id: TopicID? = nil, isMarked: Bool = false) {
      self.name = name
      self.id = id
      self.isMarked = isMarked
    }
  }

  package struct ConfigChange: Sendable {
    package var entity: ConfigZNode.Entity
    /// Returns the entity's new values, given the old ones and the brokers' dynamic configuration.
    package var change: @Sendable ([String: String], BrokerValues) throws(ApiError) -> [String: String]

    package init(
      _ entity: ConfigZNode.Entity,
      _ change: @escaping @Sendable ([String: String], BrokerValues) throws(ApiError) -> [String: String]
    ) {
      self.entity = entity
      self.change = change
    }
  }

  package struct ISRChange: Sendable {
    /// Without the topic's name where the leader names its id alone.
    package var name: TopicPartition
    /// Zero when the leader names no id.
    package var topicID = TopicID.zero
    /// The leader epoch known to the leader that asks.
    package var leaderEpoch: LeaderEpoch
    /// The partition epoch known to the leader that asks.
    package var partitionEpoch: Int32
    package var inSyncReplicas: [BrokerID]
    /// The registrations in which the replicas fetched from the leader, as far as it knows them.
    package var brokerEpochs: [BrokerID: Int64] = [:]
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
    /// Nil cancels the reassignment.
    package var replicas: [BrokerID]?

    package init(_ name: TopicPartition, to replicas: [BrokerID]?) {
      self.name = name
      self.replicas = replicas
    }
  }
  /// Asks for the election of one partition's leader (ElectLeaders).
  package struct RequestedElection: Sendable {
    package var name: TopicPartition
    /// False elects the preferred replica. True elects any living replica of a partition without a leader: where none of them
    /// is in sync, records are lost.
    package var isUnclean: Bool

    package init(_ name: TopicPartition, isUnclean: Bool) {
      self.name = name
      self.isUnclean = isUnclean
    }
  }
}
