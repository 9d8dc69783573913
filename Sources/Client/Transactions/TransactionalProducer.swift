package import Model
package import NIOCore
import Wire

/// Runs the transactions of a producer: takes its identity from the transaction coordinator, adds partitions before their first
/// batches are sent, commits offsets of groups, and ends each transaction.
///
/// `TransactionState` decides what an error means. Confined to the producer's event loop. The versions of requests are those of
/// transactions before KIP-890's second part: the epoch stays from one transaction to the next.
package final class TransactionalProducer {
  package let producer: Producer
  package private(set) var state = TransactionState()
  /// Called when the transaction that is open has failed, and when the producer has.
  package var failed: (ClientError) -> Void = { _ in }

  private let id: String
  private let metadata: Metadata
  private let eventLoop: any EventLoop
  private let connect: (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void
  private var coordinator: BrokerConnection?
  private var lookups = 0
  /// Requests that wait for the coordinator that is being looked for. One lookup serves them all: another connection would take the
  /// place of the first, and what was sent over that would never be answered.
  private var waiting: [(ClientError?) -> Void] = []
  /// Lanes that need their partitions added, beside those that are being added.
  private var wanted: [Int] = []
  private var adding: [Int] = []
  private var isClosed = false

  /// - Parameter connect: connects to a broker, on this event loop.
  package init(
    _ producer: Producer, _ metadata: Metadata, on eventLoop: any EventLoop,
    connect: @escaping (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void
  ) {
    guard let id = producer.settings.transactionalID else { preconditionFailure("a producer without transactional id") }
    self.id = id
    self.producer = producer
    self.metadata = metadata
    self.eventLoop = eventLoop
    self.connect = connect
    producer.laneNeeded = { [unowned self] in self.need($0) }
    producer.gaveUp = { [unowned self] error in self.gaveUp(error) }
  }

  package func close() {
    isClosed = true
    coordinator?.close()
    producer.close()
  }

  // MARK: The identity

  /// Connects the producer, and takes an identity: an earlier producer of the same transactional id is fenced, and its open
  /// transaction aborted.
  package func start(then: @escaping (Result<Void, ClientError>) -> Void) {
    producer.start { [self] result in
      guard case .success = result else { return then(result) }
      initialise(then: then)
    }
  }

  private func initialise(then: @escaping (Result<Void, ClientError>) -> Void) {
    var request = InitProducerIdRequest()
    request.transactionalID = id
    request.transactionTimeoutMs = Int32(producer.settings.transactionTimeoutMs)
    request.producerID = producer.identity?.id ?? -1
    request.producerEpoch = producer.identity?.epoch ?? -1
    send(request, .initialise, code: { $0.errorCode }) { [self] result in
      switch result {
      case .failure(let error): then(.failure(error))
      case .success(let answer):
        producer.renumber(as: ProducerIdentity(id: answer.producerID, epoch: answer.producerEpoch))
        state.initialised()
        then(.success(()))
      }
    }
  }

  // MARK: One transaction

  /// Begins a transaction: batches that are sealed from now on belong to it.
  ///
  /// - Precondition: the last transaction has ended.
  package func begin() {
    state.begin()
    producer.hold()
  }

  /// Ends the transaction: commits it, or aborts it where that is asked for or something has failed.
  ///
  /// - Precondition: no batch is unacknowledged.
  /// - Parameter then: called with true after a commit, false after an abort, and an error where neither is possible.
  package func end(commits: Bool, then: @escaping (Result<Bool, ClientError>) -> Void) {
    precondition(producer.unacknowledged == 0, "a transaction ends with batches unacknowledged")
    guard let commits = state.end(commits: commits) else { return then(.failure(failure("the transaction"))) }
    guard state.hasBegun else { return finish(commits, then) }
    var request = EndTxnRequest()
    request.transactionalID = id
    request.producerID = producer.identity?.id ?? -1
    request.producerEpoch = producer.identity?.epoch ?? -1
    request.committed = commits
    send(request, .end, limit: Versions.endTransaction, code: { $0.errorCode }) { [self] result in
      switch result {
      case .failure(let error): then(.failure(error))
      case .success: finish(commits, then)
      }
    }
  }

  private func finish(_ commits: Bool, _ then: @escaping (Result<Bool, ClientError>) -> Void) {
    state.ended()
    guard state.needsEpoch else { return then(.success(commits)) }
    initialise { result in then(result.map { _ in commits }) }
  }

  /// Commits a group's offsets with the transaction: readers of committed offsets have them once it is committed.
  ///
  /// - Parameter member: whose offsets they are; nil for a consumer outside any membership.
  package func sendOffsets(
    _ offsets: [TopicPartition: Offset], ofGroup group: String,
    member: (id: String, instanceID: String?, generation: Int32)? = nil,
    then: @escaping (Result<Void, ClientError>) -> Void
  ) {
    var request = AddOffsetsToTxnRequest()
    request.transactionalID = id
    request.producerID = producer.identity?.id ?? -1
    request.producerEpoch = producer.identity?.epoch ?? -1
    request.groupID = group
    send(request, .addOffsets, code: { $0.errorCode }) { [self] result in
      switch result {
      case .failure(let error): then(.failure(error))
      case .success:
        state.added()
        commit(offsets, group, member, then)
      }
    }
  }

  private func commit(
    _ offsets: [TopicPartition: Offset], _ group: String,
    _ member: (id: String, instanceID: String?, generation: Int32)?,
    _ then: @escaping (Result<Void, ClientError>) -> Void
  ) {
    var request = TxnOffsetCommitRequest()
    request.transactionalID = id
    request.groupID = group
    request.producerID = producer.identity?.id ?? -1
    request.producerEpoch = producer.identity?.epoch ?? -1
    request.memberID = member?.id ?? ""
    request.generationID = member?.generation ?? -1
    request.groupInstanceID = member?.instanceID
    request.topics = Dictionary(grouping: offsets, by: \.key.topic).sorted { $0.key < $1.key }.map { topic, offsets in
      .with {
        $0.name = topic
        $0.partitions = offsets.sorted { $0.key < $1.key }.map { partition, offset in
          .with {
            $0.partitionIndex = partition.partition
            $0.committedOffset = offset
            $0.committedMetadata = ""
          }
        }
      }
    }
    let commit = GroupCoordinatorCall(
      group: group, metadata: metadata, connect: connect, request: request, limit: Versions.commitOffsets,
      sinceNs: producer.now())
    commit.send { [weak self] result in self?.committed(result, commit, then) }
  }

  private func committed(
    _ result: Result<TxnOffsetCommitResponse, ClientError>, _ commit: GroupCoordinatorCall,
    _ then: @escaping (Result<Void, ClientError>) -> Void
  ) {
    let mayPass = !isTooLate(commit.sinceNs)
    switch result.map(\.refusal) {
    case .success(nil): then(.success(()))
    case .success(let code?):
      let reaction = state.refused(.commitOffsets, code)
      let isPassing = reaction == .retry || reaction == .findCoordinator
      if isPassing, mayPass { return sendAgain(commit, then) }
      report(refusal("committing offsets", code), to: then)
    case .failure(let error) where error.isRetriable && mayPass: sendAgain(commit, then)
    case .failure(let error):
      _ = state.refused(.produce, .networkException)
      report(error, to: then)
    }
  }

  private func sendAgain(
    _ commit: GroupCoordinatorCall, _ then: @escaping (Result<Void, ClientError>) -> Void
  ) {
    after(ClientLimits.retryBackoffMs) { producer in
      commit.send { [weak producer] result in producer?.committed(result, commit, then) }
    }
  }

  private func report<Value>(_ error: ClientError, to then: (Result<Value, ClientError>) -> Void) {
    then(.failure(error))
    failed(error)
  }

  // MARK: Partitions

  private func need(_ lane: Int) {
    wanted.append(lane)
    addWanted()
  }

  private func addWanted() {
    guard adding.isEmpty, !wanted.isEmpty else { return }
    (adding, wanted) = (wanted, [])
    var request = AddPartitionsToTxnRequest()
    request.v3AndBelowTransactionalID = id
    request.v3AndBelowProducerID = producer.identity?.id ?? -1
    request.v3AndBelowProducerEpoch = producer.identity?.epoch ?? -1
    request.v3AndBelowTopics = [
      .with {
        $0.name = metadata.topic
        $0.partitions = adding.map { producer.partition(ofLane: $0) }
      }
    ]
    send(request, .addPartitions, limit: Versions.addPartitions, code: { $0.refusal }) { [self] result in
      let added = adding
      adding = []
      switch result {
      case .failure(let error): producer.giveUpHeld(error)
      case .success:
        state.added()
        for lane in added { producer.release(lane) }
        addWanted()
      }
    }
  }

  private func gaveUp(_ error: ClientError) {
    guard state.phase == .open else { return }
    if case .refused(_, _, let code, _) = error {
      _ = state.refused(.produce, code)
    } else {
      _ = state.refused(.produce, .networkException)
    }
    failed(error)
  }

  // MARK: The coordinator

  /// The versions up to which the epoch stays the same.
  private enum Versions { static let addPartitions: Int16 = 3, endTransaction: Int16 = 4, commitOffsets: Int16 = 4 }

  private func failure(_ what: String) -> ClientError {
    let code: ErrorCode =
      switch state.phase {
      case .abortable(let code), .fatal(let code): code
      case .uninitialised, .ready, .open, .ending: .invalidTxnState
      }
    return refusal(what, code)
  }

  private func refusal(_ what: String, _ code: ErrorCode) -> ClientError {
    .refused(
      coordinator?.endpoint ?? metadata.partitions[0].leader.endpoint, what: "\(what) of '\(id)'", code: code,
      message: nil)
  }

  /// Sends a request to the coordinator, again as long as `TransactionState` says that it may pass, and `deliveryTimeoutMs` is not over.
  ///
  /// - Parameters:
  ///   - code: the error of an answer.
  ///   - sinceNs: when it was sent first; nil for the first time.
  private func send<R: Request>(
    _ request: R, _ step: TransactionState.Step, limit: Int16 = .max, code: @escaping (R.Answer) -> ErrorCode,
    sinceNs: UInt64? = nil, then: @escaping (Result<R.Answer, ClientError>) -> Void
  ) {
    guard !isClosed else { return }
    let sinceNs = sinceNs ?? producer.now()
    let again = { [weak self] (error: ClientError, pauseMs: Int) in
      guard let self else { return }
      guard error.isRetriable, !self.isTooLate(sinceNs) else { return self.report(error, to: then) }
      self.after(pauseMs) { $0.send(request, step, limit: limit, code: code, sinceNs: sinceNs, then: then) }
    }
    guard let coordinator, coordinator.isOpen else {
      return findCoordinator { [weak self] error in
        if let error { return again(error, ClientLimits.retryBackoffMs) }
        self?.send(request, step, limit: limit, code: code, sinceNs: sinceNs, then: then)
      }
    }
    coordinator.send(request, limit: limit) { [weak self] result in
      guard let self, !self.isClosed else { return }
      switch result {
      case .success(let answer) where code(answer) == .none: then(.success(answer))
      case .failure(let error): again(error, ClientLimits.retryBackoffMs)
      case .success(let answer):
        let refusal = self.refusal("step \(step)", code(answer))
        switch self.state.refused(step, code(answer)) {
        case .retry: again(refusal, ClientLimits.transactionBackoffMs)
        case .findCoordinator:
          self.coordinator?.close()
          self.coordinator = nil
          again(refusal, ClientLimits.retryBackoffMs)
        case .abort, .die: self.report(refusal, to: then)
        }
      }
    }
    coordinator.flush()
  }

  private func isTooLate(_ sinceNs: UInt64) -> Bool {
    producer.now() - min(producer.now(), sinceNs) > UInt64(producer.settings.deliveryTimeoutMs) * 1_000_000
  }

  private func after(_ milliseconds: Int, _ body: @escaping (TransactionalProducer) -> Void) {
    eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(milliseconds))) { [weak self] in
      guard let self, !self.isClosed else { return }
      body(self)
    }
  }

  private func findCoordinator(then: @escaping (ClientError?) -> Void) {
    waiting.append(then)
    guard waiting.count == 1 else { return }
    lookups += 1
    let asked = metadata.partitions[lookups % metadata.partitions.count].leader
    CoordinatorLookup.connect(id, .transaction, asking: asked, by: connect) { [weak self] result in
      switch result {
      case .failure(let error): self?.found(nil, error)
      case .success(let connection):
        guard let self, !self.isClosed else { return connection.close() }
        self.found(connection, nil)
      }
    }
  }

  private func found(_ connection: BrokerConnection?, _ error: ClientError?) {
    coordinator = connection ?? coordinator
    let served = waiting
    waiting = []
    for then in served { then(error) }
  }
}

extension TxnOffsetCommitResponse {
  /// The first error of a partition.
  fileprivate var refusal: ErrorCode? {
    topics.flatMap(\.partitions).map(\.errorCode).first { $0 != ErrorCode.none }
  }
}

extension AddPartitionsToTxnResponse {
  /// The error of a partition that explains why others were not added, or the first error.
  fileprivate var refusal: ErrorCode {
    let codes = resultsByTopicV3AndBelow.flatMap(\.resultsByPartition).map(\.partitionErrorCode)
      .filter { $0 != .none }
    return codes.first { $0 != .operationNotAttempted } ?? codes.first ?? errorCode
  }
}

/// One TxnOffsetCommit to the coordinator of a group, over a connection of its own.
private final class GroupCoordinatorCall {
  private let group: String
  private let metadata: Metadata
  private let connect: (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void
  private let request: TxnOffsetCommitRequest
  private let limit: Int16
  /// When it was made.
  let sinceNs: UInt64

  init(
    group: String, metadata: Metadata,
    connect: @escaping (Metadata.Broker, @escaping (Result<BrokerConnection, ClientError>) -> Void) -> Void,
    request: TxnOffsetCommitRequest, limit: Int16, sinceNs: UInt64
  ) {
    self.group = group
    self.metadata = metadata
    self.connect = connect
    self.request = request
    self.limit = limit
    self.sinceNs = sinceNs
  }

  func send(then: @escaping (Result<TxnOffsetCommitResponse, ClientError>) -> Void) {
    CoordinatorLookup.connect(group, .group, asking: metadata.partitions[0].leader, by: connect) { [self] result in
      switch result {
      case .failure(let error): then(.failure(error))
      case .success(let connection):
        connection.send(request, limit: limit) { result in
          connection.close()
          then(result)
        }
        connection.flush()
      }
    }
  }
}
