internal import CMillrace
package import Compression
import Glibc
import Model
package import NIOCore

/// Compresses and decompresses given records by one codec, message by message or by the batch, over and over until the
/// time is up: the bare mechanism behind "compression".
///
/// What is timed is the codec alone, called as the broker and the clients call it: one stream for each message's value,
/// or one for each batch's encoded records. Encoding the records is done before, once. Codec `none` is the control: it
/// copies the bytes by the same calls. One thread; everything stays in memory.
///
/// Before measuring, every stream is decompressed and compared, and every batch finished, viewed and decoded to the
/// records given: a fast wrong codec is an error.
package struct CodecBench: Sendable {
  package enum Grouping: Sendable, Equatable {
    /// Each value is a stream of its own.
    case message
    /// Every so many records are a batch of magic 2, the last one perhaps smaller.
    case batch(records: Int)
  }

  package enum Limits {
    static let secondsMax = 600.0
    /// All records' bytes together; they are held in memory three times.
    static let payloadBytesMax = 1 << 29
    /// The base timestamp of batches: a producer's clock in milliseconds.
    static let firstTimestampMs: Int64 = 1_700_000_000_000
    /// Between two records; a day apart, the last of all records is still a time stamp.
    package static let recordIntervalMs = 0.0...86_400_000
  }

  /// One record's value.
  package typealias Record = ByteBuffer

  package var records: [Record]
  package var codec: Codec
  /// Nil for the codec's default.
  package var level: Int?
  package var grouping: Grouping
  /// Least time in all that compressing and decompressing are repeated for; at least one round each is measured.
  package var seconds: Double
  /// Between two records' time stamps, which are whole milliseconds: at 0.01 a hundred of them are alike, as with a busy producer.
  package var recordIntervalMs: Double
  /// Compresses each message with it in place of the codec; by the message only. Its own bytes are in no figure, for all messages share
  /// them.
  package var dictionary: ZstdDictionary?

  package init(
    records: [ByteBuffer], codec: Codec, level: Int? = nil, grouping: Grouping = .batch(records: 100), seconds: Double,
    recordIntervalMs: Double = 1
  ) {
    self.recordIntervalMs = recordIntervalMs
    self.records = records
    self.codec = codec
    self.level = level
    self.grouping = grouping
    self.seconds = seconds
  }

  package struct Result: Sendable, Equatable {
    /// Records, streams and bytes are those of one round.
    package var records: Int
    package var streams: Int
    /// The values alone.
    package var payloadBytes: Int
    /// What the codec is given: the values, or encoded records (some 8 bytes more each).
    package var inputBytes: Int
    /// What the codec gives.
    package var compressedBytes: Int
    /// `compressedBytes`, and 61 bytes of header for each batch.
    package var storedBytes: Int
    package var rounds: Int
    package var compressSeconds: Double
    package var decompressSeconds: Double
    package var compressCPUSeconds: Double
    package var decompressCPUSeconds: Double
    /// CRC-32C over all compressed streams of a round.
    package var checksum: UInt32

    /// Payload bytes over stored bytes: what a user saves.
    package var ratio: Double { Double(payloadBytes) / Double(storedBytes) }
    /// MB (10^6 bytes) of payload a second.
    package var compressMBPerSecond: Double { measuredBytes / 1e6 / compressSeconds }
    package var decompressMBPerSecond: Double { measuredBytes / 1e6 / decompressSeconds }
    package var compressCPUSecondsPerGB: Double { compressCPUSeconds / (measuredBytes / 1e9) }
    package var decompressCPUSecondsPerGB: Double { decompressCPUSeconds / (measuredBytes / 1e9) }

    private var measuredBytes: Double { Double(payloadBytes) * Double(rounds) }
  }

  /// Of all values together.
  package static func bytes(of records: [Record]) -> Int { records.reduce(0) { $0 + $1.readableBytes } }

  package func run() throws(MechanismError) -> Result {
    try checkPlan()
    let inputs = try encoded()
    var streams = Streams()
    try compress(inputs, into: &streams)
    try verify(inputs, streams)
    let streamBytes = streams.bytes.readableBytes
    var result = Result(
      records: records.count, streams: inputs.count, payloadBytes: records.reduce(0) { $0 + $1.readableBytes },
      inputBytes: inputs.reduce(0) { $0 + $1.readableBytes }, compressedBytes: streamBytes,
      storedBytes: streamBytes + (grouping == .message ? 0 : inputs.count * BatchField.records), rounds: 0,
      compressSeconds: 0, decompressSeconds: 0, compressCPUSeconds: 0, decompressCPUSeconds: 0,
      checksum: streams.checksum)
    var rounds: [Progress.Moment] = []
    repeat {
      let start = Moment()
      try compress(inputs, into: &streams)
      let middle = Moment()
      try decompress(streams, inputs)
      let end = Moment()
      result.compressSeconds += middle.seconds - start.seconds
      result.decompressSeconds += end.seconds - middle.seconds
      result.compressCPUSeconds += middle.cpuSeconds - start.cpuSeconds
      result.decompressCPUSeconds += end.cpuSeconds - middle.cpuSeconds
      result.rounds += 1
      rounds.append(
        Progress.Moment(
          seconds: result.compressSeconds + result.decompressSeconds, bytes: result.payloadBytes * result.rounds))
      guard streams.bytes.readableBytes == streamBytes else {
        throw .corrupted("\(codec.name) gave \(streams.bytes.readableBytes) bytes for what gave \(streamBytes) before")
      }
    } while result.compressSeconds + result.decompressSeconds < seconds
    Progress.shared.replace(rounds)
    return result
  }

  private func checkPlan() throws(MechanismError) {
    guard dictionary == nil || codec == .zstd && grouping == .message else {
      throw .badPlan("a dictionary is for zstd, message by message")
    }
    guard seconds >= 0, seconds <= Limits.secondsMax else { throw .badPlan("seconds \(seconds): 0 to 600") }
    guard !records.isEmpty else { throw .badPlan("no records") }
    guard Limits.recordIntervalMs.contains(recordIntervalMs) else {
      throw .badPlan("\(recordIntervalMs) ms between records: 0 to \(Limits.recordIntervalMs.upperBound)")
    }
    let bytes = records.reduce(0) { $0 + $1.readableBytes }
    guard bytes > 0, bytes <= Limits.payloadBytesMax else {
      throw .badPlan("\(bytes) bytes of records: 1 to \(Limits.payloadBytesMax)")
    }
    if case .batch(let count) = grouping, count < 1 { throw .badPlan("batches of \(count) records") }
  }
}

/// Clock and CPU time together; only differences mean anything.
private struct Moment {
  let seconds = Double(nowNanoseconds()) / 1e9
  let cpuSeconds = threadClockSeconds(CLOCK_THREAD_CPUTIME_ID)
}

/// Compressed streams one after another in one buffer, and where each ends: no allocation a stream.
private struct Streams {
  var bytes = ByteBuffer()
  var ends: [Int] = []

  mutating func clear() {
    bytes.clear()
    ends.removeAll(keepingCapacity: true)
  }

  var checksum: UInt32 {
    bytes.withUnsafeReadableBytes { millrace_crc32c(0, $0.baseAddress, $0.count) }
  }
}

extension CodecBench {
  /// What each stream holds: a value, or a batch's records.
  private func encoded() throws(MechanismError) -> [ByteBuffer] {
    guard case .batch(let count) = grouping else { return records }
    return try batches(of: count, codec: .none).map { $0.body }
  }

  private func batches(of count: Int, codec: Codec) throws(MechanismError) -> [RecordBatch] {
    var builder = RecordBatchBuilder(capacity: 64 << 10)
    var batches: [RecordBatch] = []
    for from in stride(from: 0, to: records.count, by: count) {
      for index in from..<min(from + count, records.count) {
        records[index].withUnsafeReadableBytes { value in
          builder.append(timestamp: timestamp(of: index), key: nil, value: value)
        }
      }
      do {
        batches.append(try RecordBatch(viewing: try builder.finish(codec: codec, level: level)))
      } catch {
        throw .badPlan("\(codec.name): \(error)")
      }
    }
    return batches
  }

  private func timestamp(of index: Int) -> Int64 {
    // At most 2^29 records a day apart: far from the end of Int64.
    Limits.firstTimestampMs + Int64(Double(index) * recordIntervalMs)
  }

  private func compress(_ inputs: [ByteBuffer], into streams: inout Streams) throws(MechanismError) {
    streams.clear()
    do {
      for input in inputs {
        try input.withUnsafeReadableBytes { try compress($0, into: &streams.bytes) }
        streams.ends.append(streams.bytes.readableBytes)
      }
    } catch {
      throw .badPlan("\(codec.name): \(error)")
    }
  }

  private func compress(_ input: UnsafeRawBufferPointer, into output: inout ByteBuffer) throws {
    guard let dictionary else { return try codec.compress(input, level: level, into: &output) }
    try dictionary.compress(input, into: &output)
  }

  private func decompress(_ stream: UnsafeRawBufferPointer, limit: Int, into output: inout ByteBuffer) throws {
    guard let dictionary else { return try codec.decompress(stream, limit: limit, into: &output) }
    try dictionary.decompress(stream, limit: limit, into: &output)
  }

  private func decompress(_ streams: Streams, _ inputs: [ByteBuffer]) throws(MechanismError) {
    var output = ByteBuffer()
    do {
      try streams.bytes.withUnsafeReadableBytes { all in
        var start = 0
        for (end, input) in zip(streams.ends, inputs) {
          output.clear()
          let stream = UnsafeRawBufferPointer(rebasing: all[start..<end])
          try decompress(stream, limit: input.readableBytes, into: &output)
          guard output.readableBytes == input.readableBytes else {
            throw MechanismError.corrupted("\(output.readableBytes) bytes of \(input.readableBytes) came back")
          }
          start = end
        }
      }
    } catch let error as MechanismError {
      throw error
    } catch {
      throw .corrupted("\(codec.name): \(error)")
    }
  }

  private func verify(_ inputs: [ByteBuffer], _ streams: Streams) throws(MechanismError) {
    do {
      var start = 0
      for (end, input) in zip(streams.ends, inputs) {
        let stream = streams.bytes.getSlice(at: start, length: end - start) ?? ByteBuffer()
        var output = ByteBuffer()
        try stream.withUnsafeReadableBytes { try decompress($0, limit: input.readableBytes, into: &output) }
        guard output == input else {
          throw MechanismError.corrupted("\(codec.name): a stream came back as other bytes")
        }
        start = end
      }
      guard case .batch(let count) = grouping else { return }
      var values: [ByteBuffer?] = []
      values.reserveCapacity(records.count)
      for batch in try batches(of: count, codec: codec) { values += try batch.records().map(\.value) }
      guard values == records else { throw MechanismError.corrupted("\(codec.name): records came back as others") }
    } catch let error as MechanismError {
      throw error
    } catch {
      throw .corrupted("\(codec.name): \(error)")
    }
  }
}
