import Compression
import Model
import NIOCore
import Testing
import Wire

/// Short ways to say common requests.
extension TestClient {
  /// Creates a topic; any refusal fails the test.
  func createTopic(_ name: String, partitions: Int32 = 1, _ configs: [String: String] = [:]) throws {
    var topic = CreateTopicsRequest.Topic()
    topic.name = name
    topic.numPartitions = partitions
    topic.replicationFactor = 1
    topic.configs = configs.map { name, value in
      var config = CreateTopicsRequest.Config()
      config.name = name
      config.value = value
      return config
    }
    var request = CreateTopicsRequest()
    request.topics = [topic]
    let answer = try ask(request, version: 7)
    try #require(answer.topics.first?.errorCode == ErrorCode.none, "\(answer.topics.first?.errorMessage ?? "")")
  }

  func produce(
    _ batch: ByteBuffer?, to topic: String, _ partition: Int32 = 0, acks: Int16 = -1, version: Int16 = 9
  ) throws -> ProduceResponse.Partition {
    let answer = try ask(ProduceRequest.producing(batch, to: topic, partition, acks: acks), version: version)
    return try #require(answer.responses.first?.partitionResponses.first)
  }

  func fetch(
    _ topic: String, _ partition: Int32 = 0, from offset: Offset, maxWaitMs: Int32 = 0, minBytes: Int32 = 1,
    maxBytes: Int32 = 50 << 20, partitionMaxBytes: Int32 = 1 << 20, version: Int16 = 11
  ) throws -> FetchResponse.Partition {
    let request = FetchRequest.from(
      topic, partition, offset, maxWaitMs: maxWaitMs, minBytes: minBytes, maxBytes: maxBytes,
      partitionMaxBytes: partitionMaxBytes)
    return try #require(try ask(request, version: version).responses.first?.partitions.first)
  }

  func offset(of topic: String, _ partition: Int32 = 0, at timestamp: Int64) throws -> ListOffsetsResponse.Partition {
    var wanted = ListOffsetsRequest.Partition()
    wanted.partitionIndex = partition
    wanted.timestamp = timestamp
    var asked = ListOffsetsRequest.Topic()
    asked.name = topic
    asked.partitions = [wanted]
    var request = ListOffsetsRequest()
    request.replicaID = -1
    request.topics = [asked]
    return try #require(try ask(request, version: 7).topics.first?.partitions.first)
  }
}

extension ProduceRequest {
  static func producing(_ batch: ByteBuffer?, to topic: String, _ partition: Int32, acks: Int16) -> ProduceRequest {
    var request = ProduceRequest()
    request.acks = acks
    request.timeoutMs = 10_000
    request.add(.bytes(batch), to: TopicPartition(topic, partition))
    return request
  }
}

extension FetchRequest {
  static func from(
    _ topic: String, _ partition: Int32, _ offset: Offset, maxWaitMs: Int32 = 0, minBytes: Int32 = 1,
    maxBytes: Int32 = 50 << 20, partitionMaxBytes: Int32 = 1 << 20
  ) -> FetchRequest {
    var wanted = FetchRequest.Partition()
    wanted.partition = partition
    wanted.fetchOffset = offset
    wanted.partitionMaxBytes = partitionMaxBytes
    var asked = FetchRequest.Topic()
    asked.topic = topic
    asked.partitions = [wanted]
    var request = FetchRequest()
    request.maxWaitMs = maxWaitMs
    request.minBytes = minBytes
    request.maxBytes = maxBytes
    request.topics = [asked]
    return request
  }
}

extension DeleteRecordsRequest {
  static func before(_ offset: Offset, of topic: String) -> DeleteRecordsRequest {
    var wanted = DeleteRecordsRequest.Partition()
    wanted.offset = offset
    var asked = DeleteRecordsRequest.Topic()
    asked.name = topic
    asked.partitions = [wanted]
    var request = DeleteRecordsRequest()
    request.topics = [asked]
    return request
  }
}

/// Batches as a producer makes them.
enum Batches {
  static let timestamp: Int64 = 1_700_000_000_000

  /// A batch of these values, the timestamps rising by 10 ms.
  static func of(
    _ values: [String], key: String? = nil, codec: Codec = .none, from timestamp: Int64 = timestamp,
    producerID: Int64 = -1, epoch: Int16 = -1, sequence: Int32 = -1, isControl: Bool = false
  ) throws -> ByteBuffer {
    var builder = RecordBatchBuilder(capacity: 4096)
    for (index, value) in values.enumerated() {
      builder.append(
        Record(
          offset: 0, timestamp: timestamp + Int64(index) * 10, key: key.map { ByteBuffer(string: $0) },
          value: ByteBuffer(string: value), headers: []))
    }
    return try builder.finish(
      codec: codec, producerID: producerID, producerEpoch: epoch, baseSequence: sequence, isControl: isControl)
  }

  /// The batch with another header, and the CRC that goes with it.
  static func sealed(_ batch: ByteBuffer, _ change: (inout RecordBatchHeader) -> Void) throws -> ByteBuffer {
    let read = try RecordBatch(viewing: batch)
    var header = read.header
    change(&header)
    header.crc = header.checksum(of: read.body)
    var bytes = ByteBuffer()
    bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: BatchField.records) {
      header.write(to: $0)
      return BatchField.records
    }
    bytes.writeImmutableBuffer(read.body)
    return bytes
  }

  /// A batch of records of these timestamps.
  static func of(
    timestamps: [Int64], key: String? = nil, codec: Codec = .none, producerID: Int64 = -1, sequence: Int32 = -1
  ) throws -> ByteBuffer {
    var builder = RecordBatchBuilder(capacity: 4096)
    for timestamp in timestamps {
      builder.append(
        Record(
          offset: 0, timestamp: timestamp, key: key.map { ByteBuffer(string: $0) }, value: ByteBuffer(string: "v"),
          headers: []))
    }
    return try builder.finish(
      codec: codec, producerID: producerID, producerEpoch: producerID < 0 ? -1 : 0, baseSequence: sequence)
  }

  /// The same as messages of before Kafka 0.11.
  static func messages(_ values: [String], magic: Int8, codec: Codec) throws -> ByteBuffer {
    var bytes = ByteBuffer()
    try RecordBatch(viewing: of(values, codec: codec)).writeMessages(magic: magic, from: 0, to: &bytes)
    return bytes
  }

  /// Cuts fetched messages in two: where the first compressed set ends, or after so many single messages.
  static func twoSets(
    in records: Records, codec: Codec, messagesInFirst: Int
  ) throws -> (first: ByteBuffer, second: ByteBuffer) {
    var rest = try #require(records.bytes)
    let start = rest
    for _ in 0..<(codec == .none ? messagesInFirst : 1) {
      let size = try #require(rest.getInteger(at: rest.readerIndex + 8, as: Int32.self))
      rest.moveReaderIndex(forwardBy: 12 + Int(size))
    }
    let first = try #require(start.getSlice(at: start.readerIndex, length: start.readableBytes - rest.readableBytes))
    return (first, rest)
  }

  /// The values in fetched batches, with their offsets.
  static func values(in records: Records) throws -> [(Offset, String)] {
    var bytes = try #require(records.bytes)
    var values: [(Offset, String)] = []
    while bytes.readableBytes > 0 {
      let batch = try RecordBatch(viewing: bytes)
      for record in try batch.records() { values.append((record.offset, String(buffer: record.value ?? ByteBuffer()))) }
      bytes.moveReaderIndex(forwardBy: batch.sizeInBytes)
    }
    return values
  }
}
