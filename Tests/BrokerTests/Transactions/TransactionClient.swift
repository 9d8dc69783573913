import Model
import NIOCore
import Testing
import Wire

@testable import Broker

/// A transactional producer's requests, in its own words.
struct TransactionClient {
  let client: TestClient
  let transactionalID: String
  private(set) var producerID: Int64 = -1
  private(set) var epoch: Int16 = -1
  private(set) var sequence: Int32 = 0

  /// Finds the coordinator, and gets a producer id.
  init(_ client: TestClient, _ transactionalID: String, timeoutMs: Int32 = 60_000) throws {
    self.client = client
    self.transactionalID = transactionalID
    let found = try client.findTransactionCoordinator(of: transactionalID)
    try #require(found == ErrorCode.none, "\(found)")
    try begin(timeoutMs: timeoutMs)
  }

  /// Continues what `other` has begun, on another connection.
  init(_ client: TestClient, joining other: TransactionClient) throws {
    self.client = client
    transactionalID = other.transactionalID
    let found = try Self.patiently {
      try client.ask(DescribeTransactionsRequest.with { $0.transactionalIDs = [other.transactionalID] }, version: 0)
    } code: {
      $0.transactionStates.first?.errorCode ?? .none
    }
    try #require(found.transactionStates.first?.errorCode == ErrorCode.none)
  }

  /// Gets the next epoch, as a process that starts does.
  mutating func begin(timeoutMs: Int32 = 60_000) throws {
    let got = try initialize(timeoutMs: timeoutMs)
    try #require(got.errorCode == .none, "\(got.errorCode)")
    use(got.producerID, got.producerEpoch)
  }

  mutating func use(_ producerID: Int64, _ epoch: Int16) {
    (self.producerID, self.epoch, sequence) = (producerID, epoch, 0)
  }

  mutating func skip(to sequence: Int32) { self.sequence = sequence }

  /// Asks for a producer id until the coordinator has read its log, and no transaction is being ended.
  func initialize(
    timeoutMs: Int32 = 60_000, expecting: (id: Int64, epoch: Int16)? = nil, version: Int16 = 4
  ) throws -> InitProducerIdResponse {
    try Self.patiently {
      try client.ask(
        InitProducerIdRequest.with {
          $0.transactionalID = transactionalID
          $0.transactionTimeoutMs = timeoutMs
          if let expecting { ($0.producerID, $0.producerEpoch) = expecting }
        }, version: version)
    } code: {
      $0.errorCode
    }
  }

  /// Asks again while the coordinator is busy, as clients do.
  static func patiently<Answer>(_ ask: () throws -> Answer, code: (Answer) -> ErrorCode) throws -> Answer {
    let busy: [ErrorCode] = [
      .coordinatorLoadInProgress, .coordinatorNotAvailable, .notCoordinator, .concurrentTransactions,
    ]
    for _ in 0..<100_000 {
      let answer = try ask()
      if !busy.contains(code(answer)) { return answer }
    }
    Issue.record("the coordinator stays busy")
    return try ask()
  }

  func add(_ topic: String, _ partitions: [Int32] = [0], version: Int16 = 3) throws -> [ErrorCode] {
    let answer = try client.ask(
      AddPartitionsToTxnRequest.with {
        $0.v3AndBelowTransactionalID = transactionalID
        ($0.v3AndBelowProducerID, $0.v3AndBelowProducerEpoch) = (producerID, epoch)
        $0.v3AndBelowTopics = [.with { ($0.name, $0.partitions) = (topic, partitions) }]
      }, version: version)
    return answer.resultsByTopicV3AndBelow.flatMap { $0.resultsByPartition.map(\.partitionErrorCode) }
  }

  mutating func produce(
    _ values: [String], to topic: String, _ partition: Int32 = 0, version: Int16 = 9
  ) throws -> ProduceResponse.Partition {
    let answer = try client.ask(request(values, to: topic, partition), version: version)
    let placed = try #require(answer.responses.first?.partitionResponses.first)
    if placed.errorCode == .none { sequence += Int32(values.count) }
    return placed
  }

  func request(_ values: [String], to topic: String, _ partition: Int32 = 0, acks: Int16 = -1) throws -> ProduceRequest
  {
    var request = ProduceRequest.producing(try batch(values), to: topic, partition, acks: acks)
    request.transactionalID = transactionalID
    return request
  }

  func batch(_ values: [String]) throws -> ByteBuffer {
    try Batches.sealed(Batches.of(values, producerID: producerID, epoch: epoch, sequence: sequence)) {
      $0.attributes.isTransactional = true
    }
  }

  func end(_ outcome: EndTransactionMarker.Outcome, version: Int16 = 3) throws -> EndTxnResponse {
    try client.ask(
      EndTxnRequest.with {
        $0.transactionalID = transactionalID
        ($0.producerID, $0.producerEpoch) = (producerID, epoch)
        $0.committed = outcome == .commit
      }, version: version)
  }

  func describe() throws -> DescribeTransactionsResponse.Transaction {
    let request = DescribeTransactionsRequest.with { $0.transactionalIDs = [transactionalID] }
    let answer = try client.ask(request, version: 0)
    return try #require(answer.transactionStates.first)
  }
}

extension TestClient {
  func findTransactionCoordinator(of transactionalID: String) throws -> ErrorCode {
    let answer = try ask(
      FindCoordinatorRequest.with {
        $0.keyType = 1
        $0.coordinatorKeys = [transactionalID]
      }, version: 4)
    return try #require(answer.coordinators.first).errorCode
  }

  /// Fetches as a reader of committed records.
  func fetchCommitted(
    _ topic: String, _ partition: Int32 = 0, from offset: Offset, maxWaitMs: Int32 = 0
  ) throws -> FetchResponse.Partition {
    let request = FetchRequest.committed(topic, partition, offset, maxWaitMs: maxWaitMs)
    return try #require(try ask(request, version: 11).responses.first?.partitions.first)
  }

  /// The values that a reader of committed records sees from the start on.
  func committedValues(_ topic: String, _ partition: Int32 = 0) throws -> [String] {
    var values: [String] = []
    var offset: Offset = 0
    while true {
      // A fetch stays within a segment.
      let found = try fetchCommitted(topic, partition, from: offset)
      values += try found.committedValues()
      guard let next = try found.nextOffset else { return values }
      offset = next
    }
  }
}

extension FetchRequest {
  static func committed(
    _ topic: String, _ partition: Int32, _ offset: Offset, maxWaitMs: Int32 = 0
  ) -> FetchRequest {
    var request = FetchRequest.from(topic, partition, offset, maxWaitMs: maxWaitMs)
    request.isolationLevel = 1
    return request
  }
}

extension FetchResponse.Partition {
  /// The offset after the last batch; nil when there is none.
  var nextOffset: Offset? {
    get throws {
      var bytes = records.bytes ?? ByteBuffer()
      var next: Offset?
      while bytes.readableBytes > 0 {
        let batch = try RecordBatch(viewing: bytes)
        bytes.moveReaderIndex(forwardBy: batch.sizeInBytes)
        next = batch.header.nextOffset
      }
      return next
    }
  }

  /// What a consumer makes of the response: it skips control batches, and the batches of producers between the first offset of an aborted
  /// transaction and its marker.
  func committedValues() throws -> [String] {
    var bytes = records.bytes ?? ByteBuffer()
    var aborted: Set<Int64> = []
    var rest = (abortedTransactions ?? []).sorted { $0.firstOffset < $1.firstOffset }[...]
    var values: [String] = []
    while bytes.readableBytes > 0 {
      let batch = try RecordBatch(viewing: bytes)
      bytes.moveReaderIndex(forwardBy: batch.sizeInBytes)
      while let next = rest.first, next.firstOffset <= batch.header.lastOffset {
        aborted.insert(next.producerID)
        rest = rest.dropFirst()
      }
      if batch.header.attributes.isControl {
        if try EndTransactionMarker(reading: batch)?.outcome == .abort { aborted.remove(batch.header.producerID) }
      } else if !batch.header.attributes.isTransactional || !aborted.contains(batch.header.producerID) {
        values += try batch.records().map { String(buffer: $0.value ?? ByteBuffer()) }
      }
    }
    return values
  }
}
