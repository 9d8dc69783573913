package import Model

/// The cluster's controller: it decides every change of topics, leaders and configurations. A value without I/O: events
/// go in and effects come out; its owner carries these out, in order, and reports the outcome as an event.
///
/// One write of the tree is under way at a time, conditional on the controller's epoch, and brokers and
/// clients hear of the change only when it is finished. What is asked meanwhile waits and then shares the next write
/// (as appends share a flush): 1,000 topics asked for at once are one `multi`. Changes of the same topic never share a
/// write, nor overtake each other:
///
///     create t (1)  →  write
///     create t (2), delete t (3)   wait
///     written       →  leaderAndISR; t is being made, (2) and (3) still wait
///     made          →  updateMetadata, answer 1; refuse 2; write: t is marked for deletion
///     written       →  updateMetadata, stopReplicas
///     stopped       →  write: t's nodes go
///     written       →  answer 3
///
/// A topic whose logs some broker cannot make is taken back from the tree, and the answer says why: nothing stays half
/// made. With one broker this is the same code with one member.
package struct Controller: Sendable {
  package let id: BrokerID
  /// How often the cluster has had a new controller, and the version of the node that says so.
  package let epoch: Int32
  let epochVersion: Int32
  let rules: Rules
  /// What is in the tree. (A topic whose creation is being written is here already, and no client sees it.)
  package internal(set) var cluster: ClusterState
  var settings: Rules.Settings

  /// Work to be begun, oldest first: `queue[head...]`.
  private var queue: [Work] = []
  private var head = 0
  private var write: Write?
  private var requests: [RequestID: Pending] = [:]
  /// Work on a topic (or other `key`) that waits for the one before it.
  private var waiting: [String: [Work]] = [:]
  /// Topics whose logs are being made, and those being deleted.
  var making: [String: Making] = [:]
  var deleting: [String: Deleting] = [:]
  /// Topics that could neither be made nor taken back, with the brokers that lack logs.
  var logless: [String: Set<BrokerID>] = [:]
  /// Names as metrics write them, with the topics that have them.
  var metricNames: [String: String]
  /// The broker, by its index, on which the next topic's first partition is placed.
  var nextStart = 0
  var shuttingDown: Set<BrokerID> = []
  package private(set) var hasResigned = false
  /// What the present step has come to; see `takeEffects`.
  var outbox = Outbox()

  /// What the controller must know of configuration, whose keys it does not know.
  package struct Rules: Sendable {
    package struct Settings: Equatable, Sendable {
      package var partitionCountDefault: Int32
      package var replicationFactorDefault: Int16
      package var deletesTopics: Bool

      package init(partitionCountDefault: Int32, replicationFactorDefault: Int16, deletesTopics: Bool) {
        self.partitionCountDefault = partitionCountDefault
        self.replicationFactorDefault = replicationFactorDefault
        self.deletesTopics = deletesTopics
      }
    }

    package var settings: @Sendable (BrokerValues) -> Settings

    package init(settings: @escaping @Sendable (BrokerValues) -> Settings) { self.settings = settings }
  }

  /// - Parameters:
  ///   - epochVersion: the version of `/controller_epoch` since this controller's election.
  ///   - cluster: what the tree has; no broker is alive until `brokerCame`.
  package init(id: BrokerID, epoch: Int32, epochVersion: Int32, cluster: ClusterState, rules: Rules) {
    self.id = id
    self.epoch = epoch
    self.epochVersion = epochVersion
    self.cluster = cluster
    self.rules = rules
    settings = rules.settings(cluster.brokerValues)
    metricNames = Dictionary(cluster.topics.keys.sorted().map { (TopicName.metricName($0), $0) }) { first, _ in first }
    for topic in cluster.topics.values where topic.isBeingDeleted {
      deleting[topic.name] = Deleting(items: [], stopping: [], absent: topic.hosts)
    }
  }

  package mutating func step(_ event: Event) -> [Effect] {
    switch event {
    case .sessionLost: resign()
    case .asked(let request, let what): accept(request, what)
    case .brokerCame, .brokerWent, .preferredElectionDue:
      queue.append(.change(event))
    case .replicasMade(let broker, let outcomes):
      for name in outcomes.keys.sorted() { made(name, by: broker, failure: outcomes[name] ?? nil) }
    case .replicasStopped(let broker, let topic, let isGone): stopped(topic, by: broker, isGone: isGone)
    case .writeFinished(let created): finish(created: created)
    case .writeFailed(let failure): fail(failure)
    }
    advance()
    return takeEffects()
  }

  // MARK: Requests

  private mutating func accept(_ request: RequestID, _ what: Request) {
    let count = what.count
    requests[request] = Pending(request: what, outcomes: Array(repeating: nil, count: count), left: count)
    guard !hasResigned else { return refuseAll(request) }
    guard count > 0 else { return answerIfComplete(request) }
    enqueueItems(of: request, from: 0)
  }

  /// Queues some of a request's elements, and the rest behind what others ask meanwhile.
  private mutating func enqueueItems(of request: RequestID, from first: Int) {
    guard let what = requests[request]?.request else { return }
    let end = min(first + Self.itemsPerTurn, what.count)
    for index in first..<end { queue.append(.item(Item(request: request, index: index), key: what.key(of: index))) }
    if end < what.count { queue.append(.items(request, from: end)) }
  }

  func request(of item: Item) -> Request? { requests[item.request]?.request }

  mutating func resolve(_ item: Item, _ outcome: Outcome) {
    guard requests[item.request]?.outcomes[item.index] == .some(nil) else { return }
    requests[item.request]?.outcomes[item.index] = outcome
    requests[item.request]?.left -= 1
    answerIfComplete(item.request)
  }

  private mutating func answerIfComplete(_ request: RequestID) {
    guard let pending = requests[request], pending.left == 0 else { return }
    requests[request] = nil
    outbox.answers.append((request, pending.outcomes.compactMap { $0 }))
  }

  private mutating func refuseAll(_ request: RequestID) {
    guard let pending = requests.removeValue(forKey: request) else { return }
    let refusal = Outcome.refused(Refusal(.notController, "This broker is not the controller."))
    outbox.answers.append((request, pending.outcomes.map { $0 ?? refusal }))
  }

  /// Everything that is asked and not answered is refused; a write under way may come about or not.
  private mutating func resign() {
    guard !hasResigned else { return }
    hasResigned = true
    write = nil
    queue = []
    head = 0
    waiting = [:]
    for request in requests.keys.sorted() { refuseAll(request) }
    outbox.hasResigned = true
  }

  // MARK: Work

  mutating func enqueue(_ work: Work) { queue.append(work) }

  /// Work that waited for `key` takes its turn.
  mutating func release(_ key: String) {
    if let work = waiting.removeValue(forKey: key) { queue += work }
  }

  /// Begins work until there is a write to wait for, or nothing to do.
  private mutating func advance() {
    guard write == nil, !hasResigned else { return }
    var gathered = Write()
    while head < queue.count, gathered.operations.count < Self.operationsPerWrite {
      let work = queue[head]
      // What looks at every topic must see every change finished.
      if work.isOfAllTopics, !gathered.commits.isEmpty { break }
      head += 1
      if let key = work.key {
        let isBusy = gathered.busy.contains(key) || (work.waitsForMaking && making[key] != nil)
        guard !isBusy else {
          waiting[key, default: []].append(work)
          continue
        }
      }
      begin(work, &gathered)
    }
    if head == queue.count {
      queue = []
      head = 0
    }
    guard !gathered.commits.isEmpty else { return }
    write = gathered
    outbox.write = [.check(path: ControllerEpochZNode.path, version: epochVersion)] + gathered.operations
  }

  private mutating func begin(_ work: Work, _ write: inout Write) {
    switch work {
    case .change(.brokerCame(let broker)): came(broker)
    case .change(.brokerWent(let broker)): went(broker)
    case .change: due()
    case .items(let request, let first): enqueueItems(of: request, from: first)
    case .elect(let names, let next, let cause): elect(names, from: next, cause, &write)
    case .takeBack(let name): takeBack(name, &write)
    case .finishDelete(let name): finishDelete(name, &write)
    case .finishReassign(let name): finishReassign(name, &write)
    case .item(let item, _):
      guard let request = request(of: item) else { return }
      do throws(Refusal) { try begin(request, item, &write) } catch { resolve(item, .refused(error)) }
    }
  }

  private mutating func begin(_ request: Request, _ item: Item, _ write: inout Write) throws(Refusal) {
    switch request {
    case .create(let topics, let validateOnly): try create(topics[item.index], validateOnly, item, &write)
    case .grow(let topics, let validateOnly): try grow(topics[item.index], validateOnly, item, &write)
    case .delete(let topics): try delete(topics[item.index], item, &write)
    case .alterConfigs(let changes, let validateOnly, let nowMs):
      try alter(changes[item.index], validateOnly, nowMs: nowMs, item, &write)
    case .changeISR(let broker, let brokerEpoch, let changes):
      try changeISR(changes[item.index], by: broker, brokerEpoch, item, &write)
    case .reassign(let reassignments): try reassign(reassignments[item.index], item, &write)
    case .shutDown(let broker, let brokerEpoch): try shutDown(broker, brokerEpoch, item)
    case .producerIDs(let broker): try allocateProducerIDs(for: broker, item, &write)
    }
  }

  private mutating func finish(created: [String]) {
    guard let done = write else { return }
    write = nil
    var created = created[...]
    for commit in done.commits { self.commit(commit, created: &created) }
    for key in done.busy.sorted() { release(key) }
  }

  private mutating func fail(_ failure: TreeFailure) {
    guard let failed = write else { return }
    guard case .failed(let reason) = failure else { return resign() }
    write = nil
    let refusal = Refusal(.unknownServerError, "the z-node tree was not changed: \(reason)")
    for commit in failed.commits { undo(commit, refusal) }
    for key in failed.busy.sorted() { release(key) }
  }
}

extension Controller {
  /// A write with this many operations takes no further change. (A single topic's may be more.)
  static let operationsPerWrite = 2_000
  /// Elements of one request that are begun before others have their turn: one that creates a hundred thousand topics does not
  /// keep the others waiting for all of them.
  static let itemsPerTurn = 200
  /// The bytes of one z-node; ZooKeeper takes a megabyte for a whole request.
  static let nodeBytesMax = 0xF_FFFF

  /// One element of a request.
  struct Item: Equatable, Sendable {
    var request: RequestID
    var index: Int
  }

  struct Pending: Sendable {
    var request: Request
    var outcomes: [Outcome?]
    var left: Int
  }

  /// Something to decide and write.
  enum Work: Sendable {
    case change(Event)
    /// Leaders of these topics' partitions, from the `next`-th on.
    case elect([String], next: Int, ElectionCause)
    case item(Item, key: String?)
    /// The elements of a request from an index on.
    case items(RequestID, from: Int)
    case takeBack(String)
    case finishDelete(String)
    case finishReassign(TopicPartition)

    /// What may be changed once in a write: a topic, or an entity of the configuration.
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

    var waitsForMaking: Bool {
      if case .takeBack = self { return false }
      return true
    }
  }

  enum ElectionCause: Equatable, Sendable {
    case came(BrokerID), went, preferred
    case shutDown(BrokerID, Item)
  }

  /// A write under way, and what is so when it is done.
  struct Write: Sendable {
    var operations: [TreeOperation] = []
    var commits: [Commit] = []
    var busy: Set<String> = []
  }

  /// The steps that follow a write.
  enum Commit: Sendable {
    case created(String, Item)
    case grown(TopicDescription, from: Int, Item)
    case tookBack(String)
    case abandoned(String)
    case deleted(String, Item)
    case removed(String)
    case configured(ConfigZNode.Entity, [String: String], swept: Int, nowMs: Int64, Item)
    case elected(TopicPartition, PartitionDescription, ElectionCause)
    /// All of a broker's shutdown has been written up to here.
    case ready(BrokerID, Item)
    case changedISR(TopicPartition, PartitionDescription, Item)
    case reassigned(TopicPartition, PartitionDescription, Item?)
    case producerIDs(ClosedRange<Int64>, version: Int32, Item)
  }

  /// What a step wants done, gathered so that a broker hears of many partitions at once.
  struct Outbox: Sendable {
    var leading: [BrokerID: [ReplicaState]] = [:]
    var configured: [(ConfigZNode.Entity, [String: String])] = []
    var changed: Set<String> = []
    var removed: Set<String> = []
    /// The list of brokers has changed.
    var areBrokersChanged = false
    var stopping: [BrokerID: [StoppedReplica]] = [:]
    var answers: [(RequestID, [Outcome])] = []
    var hasResigned = false
    var write: [TreeOperation]?
  }

  /// Leaders before metadata, so that a client that is sent to a leader finds one; metadata before replicas stop, so that
  /// nobody is sent to one that has; answers after all of it.
  private mutating func takeEffects() -> [Effect] {
    let out = outbox
    outbox = Outbox()
    if out.hasResigned { return [.resigned] + out.answers.map { .answer($0.0, $0.1) } }
    var effects: [Effect] = out.configured.map { .configure($0.0, $0.1) }
    for broker in out.leading.keys.sorted() where cluster.isAlive(broker) {
      effects.append(.leaderAndISR(to: broker, out.leading[broker] ?? []))
    }
    // A topic whose logs are being made is shown, with whatever else has become of it, when they are.
    let changed = out.changed.filter { making[$0] == nil }.sorted()
    if !changed.isEmpty || !out.removed.isEmpty || out.areBrokersChanged {
      effects.append(.updateMetadata(to: cluster.brokerIDs, changed: changed, removed: out.removed.sorted()))
    }
    for broker in out.stopping.keys.sorted() where cluster.isAlive(broker) {
      effects.append(.stopReplicas(to: broker, out.stopping[broker] ?? []))
    }
    effects += out.answers.map { .answer($0.0, $0.1) }
    if let write = out.write { effects.append(.write(write)) }
    return effects
  }
}

extension Controller.Request {
  var count: Int {
    switch self {
    case .create(let all, _): all.count
    case .grow(let all, _): all.count
    case .delete(let all): all.count
    case .alterConfigs(let all, _, _): all.count
    case .changeISR(_, _, let all): all.count
    case .reassign(let all): all.count
    case .shutDown, .producerIDs: 1
    }
  }

  /// What the element changes: no other change of it shares its write. Topics' names have no slash.
  func key(of index: Int) -> String? {
    switch self {
    case .create(let all, _): return all[index].topic.name
    case .grow(let all, _): return all[index].name
    case .delete(let all): return all[index].name
    case .alterConfigs(let all, _, _):
      if case .topic(let name) = all[index].entity { return name }
      return ConfigZNode.path(all[index].entity)
    case .changeISR(_, _, let all): return all[index].name.topic
    case .reassign(let all): return all[index].name.topic
    case .shutDown: return nil
    case .producerIDs: return ProducerIDBlockZNode.path
    }
  }
}
