import Client
import Model
import NIOCore
import Testing
import Wire

/// Reads the partitions of a topic from where it stopped before, and holds what it finds against a ledger.
struct LogReader {
  private(set) var check = LogCheck()

  /// Reads all that is there now, and demands that all of `ledger`, taken before the call, is among it.
  mutating func read(_ metadata: Metadata, by admin: Admin, against shared: SharedLedger) async throws {
    let before = shared.ledger
    let ends = try await admin.offsets(of: metadata, at: .latest)
    // What lies below these ends was given to a producer by now. What lies behind them waits for the next reading.
    let known = shared.ledger
    var behind = ends.filter { check.nextOffset(of: $0.key) < $0.value }
    while !behind.isEmpty {
      let answer = try await admin.call(request(metadata, Array(behind.keys)))
      var isFurther = false
      for partition in answer.responses.flatMap(\.partitions) {
        try #require(partition.errorCode == .none, "fetching partition \(partition.partitionIndex)")
        isFurther = try take(partition, below: ends, against: known) || isFurther
      }
      try #require(isFurther, "nothing can be read of \(behind), whose logs end there")
      behind = ends.filter { check.nextOffset(of: $0.key) < $0.value }
    }
    check.end(against: before)
  }

  private func request(_ metadata: Metadata, _ partitions: [Int32]) -> FetchRequest {
    var request = FetchRequest()
    request.minBytes = 1
    request.maxBytes = 8 << 20
    request.topics = [
      .with {
        $0.topic = metadata.topic
        $0.topicID = metadata.topicID
        $0.partitions = partitions.map { partition in
          .with {
            $0.partition = partition
            $0.fetchOffset = check.nextOffset(of: partition)
            $0.partitionMaxBytes = 1 << 20
          }
        }
      }
    ]
    return request
  }

  /// False when there was nothing new.
  private mutating func take(
    _ answer: FetchResponse.Partition, below ends: [Int32: Offset], against ledger: DeliveryLedger
  ) throws -> Bool {
    let from = check.nextOffset(of: answer.partitionIndex)
    let end = try #require(ends[answer.partitionIndex])
    var bytes = try #require(answer.records.bytes)
    while let batch = try Self.whole(bytes) {
      bytes.moveReaderIndex(forwardBy: batch.sizeInBytes)
      for record in try batch.records() where record.offset >= from && record.offset < end {
        check.read(
          record.value.map { Array($0.readableBytesView) } ?? [], at: record.offset, of: answer.partitionIndex,
          against: ledger)
      }
    }
    return check.nextOffset(of: answer.partitionIndex) > from
  }

  /// The batch at the front; nil at the end, where one may be cut off at the size limit.
  private static func whole(_ bytes: ByteBuffer) throws -> RecordBatch? {
    do {
      return try RecordBatch(viewing: bytes)
    } catch {
      guard case .truncated = error else { throw error }
      return nil
    }
  }
}
