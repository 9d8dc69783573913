import Base
import Model
import Wire

/// Reading what is assigned, from the committed offsets on, and committing: OffsetFetch, Fetch, OffsetCommit.
extension SimulatedGroupMember {
  private func soon(_ body: @escaping () -> Void) { session.later(10_000 + random.below(50_000), body) }

  // MARK: Positions

  func findPositions(_ partitions: [TopicPartition]) {
    let floors = ledger.committed
    session.ask(OffsetFetchRequest.of(partitions, group: settings.group), version: 7) { [self] result in
      guard case .success(let answer) = result else { return soon { [self] in findPositions(partitions) } }
      switch answer.errorCode {
      case .none: take(answer, partitions, floors)
      case .coordinatorLoadInProgress, .coordinatorNotAvailable:
        client.coordinatorIsLost()
        soon { [self] in findPositions(partitions) }
      default: goOn(after: answer.errorCode, "OffsetFetch")
      }
    }
  }

  private func take(_ answer: OffsetFetchResponse, _ partitions: [TopicPartition], _ floors: GroupLedger.Offsets) {
    var found: GroupLedger.Offsets = [:]
    for (partition, offset, error) in answer.offsets {
      switch error {
      case .none:
        ledger.fetched(offset, of: partition, floor: floors[partition])
        found[partition] = max(0, offset)
      // Of a transaction that commits offsets of the group; this one has none.
      case .unstableOffsetCommit:
        simulation.trace.note("\(client.name) waits for the offset of \(partition)")
        return soon { [self] in findPositions(partitions) }
      default: return goOn(after: error, "OffsetFetch of \(partition)")
      }
    }
    if found.keys.sorted() != partitions.sorted() {
      simulation.violation("\(client.name): OffsetFetch of \(partitions) is answered for \(found.keys.sorted())")
    }
    positions = found
    simulation.trace.note("\(client.name) begins at \(found.sorted { $0.key < $1.key }.map { "\($0) \($1)" })")
    poll()
  }

  // MARK: Fetches

  func poll() {
    guard simulation.mayConnect, fetcher.connect() else { return soon { [self] in poll() } }
    var request = FetchRequest()
    request.maxWaitMs = 200
    request.minBytes = 1
    request.maxBytes = 1 << 20
    request.isolationLevel = settings.isReadCommitted ? 1 : 0
    for partition in owned {
      request.want(partition, from: positions[partition] ?? 0, maxBytes: settings.partitionMaxBytes)
    }
    let (turn, asked) = (session.turn, positions)
    fetcher.ask(request, version: 11) { [self] result in
      guard session.isPresent(turn) else { return }
      guard case .success(let answer) = result else { return soon { [self] in poll() } }
      polled(answer, asked)
    }
  }

  private func polled(_ answer: FetchResponse, _ asked: GroupLedger.Offsets) {
    if answer.errorCode != .none {
      simulation.violation("\(client.name): a fetch is answered with \(answer.errorCode)")
    }
    let lost = reader.take(answer, asked: asked, moving: &positions, in: simulation)
    fetches += 1
    guard lost.isEmpty else { return findStarts(of: lost) }
    if positions != committed, isSettling || fetches % settings.commitEvery == 0 {
      commit { [self] in pollLater() }
    } else {
      pollLater()
    }
  }

  private func pollLater() { session.later(1 + random.below(isSettling ? 5_000 : 50_000)) { [self] in poll() } }

  /// Records were deleted that the group has not read, or lost in a power failure after it has read them: what is read is not flushed yet.
  private func findStarts(of partitions: [TopicPartition]) {
    let turn = session.turn
    fetcher.ask(ListOffsetsRequest.of(partitions, at: -2), version: 5) { [self] result in
      guard session.isPresent(turn) else { return }
      if case .success(let answer) = result {
        for topic in answer.topics {
          for found in topic.partitions where found.errorCode == .none {
            let partition = TopicPartition(topic.name, found.partitionIndex)
            begin(partition, at: found.offset.rawValue)
          }
        }
      }
      pollLater()
    }
  }

  private func begin(_ partition: TopicPartition, at start: Int64) {
    if start < positions[partition] ?? 0 { ledger.beginsAgain(partition) }
    positions[partition] = start
  }

  // MARK: Commits

  /// Commits the positions, and goes on with `then` unless the group has gone on.
  func commit(_ then: @escaping () -> Void) {
    guard simulation.mayConnect, client.connect() else { return soon(then) }
    let (offsets, turn) = (positions, session.turn)
    send(offsets, in: generation) { [self] codes in
      guard session.isPresent(turn) else { return }
      guard let codes else { return soon(then) }
      let outcomes = offsets.keys.sorted().map { codes[$0] ?? .unknownServerError }
      if let refused = outcomes.first(where: { $0 != .none }) { return goOn(after: refused, "OffsetCommit") }
      simulation.trace.note("\(client.name) has committed \(offsets.sorted { $0.key < $1.key }.map { "\($0) \($1)" })")
      committed = offsets
      then()
    }
  }

  /// Commits what was read in a generation that is over, as an application may that has not noticed: nobody may grant that.
  func commitLate(_ offsets: GroupLedger.Offsets, in generation: Int32) {
    guard simulation.mayConnect, client.connect() else { return }
    simulation.trace.note("\(client.name) commits in generation \(generation), which is over")
    send(offsets, in: generation) { _ in }
  }

  /// - Parameter then: gets the outcome for each partition; nil without a response.
  private func send(
    _ offsets: GroupLedger.Offsets, in generation: Int32, _ then: @escaping ([TopicPartition: ErrorCode]?) -> Void
  ) {
    let (member, latest) = (identity, ledger.generation)
    ledger.committing(offsets)
    client.ask(commitRequest(offsets, in: generation), version: 8) { [self] result in
      guard case .success(let answer) = result else { return then(nil) }
      let codes = answer.codes
      let granted = offsets.filter { codes[$0.key] == ErrorCode.none }
      if !granted.isEmpty {
        ledger.acknowledged(granted, of: member, in: generation, latest: latest)
        commits += 1
      }
      then(codes)
    }
  }

  private func commitRequest(_ offsets: GroupLedger.Offsets, in generation: Int32) -> OffsetCommitRequest {
    var request = OffsetCommitRequest()
    request.groupID = settings.group
    request.memberID = memberID
    request.generationIDOrMemberEpoch = generation
    request.groupInstanceID = settings.instanceID
    for (partition, offset) in offsets.sorted(by: { $0.key < $1.key }) {
      if request.topics.last?.name != partition.topic { request.topics.append(.with { $0.name = partition.topic }) }
      request.topics[request.topics.count - 1].partitions.append(
        .with { ($0.partitionIndex, $0.committedOffset) = (partition.partition, Offset(offset)) })
    }
    return request
  }

  /// Whether everything acknowledged that is the member's to read is read, and committed.
  var isCaughtUp: Bool {
    phase == .assigned && owned.allSatisfy { committed[$0] ?? -1 >= simulation.ledger($0).acknowledgedEnd }
  }
}

extension OffsetCommitResponse {
  /// The outcome for each partition.
  fileprivate var codes: [TopicPartition: ErrorCode] {
    var codes: [TopicPartition: ErrorCode] = [:]
    for topic in topics {
      for partition in topic.partitions {
        codes[TopicPartition(topic.name, partition.partitionIndex)] = partition.errorCode
      }
    }
    return codes
  }
}

extension OffsetFetchRequest {
  /// Asks for offsets that no transaction is about to change (version 7).
  static func of(_ partitions: [TopicPartition], group: String) -> OffsetFetchRequest {
    var request = OffsetFetchRequest()
    request.groupID = group
    request.requireStable = true
    var topics: [Topic] = []
    for partition in partitions.sorted() {
      if topics.last?.name != partition.topic { topics.append(.with { $0.name = partition.topic }) }
      topics[topics.count - 1].partitionIndexes.append(partition.partition)
    }
    request.topics = topics
    return request
  }
}

extension OffsetFetchResponse {
  /// The offset of each partition (before version 8); -1 where nothing is committed.
  var offsets: [(partition: TopicPartition, offset: Int64, error: ErrorCode)] {
    topics.flatMap { topic in
      topic.partitions.map { found in
        (TopicPartition(topic.name, found.partitionIndex), found.committedOffset.rawValue, found.errorCode)
      }
    }
  }
}
