import Base
package import Model

/// Decides every change of topics, leaders and configurations (Kafka: KafkaController). A value without I/O: `step` takes
/// an event and returns effects; the owner carries these out in order and reports their outcomes as events.
///
/// One write of the tree is in flight at a time, conditional on the controller's epoch; brokers and clients see a change
/// only when its write has finished. Requests that arrive meanwhile are batched into the next write: the creation of 1,000
/// topics is one `multi`. Changes of the same topic never share a write and never overtake each other:
///
///     create t (1)  →  write
///     create t (2), delete t (3)   wait
///     written       →  leaderAndISR; t's logs are being made, (2) and (3) still wait
///     made          →  updateMetadata, respond to 1; refuse 2; write: t is marked for deletion
///     written       →  updateMetadata, stopReplicas
///     stopped       →  write: t's nodes are deleted
///     written       →  respond to 3
///
/// A topic whose logs some broker cannot make is removed from the tree again, and the response names the reason: nothing
/// stays half made.
package struct Controller: Sendable {
  package let id: BrokerID
  /// The controller epoch.
  package let epoch: Int32
  /// The version of `/controller_epoch`.
  package let epochVersion: Int32
  let rules: Rules
  /// The tree's contents, and the topics whose creation is being written, which no client sees.
  package internal(set) var cluster: ClusterState
  var settings: Rules.Settings

  /// `queue[head...]` is work to begin, oldest first.
  private var queue: [Work] = []
  private var head = 0
  private var write: Write?
  private var requests: [RequestID: Pending] = [:]
  /// Work that waits for earlier work on the same topic (or other `key`).
  private var waiting: [String: [Work]] = [:]
  /// Topics whose logs are being made.
  var making: [String: Making] = [:]
  /// Topics that are being deleted.
  var deleting: [String: Deleting] = [:]
  /// Topics that could neither be made nor removed again, with the brokers that lack logs.
  var logless: [String: Set<BrokerID>] = [:]
  /// The names of topics, by their ids.
  var topicNames: [TopicID: String]
  /// Topics by their names as metrics write them.
  var metricNames: [String: String]
  /// The index of the broker that gets the next topic's first partition.
  var nextStart = 0
  var shuttingDown: Set<BrokerID> = []
  /// Whether an election in series waits for the brokers' responses. No other work begins meanwhile.
  private var isSettling = false
  /// The zxids of the partitions' states when this controller began, until it has looked at each.
  var writtenAt: [TopicPartition: Int64] = [:]
  package private(set) var hasResigned = false
  /// The effects of the current step; see `takeEffects`.
  var outbox = Outbox()

  /// Reads the settings that the controller needs from the configuration, whose keys it does not know.
  package struct Rules: Sendable {
    package struct Settings: Equatable, Sendable {
      package var partitionCountDefault: Int32
      package var replicationFactorDefault: Int16
      package var deletesTopics: Bool
      /// Whether leaders are elected one after another, each with a write of its own and the responses of all brokers awaited
      /// (`millrace.election`).
      package var electsInSeries: Bool
      /// `leader.imbalance.per.broker.percentage`; nil where leaders stay where they are (`auto.leader.rebalance.enable`).
      package var imbalancePercentMax: Int?

      package init(
        partitionCountDefault: Int32, replicationFactorDefault: Int16, deletesTopics: Bool,
        electsInSeries: Bool = false,
        imbalancePercentMax: Int? = 10
      ) {
        self.partitionCountDefault = partitionCountDefault
        self.replicationFactorDefault = replicationFactorDefault
        self.deletesTopics = deletesTopics
        self.electsInSeries = electsInSeries
        self.imbalancePercentMax = imbalancePercentMax
      }
    }

    package var settings: @Sendable (BrokerValues) -> Settings
    /// Returns whether a topic with these values may get a leader that is not in sync (`unclean.leader.election.enable`).
    package var allowsUnclean: @Sendable (_ overrides: [String: String], BrokerValues) -> Bool

    package init(
      settings: @escaping @Sendable (BrokerValues) -> Settings,
      allowsUnclean: @escaping @Sendable (_ overrides: [String: String], BrokerValues) -> Bool = { _, _ in false }
    ) {
      self.settings = settings
      self.allowsUnclean = allowsUnclean
    }
  }

  /// - Parameters:
  ///   - epochVersion: the version of `/controller_epoch` since this controller's election.
  ///   - cluster: the tree's contents; no broker is alive until `brokerCame`.
  package init(id: BrokerID, epoch: Int32, epochVersion: Int32, cluster: ClusterState, rules: Rules) {
    self.id = id
    self.epoch = epoch
    self.epochVersion = epochVersion
    self.cluster = cluster
    self.rules = rules
    settings = rules.settings(cluster.brokerValues)
    topicNames = Dictionary(cluster.topics.values.map { ($0.id, $0.name) }) { first, _ in first }
    metricNames = Dictionary(cluster.topics.keys.sorted().map { (TopicName.metricName($0), $0) }) { first, _ in first }
    for topic in cluster.topics.values where topic.isBeingDeleted {
      deleting[topic.name] = Deleting(items: [], stopping: [], absent: topic.hosts)
    }
  }

  package mutating func step(_ event: Event) -> [Effect] {
    switch event {
    case .sessionLost: resign()
    case .asked(let request, let what): accept(request, what)
    case .began, .brokerCame, .brokerWent, .retryDue, .rebalanceDue:
      queue.append(.change(event))
    case .replicasMade(let broker, let outcomes):
      for name in outcomes.keys.sorted() { made(name, by: broker, failure: outcomes[name] ?? nil) }
    case .unreachable(let broker): unreachable(broker)
    case .directoriesFailed(let broker): directoriesFailed(at: broker)
    case .replicasFailed(let broker, let names): replicasFailed(names, at: broker)
    case .replicasStopped(let broker, let topic, let isGone): stopped(topic, by: broker, isGone: isGone)
    case .writeFinished(let created): finish(created: created)
    case .writeFailed(let failure): fail(failure)
    case .settled: isSettling = false
    }
    advance()
    return takeEffects()
  }

  /// The topics that clients may see, by name: none that is being created or deleted, and none of the partitions that are being added.
  package var shownTopics: [TopicDescription] {
    cluster.topics.values.sorted { $0.name < $1.name }.compactMap { topic in
      guard !topic.isBeingDeleted else { return nil }
      guard let making = making[topic.name] else { return topic }
      var shown = topic
      shown.partitions.removeSubrange(min(making.first, topic.partitions.count)...)
      return shown.partitions.isEmpty ? nil : shown
    }
  }

  // MARK: Requests

  private mutating func accept(_ request: RequestID, _ what: Request) {
    let what = named(what)
    let count = what.count
    requests[request] = Pending(request: what, outcomes: Array(repeating: nil, count: count), left: count)
    guard !hasResigned else { return refuseAll(request) }
    guard count > 0 else { return respondIfComplete(request) }
    enqueueItems(of: request, from: 0)
  }

  /// Puts names in the place of topic ids.
  private func named(_ request: Request) -> Request {
    guard case .changeISR(let broker, let epoch, var changes) = request else { return request }
    for index in changes.indices where changes[index].name.topic.isEmpty {
      changes[index].name.topic = topicNames[changes[index].topicID] ?? ""
    }
    return .changeISR(by: broker, brokerEpoch: epoch, changes)
  }

  /// Queues some of a request's elements, and the rest behind other requests.
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
    respondIfComplete(item.request)
  }

  private mutating func respondIfComplete(_ request: RequestID) {
    guard let pending = requests[request], pending.left == 0 else { return }
    requests[request] = nil
    outbox.responses.append((request, pending.outcomes.compactMap { $0 }))
  }

  private mutating func refuseAll(_ request: RequestID) {
    guard let pending = requests.removeValue(forKey: request) else { return }
    let refusal = Outcome.refused(ApiError(.notController, "This broker is not the controller."))
    outbox.responses.append((request, pending.outcomes.map { $0 ?? refusal }))
  }

  /// Refuses all pending requests; the outcome of a write in flight is unknown.
  private mutating func resign() {
    guard !hasResigned else { return }
    hasResigned = true
    write = nil
    isSettling = false
    queue = []
    head = 0
    waiting = [:]
    for request in requests.keys.sorted() { refuseAll(request) }
    outbox.hasResigned = true
  }

  // MARK: Work

  mutating func enqueue(_ work: Work) { queue.append(work) }

  /// Queues work before all other.
  mutating func enqueueFirst(_ work: Work) { queue.insert(work, at: head) }

  /// Queues the work that waited for `key`.
  mutating func beginNext(_ key: String) {
    if let work = waiting.removeValue(forKey: key) { queue += work }
  }

  /// Begins work until a write is full or the queue is empty.
  private mutating func advance() {
    guard write == nil, !isSettling, !hasResigned else { return }
    var gathered = Write()
    while head < queue.count, gathered.hasRoom {
      let work = queue[head]
      // Work on all topics must see every change finished.
      if work.isOfAllTopics, !gathered.commits.isEmpty { break }
      head += 1
      if let key = work.key {
        let isBusy = gathered.busy.contains(key) || (making[key] != nil && waitsForMaking(work))
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
    #if DEBUG
    if PlantedFault.writesAsAStaleController.isPlanted { outbox.write = gathered.operations }
    #endif
  }

  /// Whether work on a topic waits until its logs are made. A leader's change of the ISR does not: a broker that cannot be reached holds up
  /// the making, and has to leave the ISR.
  private func waitsForMaking(_ work: Work) -> Bool {
    switch work {
    case .item(let item, _): if case .changeISR? = request(of: item) { false } else { true }
    case .takeBack: false
    case .change, .elect, .items, .finishDelete, .finishReassign: true
    }
  }

  private mutating func begin(_ work: Work, _ write: inout Write) {
    switch work {
    case .change(.began(let brokers, let writtenAt)): began(brokers, writtenAt: writtenAt)
    case .change(.brokerCame(let broker)): came(broker)
    case .change(.brokerWent(let broker)): went(broker)
    case .change(.rebalanceDue): rebalance()
    case .change: retry()
    case .items(let request, let first): enqueueItems(of: request, from: first)
    case .elect(let election): elect(election, &write)
    case .takeBack(let name): takeBack(name, &write)
    case .finishDelete(let name): finishDelete(name, &write)
    case .finishReassign(let name): finishReassign(name, &write)
    case .item(let item, _):
      guard let request = request(of: item) else { return }
      do throws(ApiError) { try begin(request, item, &write) } catch { resolve(item, .refused(error)) }
    }
  }

  private mutating func begin(_ request: Request, _ item: Item, _ write: inout Write) throws(ApiError) {
    switch request {
    case .create(let topics, let validateOnly): try create(topics[item.index], validateOnly, item, &write)
    case .grow(let topics, let validateOnly): try grow(topics[item.index], validateOnly, item, &write)
    case .delete(let topics): try delete(topics[item.index], item, &write)
    case .alterConfigs(let changes, let validateOnly, let nowMs):
      try alter(changes[item.index], validateOnly, nowMs: nowMs, item, &write)
    case .changeISR(let broker, let brokerEpoch, let changes):
      try changeISR(changes[item.index], by: broker, brokerEpoch, item, &write)
    case .reassign(let reassignments): try reassign(reassignments[item.index], item, &write)
    case .elect(let elections): try elect(elections[item.index], item, &write)
    case .shutDown(let broker, let brokerEpoch): try shutDown(broker, brokerEpoch, item)
    case .producerIDs(let broker): try allocateProducerIDs(for: broker, item, &write)
    }
  }

  private mutating func finish(created: [String]) {
    guard let done = write else { return }
    write = nil
    var created = created[...]
    for commit in done.commits { self.commit(commit, created: &created) }
    for key in done.busy.sorted() { beginNext(key) }
    isSettling = done.isElectionInSeries
    outbox.settles = isSettling
  }

  private mutating func fail(_ failure: TreeFailure) {
    guard let failed = write else { return }
    guard case .failed(let reason) = failure else { return resign() }
    write = nil
    let refusal = ApiError(.unknownServerError, "the z-node tree was not changed: \(reason)")
    for commit in failed.commits { undo(commit, refusal) }
    for key in failed.busy.sorted() { beginNext(key) }
  }
}

extension Controller {
  /// The number of operations at which a write takes no further change. (A single topic may need more.)
  static let operationsPerWrite = 2_000
  /// The number of elements of one request that are begun before other requests: one that creates a hundred thousand topics
  /// does not hold up the others.
  static let itemsPerTurn = 200
  /// The most bytes of one z-node; ZooKeeper allows a megabyte per request.
  static let nodeBytesMax = 0xF_FFFF

  /// Returns the step's effects in order: LeaderAndIsr before UpdateMetadata before StopReplica before responses. So clients
  /// never learn of a leader that is not ready or of a replica that has stopped.
  private mutating func takeEffects() -> [Effect] {
    let out = outbox
    outbox = Outbox()
    if out.hasResigned { return [.resigned] + out.responses.map { .response($0.0, $0.1) } }
    var effects: [Effect] = out.configured.map { .configure($0.0, $0.1) }
    for broker in out.leading.keys.sorted() where cluster.isAlive(broker) {
      effects.append(.leaderAndISR(to: broker, out.leading[broker] ?? []))
    }
    // A topic is published when its logs are made, with all its changes.
    let changed = out.changes { making[$0] == nil }
    if !changed.isEmpty || !out.removed.isEmpty || out.areBrokersChanged {
      effects.append(.updateMetadata(to: cluster.brokerIDs, changed: changed, removed: out.removed.sorted()))
    }
    for broker in out.stopping.keys.sorted() where cluster.isAlive(broker) {
      effects.append(.stopReplicas(to: broker, out.stopping[broker] ?? []))
    }
    effects += out.responses.map { .response($0.0, $0.1) }
    if out.settles { effects.append(.settle) }
    if let write = out.write { effects.append(.write(write)) }
    return effects
  }
}

extension Controller.Request {
  /// The number of elements, each of which has an outcome.
  package var count: Int {
    switch self {
    case .create(let all, _): all.count
    case .grow(let all, _): all.count
    case .delete(let all): all.count
    case .alterConfigs(let all, _, _): all.count
    case .changeISR(_, _, let all): all.count
    case .reassign(let all): all.count
    case .elect(let all): all.count
    case .shutDown, .producerIDs: 1
    }
  }

  /// Returns the key that the element changes, which no other change in the same write may have. Topic names have no slash.
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
    case .elect(let all): return all[index].name.topic
    case .shutDown: return nil
    case .producerIDs: return ProducerIDBlockZNode.path
    }
  }
}
