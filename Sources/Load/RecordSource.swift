import Base
import CMillrace
import Client
import Compression
import Model
import NIOCore

/// Makes the records of one producer: values from the pool, stamped with the next sequence number of the lane (partition
/// queue), appended to a batch. The only code of the generator that runs for each record.
final class RecordSource {
  private let payload: Payload
  private let settings: ProducerSettings
  private let isStamped: Bool
  private let key: LoadPlan.Key
  private let distinctKeys: Int?
  /// Whether each record without a key goes to the next partition.
  let isRoundRobin: Bool
  private let packing: (codec: Codec, level: Int?)?
  private var stampers: [Stamper]
  /// The next sequence number of each lane.
  private(set) var sequences: [UInt64]
  private var poolIndex: Int
  private var keys: SplitMix
  private var keyCount: UInt64 = 0
  private let keyBytes: UnsafeMutableRawBufferPointer
  private var packed = ByteBuffer()
  /// Bytes of values before and after per-message compression.
  private(set) var valueBytes = 0, packedValueBytes = 0

  /// - Parameters:
  ///   - partitions: the partition of each lane, for the stamps.
  ///   - codec: set with per-message compression only.
  init(
    _ plan: LoadPlan, payload: Payload, settings: ProducerSettings, run: Int, producer: Int, partitions: [Int32]
  ) {
    self.payload = payload
    self.settings = settings
    isStamped = plan.verifies
    key = plan.key
    distinctKeys = plan.distinctKeys
    isRoundRobin = plan.partitioner == .roundRobin
    packing = plan.compressesEachMessage ? (plan.codec, plan.level) : nil
    stampers = partitions.map { partition in
      Stamper(
        stream: StreamID(run: run, producer: producer, partition: Int(partition)), form: plan.corpus.stampForm)
    }
    sequences = Array(repeating: 0, count: partitions.count)
    // Producers that share a pool begin at different values.
    poolIndex = producer &* 7919 % payload.count
    keys = SplitMix(seed: plan.seed &+ UInt64(producer) &* 0x1234_5678_9ABC)
    keyBytes = .allocate(byteCount: 16, alignment: 8)
  }

  deinit { keyBytes.deallocate() }

  /// The sequence numbers at the last mark.
  private var marked: [UInt64] = []

  /// Marks where a transaction begins.
  func mark() { marked = sequences }

  /// Goes back to the mark: the records made since then are made again, because their transaction was aborted.
  func rewind() { sequences = marked }

  /// Returns the next record's key, of 16 hexadecimal characters; nil without keys.
  func nextKey() -> UnsafeRawBufferPointer? {
    guard key != .none else { return nil }
    var value = nextKeyValue()
    for index in stride(from: 15, through: 0, by: -1) {
      let digit = UInt8(value & 15)
      keyBytes[index] = digit < 10 ? 48 + digit : 87 + digit
      value >>= 4
    }
    return UnsafeRawBufferPointer(keyBytes)
  }

  private func nextKeyValue() -> UInt64 {
    defer { keyCount += 1 }
    switch (key, distinctKeys) {
    case (.sequence, let count?): return keyCount % UInt64(count)
    case (.sequence, nil): return keyCount
    case (_, let count?): return UInt64(keys.below(count))
    case (_, nil): return keys.next()
    }
  }

  /// Appends up to `limit` records without keys, all due at `timeNs`, until the batch is full; returns their number.
  @inline(__always)
  func append(upTo limit: Int, lane: Int, timeNs: UInt64, timestampMs: Int64, to builder: inout RecordBatchBuilder)
    -> Int
  {
    // The loop's state is in local variables: members of a class or an array would be loaded again for each record.
    var stamper = stampers[lane]
    stamper.setTime(timeNs)
    let size = payload.recordSize
    let (pool, crcs, poolCount, isStamped) = (payload.value(0), payload.restCRCs, payload.count, isStamped)
    var (sequence, index, count) = (sequences[lane], poolIndex, 0)
    while count < limit {
      // A lower bound, computed again for the last few records.
      let fitting = settings.recordsFitting(builder, valueBytes: size)
      if fitting == 0 { break }
      for _ in 0..<min(fitting, limit &- count) {
        let value = pool + index &* size
        if isStamped { stamper.stamp(value, sequence: sequence, restCRC: crcs[index]) }
        builder.append(timestamp: timestampMs, key: nil, value: UnsafeRawBufferPointer(start: value, count: size))
        sequence &+= 1
        index &+= 1
        if index == poolCount { index = 0 }
        count &+= 1
      }
    }
    stampers[lane] = stamper
    sequences[lane] = sequence
    poolIndex = index
    valueBytes += count * size
    packedValueBytes += count * size
    return count
  }

  /// Appends one record, with a key or a value compressed alone; returns the bytes of key and value, or nil and no change
  /// without room.
  func appendOne(
    lane: Int, key: UnsafeRawBufferPointer?, timeNs: UInt64, timestampMs: Int64, to builder: inout RecordBatchBuilder
  ) -> Int? {
    let size = payload.recordSize
    guard settings.hasRoom(builder, keyBytes: key?.count ?? 0, valueBytes: size) else { return nil }
    let value = payload.value(poolIndex)
    if isStamped {
      stampers[lane].setTime(timeNs)
      stampers[lane].stamp(value, sequence: sequences[lane], restCRC: payload.restCRC(poolIndex))
    }
    sequences[lane] += 1
    poolIndex = poolIndex + 1 == payload.count ? 0 : poolIndex + 1
    let bytes = UnsafeRawBufferPointer(start: value, count: size)
    valueBytes += size
    guard let packing else {
      builder.append(timestamp: timestampMs, key: key, value: bytes)
      packedValueBytes += size
      return size + (key?.count ?? 0)
    }
    packed.clear()
    do {
      try packing.codec.compress(bytes, level: packing.level, into: &packed)
    } catch {
      preconditionFailure("\(packing.codec.name) refused \(size) bytes: \(error)")
    }
    packed.withUnsafeReadableBytes { builder.append(timestamp: timestampMs, key: key, value: $0) }
    packedValueBytes += packed.readableBytes
    return packed.readableBytes + (key?.count ?? 0)
  }

  /// Whether each record needs its own partition or compression, so that records are made one at a time.
  var isOneByOne: Bool { key != .none || packing != nil || isRoundRobin }

  var valueBytesEach: Int { payload.recordSize }
}
