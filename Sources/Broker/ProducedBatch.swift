import Compression
package import Model
package import NIOCore

/// The checks that make a produced batch fit for the log, before any lock is taken: the rules Kafka's broker has for what
/// a producer sends, and recompression where the topic wants a codec of its own.
package enum ProducedBatch {
  /// Why a batch is refused, in the words and with the code that go into the answer.
  package struct Refusal: Error, Equatable {
    package var code: ErrorCode
    package var message: String
    /// Records at fault: place in the batch, and why.
    package var records: [Record] = []

    package struct Record: Equatable {
      package var index: Int32
      package var message: String
    }

    init(_ code: ErrorCode, _ message: String) {
      self.code = code
      self.message = message
    }
  }

  /// Reads the one batch a partition's data must be.
  ///
  /// - Parameter version: of the Produce request; message sets of before Kafka 0.11 are converted up to 2, zstd is allowed
  ///   from 7.
  package static func checked(
    _ bytes: ByteBuffer?, for config: TopicConfig, version: Int16
  ) throws(Refusal) -> RecordBatch {
    guard let bytes, bytes.readableBytes > 0 else { throw Refusal(.invalidRecord, "no record batch") }
    var batch = try read(bytes, version: version)
    try check(batch.header, version: version)
    if batch.sizeInBytes > config.maxMessageBytes {
      throw Refusal(.messageTooLarge, "\(batch.sizeInBytes) bytes; max.message.bytes is \(config.maxMessageBytes)")
    }
    try checkRecords(of: batch, for: config)
    if let codec = config.storedCodec, codec != Codec(rawValue: batch.header.attributes.codecNumber) {
      batch = try recompressed(batch, as: codec, level: config.level(of: codec))
    }
    return batch
  }

  private static func read(_ bytes: ByteBuffer, version: Int16) throws(Refusal) -> RecordBatch {
    do throws(RecordBatchError) {
      if let magic = MessageSet.magic(of: bytes) {
        guard version < 3 else { throw RecordBatchError.unsupportedMagic(magic) }
        return try RecordBatch(converting: bytes, limit: Limits.decompressedBatchBytes)
      }
      let batch = try RecordBatch(viewing: bytes)
      guard batch.sizeInBytes == bytes.readableBytes else {
        throw RecordBatchError.inconsistent("a partition's data must be exactly one record batch")
      }
      return batch
    } catch { throw Refusal(error) }
  }

  private static func check(_ header: RecordBatchHeader, version: Int16) throws(Refusal) {
    if header.attributes.isControl { throw Refusal(.invalidRecord, "clients cannot write control batches") }
    if header.attributes.isTransactional { throw Refusal(.invalidTxnState, "transactions are not served") }
    guard let codec = Codec(rawValue: header.attributes.codecNumber) else {
      throw Refusal(.unsupportedCompressionType, "compression type \(header.attributes.codecNumber) does not exist")
    }
    if codec == .zstd, version < 7 {
      throw Refusal(.unsupportedCompressionType, "zstd needs Produce version 7")
    }
    guard header.count > 0, header.count == Int64(header.lastOffsetDelta) + 1 else {
      throw Refusal(
        .invalidRecord, "\(header.count) records do not fill offsets 0 to \(header.lastOffsetDelta)")
    }
    if header.hasProducer, header.baseSequence < 0 || header.producerEpoch < 0 {
      throw Refusal(.invalidRecord, "a producer id without epoch or sequence")
    }
  }

  /// Walks the records, unpacked when they are compressed: as many as the header says, offsets 0, 1, 2 …, and with keys
  /// where the topic is compacted.
  private static func checkRecords(of batch: RecordBatch, for config: TopicConfig) throws(Refusal) {
    let needsKeys = config.cleanupPolicy.contains(.compact)
    if !needsKeys, batch.header.attributes.codecNumber == Codec.none.rawValue, batch.hasPlainRecords() { return }
    let keyless: [Int]
    do {
      keyless = try batch.validateRecords(
        limit: Limits.decompressedBatchBytes, findingKeyless: needsKeys)
    } catch { throw Refusal(error) }
    guard !keyless.isEmpty else { return }
    var refusal = Refusal(.invalidRecord, "One or more records have been rejected")
    refusal.records = keyless.map {
      Refusal.Record(index: Int32($0), message: "Compacted topic cannot accept message without key")
    }
    throw refusal
  }

  /// The records stay as they are, only their compression changes: they are one stream behind the header.
  private static func recompressed(
    _ batch: RecordBatch, as codec: Codec, level: Int?
  ) throws(Refusal) -> RecordBatch {
    do {
      let from = Codec(rawValue: batch.header.attributes.codecNumber) ?? .none
      let plain = from == .none ? batch.body : try from.decompress(batch.body, limit: Limits.decompressedBatchBytes)
      var body = ByteBuffer()
      if codec == .none {
        body = plain
      } else {
        try plain.withUnsafeReadableBytes { try codec.compress($0, level: level, into: &body) }
      }
      var header = batch.header
      header.attributes.codecNumber = codec.rawValue
      header.length = Int32(BatchField.records - BatchField.lengthOverhead + body.readableBytes)
      header.crc = header.checksum(of: body)
      return RecordBatch(header: header, body: body)
    } catch {
      throw Refusal(.corruptMessage, "the batch cannot be recompressed: \(error)")
    }
  }
}

extension ProducedBatch.Refusal {
  init(_ error: RecordBatchError) {
    switch error {
    case .truncated, .badChecksum: self.init(.corruptMessage, "\(error)")
    case .unsupportedMagic, .inconsistent, .undecodable: self.init(.invalidRecord, "\(error)")
    }
  }
}

extension TopicConfig {
  /// The codec its batches are stored in; nil stores them as the producer sent them.
  var storedCodec: Codec? {
    switch compressionType {
    case .producer: nil
    case .uncompressed: Codec.none
    case .gzip: .gzip
    case .snappy: .snappy
    case .lz4: .lz4
    case .zstd: .zstd
    }
  }

  func level(of codec: Codec) -> Int? {
    switch codec {
    case .none, .snappy: nil
    // Kafka's -1 is the library's own default.
    case .gzip: compressionGzipLevel == -1 ? nil : compressionGzipLevel
    case .lz4: compressionLZ4Level
    case .zstd: compressionZstdLevel
    }
  }
}
