package import Base
package import Model
import NIOCore

/// One thing that a file of a log holds, as `LogDump` finds it: with its line in `kafka-dump-log`'s form, and as JSON.
package enum LogDumpEntry {
  /// A file begins; what follows is its contents.
  case file(name: String)
  /// The first offset that a log's file may have, which its name says.
  case logStart(Offset)
  case batch(RecordBatchHeader, position: Int, isValid: Bool)
  case record(LogDumpRecord)
  case offsetIndexEntry(offset: Offset, position: Int)
  case timeIndexEntry(timestamp: Int64, offset: Offset)
  case abortedTransaction(producerID: Int64, firstOffset: Offset, lastOffset: Offset, lastStableOffset: Offset)
  case producer(id: Int64, ProducerState.Producer)

  /// As `kafka-dump-log --print-data-log` prints it.
  package var line: String {
    switch self {
    case .file(let name): "Dumping \(name)"
    case .logStart(let offset): "Log starting offset: \(offset)"
    case .batch(let header, let position, let isValid): Self.line(of: header, position: position, isValid: isValid)
    case .record(let record): record.line
    case .offsetIndexEntry(let offset, let position): "offset: \(offset) position: \(position)"
    case .timeIndexEntry(let timestamp, let offset): "timestamp: \(timestamp) offset: \(offset)"
    case .abortedTransaction(let id, let first, let last, let stable):
      "version: 0 producerId: \(id) firstOffset: \(first) lastOffset: \(last) lastStableOffset: \(stable)"
    case .producer(let id, let producer): Self.line(of: id, producer)
    }
  }

  /// One object; `kind` says which members it has. Nil for what a file's name says already.
  package var json: JSON? {
    switch self {
    case .file(let name): .object(["kind": .string("file"), "name": .string(name)])
    case .logStart: nil
    case .batch(let header, let position, let isValid): Self.json(of: header, position: position, isValid: isValid)
    case .record(let record): record.json
    case .offsetIndexEntry(let offset, let position):
      .object(["kind": .string("offset_index"), "offset": .int(offset.rawValue), "position": .int(Int64(position))])
    case .timeIndexEntry(let timestamp, let offset):
      .object(["kind": .string("time_index"), "timestamp": .int(timestamp), "offset": .int(offset.rawValue)])
    case .abortedTransaction(let id, let first, let last, let stable):
      .object([
        "kind": .string("aborted_transaction"), "producer_id": .int(id), "first_offset": .int(first.rawValue),
        "last_offset": .int(last.rawValue), "last_stable_offset": .int(stable.rawValue),
      ])
    case .producer(let id, let producer): Self.json(of: id, producer)
    }
  }

  private static func codec(_ attributes: RecordBatchHeader.Attributes) -> String {
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
    return attributes.codecNumber < codecs.count ? codecs[attributes.codecNumber] : "unknown"
  }

  private static func line(of header: RecordBatchHeader, position: Int, isValid: Bool) -> String {
    let attributes = header.attributes
    let time = attributes.isLogAppendTime ? "LogAppendTime" : "CreateTime"
    let horizon = attributes.hasDeleteHorizon ? "OptionalLong[\(header.baseTimestamp)]" : "OptionalLong.empty"
    return "baseOffset: \(header.baseOffset) lastOffset: \(header.lastOffset) count: \(header.count) "
      + "baseSequence: \(header.baseSequence) lastSequence: \(header.lastSequence) producerId: \(header.producerID) "
      + "producerEpoch: \(header.producerEpoch) partitionLeaderEpoch: \(header.partitionLeaderEpoch) "
      + "isTransactional: \(attributes.isTransactional) isControl: \(attributes.isControl) deleteHorizonMs: \(horizon) "
      + "position: \(position) \(time): \(header.maxTimestamp) size: \(header.sizeInBytes) magic: \(header.magic) "
      + "compresscodec: \(codec(attributes)) crc: \(header.crc) isvalid: \(isValid)"
  }

  private static func json(of header: RecordBatchHeader, position: Int, isValid: Bool) -> JSON {
    let attributes = header.attributes
    return .object([
      "kind": .string("batch"), "base_offset": .int(header.baseOffset.rawValue),
      "last_offset": .int(header.lastOffset.rawValue), "count": .int(Int64(header.count)),
      "base_sequence": .int(Int64(header.baseSequence)), "last_sequence": .int(Int64(header.lastSequence)),
      "producer_id": .int(header.producerID), "producer_epoch": .int(Int64(header.producerEpoch)),
      "partition_leader_epoch": .int(Int64(header.partitionLeaderEpoch)),
      "is_transactional": .bool(attributes.isTransactional), "is_control": .bool(attributes.isControl),
      "delete_horizon_ms": attributes.hasDeleteHorizon ? .int(header.baseTimestamp) : .null,
      "position": .int(Int64(position)),
      "timestamp_type": .string(attributes.isLogAppendTime ? "LogAppendTime" : "CreateTime"),
      "max_timestamp": .int(header.maxTimestamp), "size": .int(Int64(header.sizeInBytes)),
      "magic": .int(Int64(header.magic)), "codec": .string(codec(attributes)), "crc": .int(Int64(header.crc)),
      "is_valid": .bool(isValid),
    ])
  }

  private static func line(of id: Int64, _ producer: ProducerState.Producer) -> String {
    let start = producer.transactionStart.map { "OptionalLong[\($0)]" } ?? "OptionalLong.empty"
    var line = "producerId: \(id) producerEpoch: \(producer.epoch) coordinatorEpoch: \(producer.coordinatorEpoch) "
    line += "currentTxnFirstOffset: \(start) lastTimestamp: \(producer.lastTimestamp)"
    if let batch = producer.lastBatch {
      line += " firstSequence: \(batch.firstSequence) lastSequence: \(batch.lastSequence)"
      line += " lastOffset: \(batch.lastOffset) offsetDelta: \(batch.offsetDelta) timestamp: \(batch.timestamp)"
    }
    return line
  }

  private static func json(of id: Int64, _ producer: ProducerState.Producer) -> JSON {
    .object([
      "kind": .string("producer"), "producer_id": .int(id), "producer_epoch": .int(Int64(producer.epoch)),
      "coordinator_epoch": .int(Int64(producer.coordinatorEpoch)),
      "transaction_first_offset": producer.transactionStart.map { .int($0.rawValue) } ?? .null,
      "last_timestamp": .int(producer.lastTimestamp),
      "last_batch": producer.lastBatch.map { batch in
        .object([
          "first_sequence": .int(Int64(batch.firstSequence)), "last_sequence": .int(Int64(batch.lastSequence)),
          "last_offset": .int(batch.lastOffset.rawValue), "offset_delta": .int(Int64(batch.offsetDelta)),
          "timestamp": .int(batch.timestamp),
        ])
      } ?? .null,
    ])
  }
}

/// A record in a log's file.
package struct LogDumpRecord {
  var offset: Offset
  var isLogAppendTime: Bool
  var timestamp: Int64
  /// -1 for records without a producer.
  var sequence: Int64
  var headerKeys: [String]
  var key: ByteBuffer?
  var value: ByteBuffer?
  /// The end of a transaction, in a control batch.
  var marker: EndTransactionMarker?
  /// What `LogDump.decode` made of key and value.
  var decoded: (key: String, payload: String)?

  var line: String {
    let time = isLogAppendTime ? "LogAppendTime" : "CreateTime"
    var line = "| offset: \(offset) \(time): \(timestamp) keySize: \(key?.readableBytes ?? -1) "
    line += "valueSize: \(value?.readableBytes ?? -1) sequence: \(sequence) "
    line += "headerKeys: [\(headerKeys.joined(separator: ","))]"
    if let marker {
      line += " endTxnMarker: \(marker.outcome == .commit ? "COMMIT" : "ABORT") "
      line += "coordinatorEpoch: \(marker.coordinatorEpoch)"
    } else if let decoded {
      line += " key: \(decoded.key) payload: \(decoded.payload)"
    } else {
      if let key { line += " key: \(String(buffer: key))" }
      if let value { line += " payload: \(String(buffer: value))" }
    }
    return line
  }

  var json: JSON {
    var members: [JSON.Member] = [
      .init(name: "kind", value: .string("record")), .init(name: "offset", value: .int(offset.rawValue)),
      .init(name: "timestamp", value: .int(timestamp)), .init(name: "sequence", value: .int(sequence)),
      .init(name: "header_keys", value: .array(headerKeys.map { .string($0) })),
    ]
    if let marker {
      members.append(.init(name: "end_transaction", value: .string(marker.outcome == .commit ? "COMMIT" : "ABORT")))
      members.append(.init(name: "coordinator_epoch", value: .int(Int64(marker.coordinatorEpoch))))
    } else if let decoded {
      members.append(.init(name: "key", value: .string(decoded.key)))
      members.append(.init(name: "value", value: .string(decoded.payload)))
    } else {
      members += [Self.member("key", key), Self.member("value", value)]
    }
    return .object(members)
  }

  /// Text where the bytes are UTF-8, and otherwise base64 under a name that says so.
  private static func member(_ name: String, _ bytes: ByteBuffer?) -> JSON.Member {
    guard let bytes else { return .init(name: name, value: .null) }
    if let text = String(validating: bytes.readableBytesView, as: UTF8.self) {
      return .init(name: name, value: .string(text))
    }
    return .init(name: name + "_base64", value: .string(Base64.encode(bytes.readableBytesView)))
  }
}
