import Client
import Cluster
import Coordination
package import Logging
package import Model
import NIOCore
import Storage
import Synchronization
import Wire

/// Holds this broker's topics and partitions, and everything the handlers act on (Kafka: KafkaServer with KafkaApis).
///
/// `Handlers/*.swift` extend it, one file per API. Requests call it from all event loops concurrently; mutable state is behind
/// the locks of its parts. A request reads one `image`; changes are submitted to the `controller`, and the response follows
/// when they are made.
package final class LocalBroker: Sendable {
  /// The configuration with which the broker started; `image` has the values that can change while it runs.
  package let config: Config
  package let brokerID: BrokerID
  package let clusterID: String
  let metadata: Metadata
  let replicas: Replicas
  package let controller: ControllerRunner
  let peers: Peers
  let peerSecurity: PeerSecurity
  /// The ACLs; nil where there is no authorizer.
  package let access: AccessControl?
  package let quotas: Quotas
  let offload: any Offload
  package let storageLoss = StorageLoss()
  let parkedFetches: ParkedFetches
  let fetchSessions: FetchSessions
  /// The paths of the log directories in which the last look at the logs has found one that has failed.
  let directoriesOfFailedLogs = Mutex<Set<String>>([])
  let waitingToUnpack = WaitingToUnpack()
  /// What disks refuse again and again.
  let refusals = Mutex(RefusalCounts())
  /// Called when files were deleted, with the time until they may be removed; set by the `Housekeeper`.
  let purgeWanted = Hook<@Sendable (_ delayMs: Int64) -> Void>({ _ in })
  /// Raised when a stop begins.
  let stopping = StopFlag()
  let flusher: Flusher
  let producerIDs: ProducerIDSource
  /// `__consumer_offsets` and `__transaction_state`.
  let groupLog: CoordinatorLog
  let transactionLog: CoordinatorLog
  let groups: GroupCoordinator
  let transactions: TransactionCoordinator
  let moves: ReplicaMoves
  let isrRequests: ISRRequests
  let fetchers: ReplicaFetchers
  /// Of the partitions that this broker leads.
  let leaderThrottle: ReplicationThrottle
  package let log: Logger
  let nowMs: @Sendable () -> Int64
  /// Milliseconds of the monotonic clock by which replicas lag.
  let uptimeMs: @Sendable () -> Int64
  /// The address that clients of each listener are given; set when the listeners are bound.
  let endpoints = Mutex<[String: Endpoint]>([:])
  private let openedDoors = Mutex<[String: ListenerDoor]>([:])
  private let apis = Mutex<[ApiVersionsResponse.ApiVersion]>([])

  struct Endpoint: Sendable {
    /// Nil: the address by which the client came.
    var host: String?
    var port: UInt16
  }

  /// - Parameter reconnect: begins another session with the cluster's tree; nil where the broker keeps the tree itself.
  init(
    _ starting: StartingBroker, config: Config, tree: any ZNodeTree, directories: LogDirectories,
    network: any Network, loops: any EventLoopGroup, offload: any Offload, loop: any EventLoop, log: Logger,
    nowMs: @escaping @Sendable () -> Int64, random: any RandomNumberGenerator & Sendable,
    reconnect: (@Sendable () throws(ZNodeError) -> any ZNodeTree)?
  ) {
    self.config = config
    brokerID = starting.brokerID
    clusterID = starting.clusterID
    let metadata = Metadata(MetadataImage(brokers: [], controllerID: -1, config: starting.config))
    self.metadata = metadata
    access = config.authorizer.map { AccessControl($0, metadata) }
    let uptimeMs: @Sendable () -> Int64 = { Int64(clamping: loop.now.uptimeNanoseconds / 1_000_000) }
    self.uptimeMs = uptimeMs
    quotas = Quotas(config, metadata, uptimeMs: uptimeMs)
    replicas = Replicas(directories, brokerID: starting.brokerID, log: log, nowMs: nowMs, uptimeMs: uptimeMs)
    let listener = config.interBrokerListener?.name ?? ""
    let peerSecurity = PeerSecurity()
    self.peerSecurity = peerSecurity
    peers = Peers(
      network: network, loops: loops, clientID: "broker-\(starting.brokerID)",
      requestTimeoutMs: config.controllerSocketTimeoutMs, security: { peerSecurity.current }
    ) { broker in
      metadata.image.broker(broker)?.endpoint(listener).map { Client.Endpoint(host: $0.host, port: Int($0.port)) }
    }
    controller = ControllerRunner(
      starting, tree: tree, metadata: metadata, replicas: replicas, peers: peers, offload: offload, loop: loop,
      stopping: stopping, log: log, nowMs: nowMs, random: random, access: access, quotas: quotas,
      reconnect: reconnect)
    self.offload = offload
    parkedFetches = ParkedFetches(limit: config.parkedFetchesMax)
    // Of a copy: the controller's numbers stay what they are without sessions.
    var seeds = random
    fetchSessions = FetchSessions(slots: config.fetchSessionSlots, seed: seeds.next())
    flusher = Flusher(offload: offload, log: log, nowMs: nowMs, loop: loop)
    producerIDs = ProducerIDSource(controller, brokerID: brokerID)
    let (controller, flusher, stopping) = (controller, flusher, stopping)
    func coordinatorLog(_ topic: InternalTopic, appendTimeoutMs: Int64) -> CoordinatorLog {
      CoordinatorLog(
        topic, appendTimeoutMs: appendTimeoutMs, metadata: metadata, controller: controller, flusher: flusher,
        offload: offload, loop: loop, stopping: stopping, log: log, nowMs: nowMs)
    }
    groupLog = coordinatorLog(.groupOffsets(config), appendTimeoutMs: Int64(config.offsetsCommitTimeoutMs))
    transactionLog = coordinatorLog(.transactionState(config), appendTimeoutMs: Limits.transactionAppendMs)
    groups = GroupCoordinator(
      config, log: groupLog, loop: loop, wallMs: nowMs, random: random, catalog: { metadata.catalog }, logger: log)
    transactions = TransactionCoordinator(
      transactionLog, producerIDs: producerIDs, timeoutMsMax: config.transactionMaxTimeoutMs, offload: offload,
      log: log, nowMs: nowMs)
    moves = ReplicaMoves(
      offload: offload, loop: loop, log: log, nowMs: nowMs,
      bytesPerSecond: { metadata.image.config.replicaMoveBytesPerSecond })
    isrRequests = ISRRequests(loop: loop, log: log)
    leaderThrottle = ReplicationThrottle(config) { metadata.image.config.leaderThrottledRate }
    let followerThrottle = ReplicationThrottle(config) { metadata.image.config.followerThrottledRate }
    let appendFailures = AppendFailures()
    fetchers = ReplicaFetchers(
      ReplicaFetchers.Surroundings(
        brokerID: brokerID, config: config, peers: FetchPeers(peers: peers), offload: offload, flusher: flusher,
        log: log, brokerEpoch: { controller.brokerEpoch }, nowMs: nowMs,
        fetcherCount: { metadata.image.config.numReplicaFetchers },
        throttle: followerThrottle,
        isThrottled: { [brokerID = starting.brokerID] name in
          let throttled = metadata.image.named(name.topic)?.config.throttledFollowers
          return throttled?.contains(name.partition, on: brokerID) ?? false
        },
        appendFailed: { appendFailures.happened(in: $0, $1) }),
      nextLoop: { loops.next() })
    self.log = log
    self.nowMs = nowMs
    groupLog.serve(groups)
    metadata.whenConfigured { [weak fetchers] in fetchers?.resize() }
    metadata.whenTopicsAreRemoved { [weak groups, weak replicas, weak metadata] names in
      groups?.forget(topics: names)
      guard let image = metadata?.image else { return }
      replicas?.pastTraffic.forget { image.named($0) != nil }
    }
    transactionLog.serve(transactions)
    transactions.whenMarkersAreDue { [weak self] order, done in self?.writeMarkers(order, done: done) }
    appendFailures.whenOneHappens { [weak self] partition, error in self?.appendFailed(partition, error) }
    let brokerID = brokerID
    isrRequests.connect { changes, then in
      controller.ask(
        { _ in .changeISR(by: brokerID, brokerEpoch: controller.brokerEpoch, changes) }, elsewhere: .sent, then: then)
    }
    replicas.whenReplicationAdvances { [weak isrRequests] in isrRequests?.take($0, of: $1) }
    replicas.whenRolesChange { [weak self] partition, role in self?.roleChanged(of: partition, role) }
    replicas.whenDirectoryFails { [weak self] directory, cause in self?.failed(directory, cause) }
    moves.whenDone(
      moved: { [weak self] partition, source, delayMs in self?.hasMoved(partition, from: source, delayMs: delayMs) },
      failed: { [weak self] partition, cause in self?.fail(partition, cause) })
    replicas.whenDeleted { [weak self] delayMs in self?.deletedFiles(delayMs: delayMs) }
  }

  private func roleChanged(of partition: Partition, _ role: Replicas.Role) {
    if case .follower(let leader, let epoch) = role {
      fetchers.follow(partition, leader: leader, epoch: epoch)
    } else {
      fetchers.stopFollowing(partition.name)
    }
    if case .none = role, partition.isDeleted { moves.deleted(partition) }
    for log in [groupLog, transactionLog] where log.topic.name == partition.name.topic {
      if case .leader(let epoch) = role {
        log.lead(partition, epoch: epoch)
      } else {
        log.resign(partition.name.partition)
      }
    }
  }

  /// The cluster as it is now. A request reads it once.
  package var image: MetadataImage { metadata.image }
  /// The same image, for code that reads topics alone.
  package var topics: MetadataImage { metadata.image }
  var directories: LogDirectories { replicas.directories }

  /// Fetches that wait, and the places they have in partitions: a fetch that has ended leaves none behind.
  package var delayedFetches: (fetches: Int, places: Int) {
    let places = replicas.all.reduce(0) { $0 + $1.parkedCount }
    return (parkedFetches.current, places)
  }

  func effectiveConfig(of topic: TopicDescription) -> TopicConfig {
    TopicConfig(overrides: topic.overrides, broker: image.config)
  }

  /// The APIs that ApiVersions lists; set by the handler table once it is made.
  var offeredApis: [ApiVersionsResponse.ApiVersion] {
    get { apis.withLock { $0 } }
    set { apis.withLock { $0 = newValue } }
  }

  /// What the secured listeners let clients in by, by the listeners' names; set before the listeners are bound.
  var doors: [String: ListenerDoor] {
    get { openedDoors.withLock { $0 } }
    set { openedDoors.withLock { $0 = newValue } }
  }

  /// Begins a stop: work that waits for a thread is refused when its turn comes, and every wait ends. No connection starts a
  /// request any more.
  func beginStop() {
    stopping.raise()
    moves.stop()
    isrRequests.stop()
    fetchers.stop()
    transactions.stop()
    releaseWaiters()
    groups.stop()
    peers.stop()
  }

  /// Ends the timers and waits of coordinators and moves, and answers nobody, as a crash would.
  func abandonCoordinators() {
    moves.stop()
    isrRequests.stop()
    fetchers.stop()
    groups.abandon()
    transactions.stop()
    peers.stop()
  }

  /// Ends every wait: delayed fetches return the data there is, delayed produces REQUEST_TIMED_OUT.
  func releaseWaiters() {
    for partition in replicas.all {
      for waiter in partition.release() { waiter.wake(.released) }
    }
  }

  /// Makes a response on the event loop when it is small, and off it otherwise.
  ///
  /// - Parameter size: the number of topics, partitions or resources that the request names or its response describes; more than
  ///   `Limits.servedOnLoop` is not small.
  func serve<Body>(
    _ context: RequestContext, size: Int, _ makeResponse: @escaping @Sendable () -> Body
  ) -> HandlerResult<Body> {
    if size <= Limits.servedOnLoop { return .now(makeResponse()) }
    let pending = context.pending(Body.self)
    offload.submit(.request) { pending.complete(makeResponse()) }
    return .pending
  }
}

/// Every API that is served, in the order of the docs. The one place that names versions.
extension LocalBroker {
  package func makeHandlerTable() -> HandlerTable {
    let handlers: [Handler] = [
      .on(ProduceRequest.self, 0...12, do: produce),
      .on(FetchRequest.self, 0...17, do: fetch),
      .on(ListOffsetsRequest.self, 0...9, do: listOffsets),
      .on(MetadataRequest.self, 0...12, do: metadata),
      .on(SaslHandshakeRequest.self, 0...1, do: saslHandshake),
      .on(ApiVersionsRequest.self, 0...4, do: apiVersions),
      .on(OffsetCommitRequest.self, 0...9, do: offsetCommit),
      .on(OffsetFetchRequest.self, 0...9, do: offsetFetch),
      .on(FindCoordinatorRequest.self, 0...6, do: findCoordinator),
      .on(JoinGroupRequest.self, 0...9, do: joinGroup),
      .on(HeartbeatRequest.self, 0...4, do: heartbeat),
      .on(LeaveGroupRequest.self, 0...5, do: leaveGroup),
      .on(SyncGroupRequest.self, 0...5, do: syncGroup),
      .on(DescribeGroupsRequest.self, 0...5, do: describeGroups),
      .on(ListGroupsRequest.self, 0...5, do: listGroups),
      .on(CreateTopicsRequest.self, 0...7, do: createTopics),
      .on(DeleteTopicsRequest.self, 0...6, do: deleteTopics),
      .on(DeleteRecordsRequest.self, 0...2, do: deleteRecords),
      .on(InitProducerIdRequest.self, 0...5, do: initProducerID),
      .on(OffsetForLeaderEpochRequest.self, 2...4, do: offsetForLeaderEpoch),
      .on(AddPartitionsToTxnRequest.self, 0...5, do: addPartitionsToTxn),
      .on(AddOffsetsToTxnRequest.self, 0...4, do: addOffsetsToTxn),
      .on(EndTxnRequest.self, 0...5, do: endTxn),
      .on(WriteTxnMarkersRequest.self, 0...1, do: writeTxnMarkers),
      .on(TxnOffsetCommitRequest.self, 0...5, do: txnOffsetCommit),
      .on(DescribeAclsRequest.self, 0...3, do: describeAcls),
      .on(CreateAclsRequest.self, 0...3, do: createAcls),
      .on(DeleteAclsRequest.self, 0...3, do: deleteAcls),
      .on(DescribeConfigsRequest.self, 0...4, do: describeConfigs),
      .on(AlterConfigsRequest.self, 0...2, do: alterConfigs),
      .on(AlterReplicaLogDirsRequest.self, 0...2, do: alterReplicaLogDirs),
      .on(DescribeLogDirsRequest.self, 0...4, do: describeLogDirs),
      .on(SaslAuthenticateRequest.self, 0...2, do: saslAuthenticate),
      .on(CreatePartitionsRequest.self, 0...3, do: createPartitions),
      .on(DeleteGroupsRequest.self, 0...2, do: deleteGroups),
      .on(ElectLeadersRequest.self, 0...2, do: electLeaders),
      .on(IncrementalAlterConfigsRequest.self, 0...1, do: incrementalAlterConfigs),
      .on(AlterPartitionReassignmentsRequest.self, 0...0, do: alterPartitionReassignments),
      .on(ListPartitionReassignmentsRequest.self, 0...0, do: listPartitionReassignments),
      .on(OffsetDeleteRequest.self, 0...0, do: offsetDelete),
      .on(DescribeClientQuotasRequest.self, 0...1, do: describeClientQuotas),
      .on(AlterClientQuotasRequest.self, 0...1, do: alterClientQuotas),
      .on(DescribeUserScramCredentialsRequest.self, 0...0, do: describeUserScramCredentials),
      .on(AlterUserScramCredentialsRequest.self, 0...0, do: alterUserScramCredentials),
      .on(DescribeClusterRequest.self, 0...1, do: describeCluster),
      .on(DescribeProducersRequest.self, 0...0, do: describeProducers),
      .on(DescribeTransactionsRequest.self, 0...0, do: describeTransactions),
      .on(ListTransactionsRequest.self, 0...1, do: listTransactions),
      .on(ConsumerGroupHeartbeatRequest.self, 0...1, do: consumerGroupHeartbeat),
      .on(ConsumerGroupDescribeRequest.self, 0...0, do: consumerGroupDescribe),
      .on(DescribeTopicPartitionsRequest.self, 0...0, do: describeTopicPartitions),
    ]
    let ofCluster: [Handler] = [
      .on(LeaderAndIsrRequest.self, 5...7, do: leaderAndISR),
      .on(StopReplicaRequest.self, 3...4, do: stopReplica),
      .on(UpdateMetadataRequest.self, 7...8, do: updateMetadata),
      .on(ControlledShutdownRequest.self, 2...3, do: controlledShutdown),
      .on(AlterPartitionRequest.self, 0...3, do: alterPartition),
      .on(AllocateProducerIdsRequest.self, 0...0, do: allocateProducerIDs),
    ]
    // A broker that keeps the tree itself is told nothing by others.
    let all = config.zooKeeperConnect == nil ? handlers : handlers + ofCluster
    let table = HandlerTable(
      all, requestBytesMax: config.socketRequestMaxBytes, access: access, quotas: quotas,
      runs: { LoopRuns(self, on: $0) })
    offeredApis = table.handlers.map { ApiVersionsResponse.ApiVersion($0) }
    return table
  }
}

/// Allocates producer ids from blocks, which come from the controller. The next block is asked for when `Limits.producerIDsLeft` are left of
/// the present one: the tree may be busy with a large change just when it is used up.
final class ProducerIDSource: Sendable {
  typealias Then = @Sendable (Result<Int64, ApiError>) -> Void

  private let controller: ControllerRunner
  private let brokerID: BrokerID
  private let state = Mutex(State())

  private struct State {
    var block: Range<Int64> = 0..<0
    var nextBlock: Range<Int64> = 0..<0
    /// A block is on its way.
    var isAsked = false
    /// Who came while both were used up.
    var waiting: [Then] = []

    mutating func next() -> Int64? {
      if block.isEmpty { swap(&block, &nextBlock) }
      guard let id = block.first else { return nil }
      block = id + 1..<block.upperBound
      return id
    }

    /// True when the caller is to ask for a block.
    mutating func asks() -> Bool {
      guard !isAsked, nextBlock.isEmpty, !waiting.isEmpty || block.count <= Limits.producerIDsLeft else { return false }
      isAsked = true
      return true
    }
  }

  init(_ controller: ControllerRunner, brokerID: BrokerID) {
    self.controller = controller
    self.brokerID = brokerID
  }

  /// The next id; nil when `then` will get it, on another thread.
  func next(then: @escaping Then) -> Int64? {
    let (id, asks) = state.withLock { state -> (Int64?, Bool) in
      let id = state.waiting.isEmpty ? state.next() : nil
      if id == nil { state.waiting.append(then) }
      return (id, state.asks())
    }
    if asks { askForBlock() }
    return id
  }

  private func askForBlock() {
    let brokerID = brokerID
    controller.ask({ _ in .producerIDs(for: brokerID) }, elsewhere: .sent) { self.received($0.first) }
  }

  /// Serves the requests that wait; where more wait than there are ids, another block is asked for. A failure ends all of them.
  private func received(_ outcome: Controller.Outcome?) {
    let (served, asks) = state.withLock { state -> ([(Then, Result<Int64, ApiError>)], Bool) in
      state.isAsked = false
      guard case .producerIDs(let block) = outcome else {
        var refusal = ApiError(.unknownServerError, "no producer id")
        if case .refused(let reason) = outcome { refusal = reason }
        defer { state.waiting = [] }
        return (state.waiting.map { ($0, .failure(refusal)) }, false)
      }
      state.nextBlock = block
      let count = min(state.waiting.count, state.block.count + block.count)
      let served = state.waiting.prefix(count).compactMap { then in
        state.next().map { (then, Result<Int64, ApiError>.success($0)) }
      }
      state.waiting.removeFirst(count)
      return (served, state.asks())
    }
    for (then, id) in served { then(id) }
    if asks { askForBlock() }
  }
}
