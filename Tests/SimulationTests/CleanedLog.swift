import Glibc
import Model
import NIOCore
import Storage

/// A compacted log on the real disk, of which every record has the same key.
struct CleanedLog {
  private let directory: String
  private let log: Log

  init() throws {
    let place = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(place)/millrace-cleaned-XXXXXX".utf8CString)
    guard template.withUnsafeMutableBufferPointer({ mkdtemp($0.baseAddress!) != nil }) else {
      throw DiskError("mkdtemp", place, code: errno)
    }
    directory = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    var config = LogConfig()
    config.compacts = true
    log = try Log.create(
      disk: RealDisk(), directory: "\(directory)/t-0", partition: TopicPartition("t", 0), topicID: nil, config: config,
      nowMs: 0)
  }

  func remove() {
    let disk = RealDisk()
    for name in (try? disk.names(in: "\(directory)/t-0")) ?? [] { try? disk.remove("\(directory)/t-0/\(name)") }
    try? disk.removeDirectory("\(directory)/t-0")
    try? disk.removeDirectory(directory)
  }

  /// Appends a record, in a transaction if it has a producer, and closes its segment.
  func append(_ value: String, producer: Int64) throws {
    var builder = RecordBatchBuilder(capacity: 256)
    builder.append(
      Record(offset: 0, timestamp: 0, key: ByteBuffer(string: "key"), value: ByteBuffer(string: value)))
    let bytes = try builder.finish(
      producerID: producer, producerEpoch: producer < 0 ? -1 : 0, baseSequence: producer < 0 ? -1 : 0,
      isTransactional: producer >= 0)
    _ = try log.append(RecordBatch(viewing: bytes), leaderEpoch: 0, nowMs: 0)
    try log.roll(nowMs: 0)
  }

  func abort(_ producer: Int64) throws {
    let marker = EndTransactionMarker(.abort, coordinatorEpoch: 0).batch(
      producerID: producer, producerEpoch: 0, timestamp: 0)
    _ = try log.append(RecordBatch(viewing: marker), leaderEpoch: 0, nowMs: 0)
  }

  /// Cleans all that may be cleaned.
  func clean() throws {
    try log.flush(nowMs: 0)
    guard let plan = try log.planCleaning(highWatermark: log.logEndOffset, nowMs: 0) else { return }
    let cleaning = Cleaning(
      plan, CleaningResources(dedupeBytes: 4096, loadFactor: 0.9, bufferBytes: 4096), hash: KeyHash128(key: 1, 2))
    while true {
      switch try cleaning.advance(bytes: 1 << 20) {
      case .worked: continue
      case .cleaned(let group): _ = try log.replace(with: group, recoveryPoint: log.flushedOffset, nowMs: 0)
      case .finished(let end): return log.cleaned(plan, to: end)
      }
    }
  }

  /// The values in the log, in their order.
  func values() throws -> [String] {
    var values: [String] = []
    var offset = log.logStartOffset
    while offset < log.logEndOffset {
      let slice = try log.read(from: offset, upTo: log.logEndOffset, maxBytes: 1, atLeastOneBatch: true)
      let batch = try RecordBatch(viewing: slice.bytes())
      if !batch.header.attributes.isControl {
        values += try batch.records().map { String(buffer: $0.value ?? ByteBuffer()) }
      }
      offset = slice.nextOffset
    }
    return values
  }
}
