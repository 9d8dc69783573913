import Compression
package import Model
package import NIOCore

/// The checks that make a produced batch fit for the log, before any lock is taken: the rules Kafka's broker has for what
/// a producer sends, and recompression where the topic wants a codec of its own.
package enum ProducedBatch {
  /// Reads the one batch a partition's data must be. Its header then says the largest timestamp of its records, and that the
  /// producer set them: what a producer writes there is not believed.
  ///
  /// - Parameters:
  ///   - version: of the Produce request; message sets older than Kafka 0.11 are converted up to version 2, zstd is
  ///     allowed from 7.
  ///   - nowMs: the clock that the topic's limits on timestamps count from.
  ///   - allowance: bytes that the request's batches may still unpack to; what this one takes is taken off.
  /// - Throws: why the batch is refused; the error says nothing when `allowance.wantsOffload` is set.
  package static func checked(
    _ bytes: ByteBuffer?, for config: TopicConfig, version: Int16, nowMs: Int64, allowance: inout UnpackAllowance
  ) throws(ProduceError) -> RecordBatch {
    guard let bytes, bytes.readableBytes > 0 else { throw ProduceError(.invalidRecord, "no record batch") }
    let batch = try read(bytes, version: version, &allowance)
    try check(batch.header, version: version)
    if batch.sizeInBytes > config.maxMessageBytes {
      throw ProduceError(.messageTooLarge, "\(batch.sizeInBytes) bytes; max.message.bytes is \(config.maxMessageBytes)")
    }
    if batch.header.attributes.codecNumber == Codec.lz4.rawValue, let objection = JavaLZ4.objection(to: batch.body) {
      throw ProduceError(.corruptMessage, "lz4: \(objection)")
    }
    let maxTimestamp = try checkRecords(of: batch, for: config, nowMs: nowMs, &allowance)
    let isHeaderRight = batch.header.maxTimestamp == maxTimestamp && !batch.header.attributes.isLogAppendTime
    if isHeaderRight, config.storedCodec == nil { return batch }
    return try stored(batch, maxTimestamp: maxTimestamp, for: config, &allowance)
  }

  /// The batch as the topic has it stored, where that is not as it was sent.
  @inline(never)
  private static func stored(
    _ sent: RecordBatch, maxTimestamp: Int64, for config: TopicConfig, _ allowance: inout UnpackAllowance
  ) throws(ProduceError) -> RecordBatch {
    var batch = sent
    batch.header.maxTimestamp = maxTimestamp
    batch.header.attributes.isLogAppendTime = false
    if let codec = config.storedCodec, codec != Codec(rawValue: batch.header.attributes.codecNumber) {
      return try recompressed(batch, as: codec, level: config.level(of: codec), &allowance)
    }
    // LogAppendTime changes the header once more, where the clock is read.
    if batch.header != sent.header, !config.timestampIsLogAppendTime {
      batch.header.crc = batch.header.checksum(of: batch.body)
    }
    return batch
  }

  private static func read(
    _ bytes: ByteBuffer, version: Int16, _ allowance: inout UnpackAllowance
  ) throws(ProduceError) -> RecordBatch {
    do throws(RecordBatchError) {
      if let magic = MessageSet.magic(of: bytes) {
        guard version < 3 else { throw RecordBatchError.unsupportedMagic(magic) }
        return try unpacking(&allowance) { limit throws(RecordBatchError) in
          let batch = try RecordBatch(converting: bytes, limit: limit)
          return (batch, max(0, batch.sizeInBytes - bytes.readableBytes))
        }
      }
      let batch = try RecordBatch(viewing: bytes)
      guard batch.sizeInBytes == bytes.readableBytes else {
        throw RecordBatchError.inconsistent("a partition's data must be exactly one record batch")
      }
      return batch
    } catch { throw ProduceError(error) }
  }

  private static func check(_ header: RecordBatchHeader, version: Int16) throws(ProduceError) {
    if header.attributes.isControl { throw ProduceError(.invalidRecord, "clients cannot write control batches") }
    if header.attributes.isTransactional, !header.hasProducer {
      throw ProduceError(.invalidRecord, "a transactional batch without a producer id")
    }
    guard let codec = Codec(rawValue: header.attributes.codecNumber) else {
      throw ProduceError(
        .unsupportedCompressionType, "compression type \(header.attributes.codecNumber) does not exist")
    }
    if codec == .zstd, version < 7 {
      throw ProduceError(.unsupportedCompressionType, "zstd needs Produce version 7")
    }
    guard header.count > 0, header.count == Int64(header.lastOffsetDelta) + 1 else {
      throw ProduceError(
        .invalidRecord, "\(header.count) records do not fill offsets 0 to \(header.lastOffsetDelta)")
    }
    if header.hasProducer, header.baseSequence < 0 || header.producerEpoch < 0 {
      throw ProduceError(.invalidRecord, "a producer id without epoch or sequence")
    }
  }

  /// Walks the records, unpacked when they are compressed: as many as the header says, offsets 0, 1, 2 …, of times that the topic
  /// takes, and with keys where it is compacted. Returns the largest timestamp, -1 when no record has one.
  private static func checkRecords(
    of batch: RecordBatch, for config: TopicConfig, nowMs: Int64, _ allowance: inout UnpackAllowance
  ) throws(ProduceError) -> Int64 {
    let needsKeys = config.cleanupPolicy.contains(.compact)
    let times = config.timestampsTaken(nowMs: nowMs)
    if !needsKeys, batch.header.attributes.codecNumber == Codec.none.rawValue, let plain = batch.plainTimestamps(),
      plain.lowerBound >= times.lowerBound, plain.upperBound <= times.upperBound
    {
      return max(-1, plain.upperBound)
    }
    let findings: RecordFindings
    do {
      findings = try unpacking(&allowance) { limit throws(RecordBatchError) in
        let found = try batch.validateRecords(
          limit: limit, timestamps: times, findingKeyless: needsKeys, faultsMax: Limits.recordErrors)
        return (found, batch.header.attributes.codecNumber == Codec.none.rawValue ? 0 : found.unpackedBytes)
      }
    } catch { throw ProduceError(error) }
    guard findings.faults.isEmpty else { throw ProduceError(findings.faults, times) }
    return findings.maxTimestamp
  }

  /// Lets `body` unpack what the request still may, at most a batch's limit, and takes off what it says that it has. A batch that
  /// fails for the limit has used it up; one that fails for the event loop's limit is to be checked off the loop.
  private static func unpacking<Result>(
    _ allowance: inout UnpackAllowance, _ body: (_ limit: Int) throws(RecordBatchError) -> (Result, unpacked: Int)
  ) throws(RecordBatchError) -> Result {
    let most = min(allowance.bytes, Limits.decompressedBatchBytes)
    let limit = min(most, allowance.onLoop)
    do throws(RecordBatchError) {
      let (result, unpacked) = try body(limit)
      allowance.bytes -= unpacked
      allowance.onLoop -= unpacked
      return result
    } catch {
      if case .unpacksTooLarge = error {
        if limit < most { allowance.wantsOffload = true } else { allowance.bytes -= limit }
      }
      throw error
    }
  }

  /// The records stay as they are, only their compression changes: they are one stream behind the header.
  private static func recompressed(
    _ batch: RecordBatch, as codec: Codec, level: Int?, _ allowance: inout UnpackAllowance
  ) throws(ProduceError) -> RecordBatch {
    do {
      let from = Codec(rawValue: batch.header.attributes.codecNumber) ?? .none
      let limit = min(Limits.decompressedBatchBytes, allowance.onLoop / Limits.recompressionCost)
      let plain: ByteBuffer
      do throws(CompressionError) { plain = try from.decompress(batch.body, limit: limit) } catch {
        if case .tooLarge = error { allowance.wantsOffload = allowance.isOnLoop }
        throw error
      }
      allowance.onLoop -= plain.readableBytes * Limits.recompressionCost
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
      throw ProduceError(.corruptMessage, "the batch cannot be recompressed: \(error)")
    }
  }
}

/// The bytes that a request's batches may still unpack to.
package struct UnpackAllowance {
  package var bytes: Int
  /// How many of them on the event loop, where other connections wait meanwhile. Off the loop as many as there are.
  fileprivate(set) var onLoop: Int
  fileprivate let isOnLoop: Bool
  /// The batch that was looked at last unpacks to more than may be on the event loop: it is to be checked off the loop.
  fileprivate(set) var wantsOffload = false

  /// The whole of a request that is served on an event loop.
  package init(bytes: Int = Limits.unpackedRequestBytes) {
    self.bytes = bytes
    onLoop = Limits.unpackedOnLoopBytes
    isOnLoop = true
  }

  /// What is left of `allowance`, to be used off the event loop.
  init(offLoop allowance: UnpackAllowance) {
    bytes = allowance.bytes
    onLoop = .max
    isOnLoop = false
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

  /// What the timestamps of records that come at `nowMs` may be.
  func timestampsTaken(nowMs: Int64) -> ClosedRange<Int64> {
    guard !timestampIsLogAppendTime else { return .min ... .max }
    let earliest = timestampBeforeMaxMs == .max ? .min : nowMs.subtractingClamped(timestampBeforeMaxMs)
    return earliest...max(earliest, nowMs.addingClamped(timestampAfterMaxMs))
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
