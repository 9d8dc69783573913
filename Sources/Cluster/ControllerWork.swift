import Model

/// What the controller has to decide and write, and what follows from it.
extension Controller {
  /// Identifies one element of a request.
  struct Item: Equatable, Sendable {
    var request: RequestID
    var index: Int
  }

  struct Pending: Sendable {
    var request: Request
    var outcomes: [Outcome?]
    var left: Int
  }

  /// Describes a change to decide and write.
  enum Work: Sendable {
    case change(Event)
    case elect(ElectionRound)
    case item(Item, key: String?)
    /// Begins the elements of a request from an index on.
    case items(RequestID, from: Int)
    case takeBack(String)
    case finishDelete(String)
    case finishReassign(TopicPartition)

    /// The topic or configuration entity to change, at most once per write.
    var key: String? {
      switch self {
      case .change, .elect, .items: nil
      case .item(_, let key): key
      case .takeBack(let name), .finishDelete(let name): name
      case .finishReassign(let name): name.topic
      }
    }

    var isOfAllTopics: Bool {
      switch self {
      case .change, .elect: true
      default: false
      }
    }
  }

  enum ElectionCause: Equatable, Sendable {
    case began, came(BrokerID), went, retry
    /// The brokers that lead too few of the partitions whose preferred replica they have.
    case imbalance(Set<BrokerID>)
    case shutDown(BrokerID, Item)
  }

  /// The leaders of all topics' partitions are to be elected, as far as their state asks for it.
  struct ElectionRound: Sendable {
    var names: [String]
    var cause: ElectionCause
    /// The topic and the partition that are next.
    var topic = 0
    var partition = 0

    var isDone: Bool { topic >= names.count }

    mutating func skipTopic() {
      topic += 1
      partition = 0
    }
  }

  /// Holds a write, and the changes to apply when it has finished.
  struct Write: Sendable {
    var operations: [TreeOperation] = []
    var commits: [Commit] = []
    var busy: Set<String> = []
    /// One of the changes removes old notifications.
    var sweeps = false
    /// The last change is an election in series, which no other change follows.
    var isElectionInSeries = false

    var hasRoom: Bool { !isElectionInSeries && operations.count < Controller.operationsPerWrite }
  }

  /// Describes a change to apply when its write has finished.
  enum Commit: Sendable {
    case created(String, Item)
    case grown(TopicDescription, from: Int, Item)
    case tookBack(String)
    case abandoned(String)
    case deleted(String, Item)
    case removed(String)
    case configured(ConfigZNode.Entity, [String: String], swept: Int, nowMs: Int64, Item)
    case elected(TopicPartition, PartitionDescription, ElectionCause)
    /// All leaderships have been moved off the broker.
    case ready(BrokerID, Item)
    case changedISR(TopicPartition, PartitionDescription, Item)
    case reassigned(TopicPartition, PartitionDescription, Item?)
    case electedOnRequest(TopicPartition, PartitionDescription, Item)
    case producerIDs(ClosedRange<Int64>, version: Int32, Item)
  }

  /// Gathers the effects of a step, so that one request to a broker covers many partitions.
  struct Outbox: Sendable {
    var leading: [BrokerID: [ReplicaState]] = [:]
    var configured: [(ConfigZNode.Entity, [String: String])] = []
    /// The topics of which all is told.
    var changed: Set<String> = []
    /// The changed partitions of other topics.
    var changedPartitions: [String: Set<Int32>] = [:]
    var removed: Set<String> = []
    var areBrokersChanged = false
    var stopping: [BrokerID: [StoppedReplica]] = [:]
    var responses: [(RequestID, [Outcome])] = []
    var hasResigned = false
    var settles = false
    var write: [TreeOperation]?

    /// What is to be told of the topics that may be shown.
    func changes(where isShown: (String) -> Bool) -> [TopicChange] {
      changed.union(changedPartitions.keys).filter(isShown).sorted().map { name in
        TopicChange(name, partitions: changed.contains(name) ? nil : changedPartitions[name]?.sorted())
      }
    }
  }
}
