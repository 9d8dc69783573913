import ClientSupport
import Model
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Wire

@testable import Client

/// A transaction coordinator and two partitions, that answer as they are told to.
private final class FakeCoordinator: Sendable {
  struct State {
    var events: [String] = []
    /// Errors to come, by the API that answers with them.
    var refusals: [Int16: [ErrorCode]]
    var epoch: Int16 = -1
  }

  private let state: Mutex<State>
  let endpoint = Mutex<Endpoint?>(nil)

  init(refusing refusals: [Int16: [ErrorCode]] = [:]) { state = Mutex(State(refusals: refusals)) }

  var events: [String] { state.withLock { $0.events } }

  /// Takes the next error of an API, and notes what was asked.
  private func take(_ api: Api, _ event: String) -> ErrorCode {
    state.withLock { state in
      state.events.append(event)
      guard let code = state.refusals[api.key]?.first else { return .none }
      state.refusals[api.key]?.removeFirst()
      return code
    }
  }

  func serve(_ header: RequestHeader, _ body: ByteBuffer) throws -> FakeBroker.Reply {
    var body = body
    let version = header.apiVersion
    switch header.apiKey {
    case FindCoordinatorRequest.api.key:
      return FakeBroker.reply(find(try FindCoordinatorRequest(reading: &body, version: version)), to: header)
    case InitProducerIdRequest.api.key:
      return FakeBroker.reply(initialise(try InitProducerIdRequest(reading: &body, version: version)), to: header)
    case AddPartitionsToTxnRequest.api.key:
      return FakeBroker.reply(add(try AddPartitionsToTxnRequest(reading: &body, version: version)), to: header)
    case AddOffsetsToTxnRequest.api.key:
      let request = try AddOffsetsToTxnRequest(reading: &body, version: version)
      var response = AddOffsetsToTxnResponse()
      response.errorCode = take(AddOffsetsToTxnRequest.api, "add offsets of \(request.groupID)")
      return FakeBroker.reply(response, to: header)
    case TxnOffsetCommitRequest.api.key:
      return FakeBroker.reply(commit(try TxnOffsetCommitRequest(reading: &body, version: version)), to: header)
    case EndTxnRequest.api.key:
      let request = try EndTxnRequest(reading: &body, version: version)
      var response = EndTxnResponse()
      response.errorCode = take(EndTxnRequest.api, request.committed ? "commit" : "abort")
      return FakeBroker.reply(response, to: header)
    case ProduceRequest.api.key:
      return FakeBroker.reply(try produce(try ProduceRequest(reading: &body, version: version)), to: header)
    default: return FakeBroker.versions(header)
    }
  }

  private func find(_ request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let code = take(FindCoordinatorRequest.api, "find \(request.keyType == 1 ? "transaction" : "group")")
    var response = FindCoordinatorResponse()
    response.coordinators = [
      .with {
        $0.errorCode = code
        $0.nodeID = 1
        $0.host = "127.0.0.1"
        $0.port = Int32(endpoint.withLock { $0?.port ?? 0 })
      }
    ]
    return response
  }

  private func initialise(_ request: InitProducerIdRequest) -> InitProducerIdResponse {
    let known = "\(request.producerID)/\(request.producerEpoch)"
    var response = InitProducerIdResponse()
    response.errorCode = take(InitProducerIdRequest.api, "init \(request.transactionalID ?? "") \(known)")
    response.producerID = 7
    response.producerEpoch = state.withLock { state in
      state.epoch += response.errorCode == .none ? 1 : 0
      return state.epoch
    }
    return response
  }

  private func add(_ request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
    let partitions = request.v3AndBelowTopics.flatMap(\.partitions)
    let code = take(AddPartitionsToTxnRequest.api, "add \(partitions)")
    var response = AddPartitionsToTxnResponse()
    response.resultsByTopicV3AndBelow = [
      .with {
        $0.name = "t"
        $0.resultsByPartition = partitions.enumerated().map { index, partition in
          .with {
            $0.partitionIndex = partition
            // Where one partition is refused the others are not attempted.
            $0.partitionErrorCode = code == .none || index == partitions.count - 1 ? code : .operationNotAttempted
          }
        }
      }
    ]
    return response
  }

  private func commit(_ request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let partitions = request.topics.flatMap(\.partitions)
    let offsets = partitions.map { "\($0.partitionIndex)@\($0.committedOffset)" }.joined(separator: " ")
    let code = take(TxnOffsetCommitRequest.api, "offsets \(offsets) of \(request.groupID) \(request.memberID)")
    var response = TxnOffsetCommitResponse()
    response.topics = [
      .with {
        $0.name = "t"
        $0.partitions = partitions.map { partition in
          .with {
            $0.partitionIndex = partition.partitionIndex
            $0.errorCode = code
          }
        }
      }
    ]
    return response
  }

  private func produce(_ request: ProduceRequest) throws -> ProduceResponse {
    let asked = request.topicData[0].partitionData[0]
    let batch = try RecordBatch(viewing: asked.records.bytes ?? ByteBuffer())
    let header = batch.header
    let kind = header.attributes.isTransactional ? "transactional" : "plain"
    let code = take(
      ProduceRequest.api,
      "produce \(request.transactionalID ?? "-") \(asked.index) \(kind) \(header.producerID)/\(header.producerEpoch) "
        + "from \(header.baseSequence)")
    var response = ProduceResponse()
    response.responses = [
      .with {
        $0.name = "t"
        $0.partitionResponses = [
          .with {
            $0.index = asked.index
            $0.errorCode = code
          }
        ]
      }
    ]
    return response
  }
}

@Suite("TransactionalProducer")
struct TransactionalProducerTests {
  /// A producer that has its identity, and what the test does with it, on its event loop.
  private struct Subject: Sendable {
    let transactional: NIOLoopBound<TransactionalProducer>
    let delivered: Collected<String>
    let failed: Collected<String>

    /// Begins a transaction of one batch of two records in each of these lanes.
    func begin(_ lanes: [Int]) async throws { try await transactional.eventLoop.submit { beginNow(lanes) }.get() }

    private func beginNow(_ lanes: [Int]) {
      let producer = transactional.value.producer
      transactional.value.begin()
      for lane in lanes {
        producer.fill(lane) { builder, _ in
          for _ in 0..<2 { builder.append(timestamp: 0, key: nil, value: nil) }
          return 0
        }
        do { try producer.seal(lane) } catch { Issue.record("\(error)") }
      }
      producer.flush()
    }

    func end(commits: Bool) async -> String {
      await withCheckedContinuation { done in
        transactional.eventLoop.execute {
          transactional.value.end(commits: commits) { result in
            switch result {
            case .success(let isCommitted): done.resume(returning: isCommitted ? "committed" : "aborted")
            case .failure(let error): done.resume(returning: "\(error)")
            }
          }
        }
      }
    }

    /// - Parameter lanes: what a transaction begins with that is begun at the same time; nil where one is open.
    func sendOffsets(beginning lanes: [Int]? = nil) async -> String {
      await withCheckedContinuation { done in
        transactional.eventLoop.execute {
          if let lanes { beginNow(lanes) }
          transactional.value.sendOffsets(
            [TopicPartition("t", 1): 5, TopicPartition("t", 0): 3], ofGroup: "g", member: ("m", nil, 4)
          ) { result in
            if case .failure(let error) = result {
              done.resume(returning: "\(error)")
            } else {
              done.resume(returning: "sent")
            }
          }
        }
      }
    }

    func close() async throws { try await transactional.eventLoop.submit { transactional.value.close() }.get() }
  }

  private func subject(
    of fake: FakeCoordinator, on group: any EventLoopGroup
  ) async throws -> Result<Subject, ClientError> {
    let broker = try await FakeBroker.start(on: group) { try fake.serve($0, $1) }
    fake.endpoint.withLock { $0 = broker.endpoint }
    let leader = Metadata.Broker(id: 1, endpoint: broker.endpoint)
    let metadata = Metadata(
      topic: "t", topicID: .zero, partitions: (0..<2).map { .init(index: $0, leader: leader, leaderEpoch: 0) })
    var settings = ProducerSettings(topic: "t")
    settings.acks = -1
    settings.transactionalID = "x"
    let (given, eventLoop) = (settings, group.next())
    let (delivered, failed) = (Collected<String>(), Collected<String>())
    let transactional = try await eventLoop.submit {
      let connect = { (broker: Metadata.Broker, then: @escaping (Result<BrokerConnection, ClientError>) -> Void) in
        BrokerConnection.connect(to: broker.endpoint, on: eventLoop, TestClock.options(), then: then)
      }
      let producer = Producer(given, metadata, on: eventLoop, now: TestClock.nowNs, connect: connect)
      producer.delivered = { delivery in
        if case .failure(let error) = delivery.result { delivered.add("\(error)") } else { delivered.add("ok") }
      }
      let transactional = TransactionalProducer(producer, metadata, on: eventLoop, connect: connect)
      transactional.failed = { failed.add("\($0)") }
      return NIOLoopBound(transactional, eventLoop: eventLoop)
    }.get()
    let started = await withCheckedContinuation { (done: CheckedContinuation<Result<Void, ClientError>, Never>) in
      eventLoop.execute { transactional.value.start { done.resume(returning: $0) } }
    }
    return started.map { _ in Subject(transactional: transactional, delivered: delivered, failed: failed) }
  }

  @Test("partitions are added before their first batches, the sequences go on from one transaction to the next")
  func commits() async throws {
    try await withGroup { group in
      let fake = FakeCoordinator()
      let subject = try await subject(of: fake, on: group).get()
      try await subject.begin([0])
      _ = await subject.delivered.first(1)
      #expect(await subject.end(commits: true) == "committed")
      try await subject.begin([0])
      _ = await subject.delivered.first(2)
      #expect(await subject.end(commits: false) == "aborted")
      #expect(
        fake.events == [
          "find transaction", "init x -1/-1", "add [0]", "produce x 0 transactional 7/0 from 0", "commit", "add [0]",
          "produce x 0 transactional 7/0 from 2", "abort",
        ])
      try await subject.close()
    }
  }

  @Test("a transaction without records ends without the coordinator")
  func empty() async throws {
    try await withGroup { group in
      let fake = FakeCoordinator()
      let subject = try await subject(of: fake, on: group).get()
      try await subject.begin([])
      #expect(await subject.end(commits: true) == "committed")
      #expect(fake.events == ["find transaction", "init x -1/-1"])
      try await subject.close()
    }
  }

  @Test("what the coordinator is busy with is asked again, and one that has moved is looked for")
  func passing() async throws {
    try await withGroup { group in
      let fake = FakeCoordinator(refusing: [
        InitProducerIdRequest.api.key: [.notCoordinator], AddPartitionsToTxnRequest.api.key: [.concurrentTransactions],
        EndTxnRequest.api.key: [.coordinatorLoadInProgress],
      ])
      let subject = try await subject(of: fake, on: group).get()
      try await subject.begin([1])
      _ = await subject.delivered.first(1)
      #expect(await subject.end(commits: true) == "committed")
      #expect(
        fake.events == [
          "find transaction", "init x -1/-1", "find transaction", "init x -1/-1", "add [1]", "add [1]",
          "produce x 1 transactional 7/0 from 0", "commit", "commit",
        ])
      try await subject.close()
    }
  }

  @Test("a coordinator that has moved is looked for once, whatever waits for it, and all of that is answered")
  func oneLookup() async throws {
    try await withGroup { group in
      let fake = FakeCoordinator(refusing: [AddPartitionsToTxnRequest.api.key: [.notCoordinator]])
      let subject = try await subject(of: fake, on: group).get()
      // Both are under way when the first is refused, which ends the connection for the other as well.
      #expect(await subject.sendOffsets(beginning: [0]) == "sent")
      #expect(await subject.delivered.first(1) == ["ok"])
      #expect(await subject.end(commits: true) == "committed")
      #expect(fake.events.filter { $0 == "find transaction" }.count == 2, "\(fake.events)")
      try await subject.close()
    }
  }

  @Test("a batch that is refused aborts the transaction, and the next begins with a raised epoch and new sequences")
  func abortable() async throws {
    try await withGroup { group in
      let fake = FakeCoordinator(refusing: [ProduceRequest.api.key: [.messageTooLarge]])
      let subject = try await subject(of: fake, on: group).get()
      try await subject.begin([0])
      #expect(await subject.delivered.first(1)[0].contains("MESSAGE_TOO_LARGE"))
      #expect(await subject.end(commits: true) == "aborted")
      try await subject.begin([0])
      _ = await subject.delivered.first(2)
      #expect(await subject.end(commits: true) == "committed")
      #expect(
        fake.events.suffix(5) == [
          "abort", "init x 7/0", "add [0]", "produce x 0 transactional 7/1 from 0", "commit",
        ])
      #expect(subject.failed.all.count == 1)
      try await subject.close()
    }
  }

  @Test("a fenced producer can neither commit nor abort")
  func fenced() async throws {
    try await withGroup { group in
      let fake = FakeCoordinator(refusing: [AddPartitionsToTxnRequest.api.key: [.producerFenced]])
      let subject = try await subject(of: fake, on: group).get()
      try await subject.begin([0, 1])
      #expect(await subject.delivered.first(2).allSatisfy { $0.contains("PRODUCER_FENCED") })
      #expect(await subject.end(commits: true).contains("PRODUCER_FENCED"))
      #expect(!fake.events.contains { $0.hasPrefix("produce") || $0 == "commit" || $0 == "abort" })
      try await subject.close()
    }
  }

  @Test("a timeout that the coordinator does not allow is told when the producer starts")
  func refusedStart() async throws {
    try await withGroup { group in
      let fake = FakeCoordinator(refusing: [InitProducerIdRequest.api.key: [.invalidTransactionTimeout]])
      let result = try await subject(of: fake, on: group)
      #expect(throws: ClientError.self) { try result.get() }
    }
  }

  @Test("offsets of a group are added, and committed at the group's coordinator")
  func offsets() async throws {
    try await withGroup { group in
      let fake = FakeCoordinator(refusing: [TxnOffsetCommitRequest.api.key: [.coordinatorLoadInProgress]])
      let subject = try await subject(of: fake, on: group).get()
      try await subject.begin([])
      #expect(await subject.sendOffsets() == "sent")
      #expect(await subject.end(commits: true) == "committed")
      #expect(
        fake.events.dropFirst(2) == [
          "add offsets of g", "find group", "offsets 0@3 1@5 of g m", "find group", "offsets 0@3 1@5 of g m", "commit",
        ])
      try await subject.close()
    }
  }

  @Test("offsets of a member that the group has put out abort the transaction")
  func putOut() async throws {
    try await withGroup { group in
      let fake = FakeCoordinator(refusing: [TxnOffsetCommitRequest.api.key: [.illegalGeneration]])
      let subject = try await subject(of: fake, on: group).get()
      try await subject.begin([])
      #expect(await subject.sendOffsets().contains("ILLEGAL_GENERATION"))
      #expect(await subject.end(commits: true) == "aborted")
      try await subject.close()
    }
  }
}
