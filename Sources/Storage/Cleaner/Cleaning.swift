import Base
package import Model
import NIOCore

/// One cleaning of one log: keeps of each key the last record, and leaves the others out.
///
/// ```
/// let plan = partition.withLock { $0.log.planCleaning(…) }                    // then the log is flushed
/// let cleaning = Cleaning(plan, resources, hash)
/// while true {
///   switch try cleaning.advance(bytes: 4 << 20) {                              // without the lock
///   case .worked: continue
///   case .cleaned(let group): partition.withLock { $0.log.replace(with: group, …) }   // renames; then cleaning.syncNames()
///   case .finished(let end): partition.withLock { $0.log.cleaned(to: end) }
///   }
/// }
/// ```
///
/// It reads the dirty part first, for the offset of each key's last record (`OffsetMap`), as far as the map has room. Then it reads the log from
/// its first segment to there, and writes what stays to new segments. A record stays if it is the last of its key, and one without a
/// value only until its batch's delete horizon; records of aborted transactions and records without a key do not. A batch whose
/// records all stay is copied as it is.
///
/// Batches without records are few, because a client that gets nothing but those takes its fetch size for too small (librdkafka). Kept are the
/// last batch of each producer that the log knows, and the last one that the cleaning has read, as in Kafka: it says how far the log was
/// cleaned, and goes with the next cleaning.
///
/// Used by one thread at a time.
package final class Cleaning {
  /// What an `advance` has come to.
  package enum Step: Sendable {
    /// More is to be done.
    case worked
    /// A segment is to be put in place.
    case cleaned(CleanedGroup)
    /// All is done: the log is clean up to there.
    case finished(Offset)
  }

  private enum Phase {
    case mapping(source: Int)
    case cleaning(group: Int, source: Int)
    case finished
  }

  private let plan: CleaningPlan
  private let resources: CleaningResources
  private let map: OffsetMap
  private let reader: BatchReader
  private var filter = BatchFilter()
  private var phase: Phase
  private var transactions: CleanedTransactions
  /// What is clean when the cleaning has ended, and where the map ends.
  private var cleanedTo: Offset
  /// The offset after the last batch below that.
  private var lastBatchEnd: Offset
  private var groups: [Range<Int>] = []
  private var output: CleanedSegment?
  /// The first source of the segment that was written last.
  private var written: CleaningSource?
  private var isReading = false
  /// Bytes that were read to find the last record of each key.
  private var bytesMapped = 0
  /// Bytes that were read to be copied, and those of them that were written.
  package private(set) var bytesRead = 0
  package private(set) var bytesWritten = 0
  /// Bytes that were read and written.
  package var bytesMoved: Int { bytesMapped + bytesRead + bytesWritten }

  package init(_ plan: CleaningPlan, _ resources: CleaningResources, hash: KeyHash128) {
    self.plan = plan
    self.resources = resources
    map = OffsetMap(
      bytes: resources.dedupeBytes, keysMax: plan.keysMax, loadFactor: resources.loadFactor, hash: hash)
    reader = BatchReader(bytes: resources.bufferBytes)
    transactions = CleanedTransactions(aborted: plan.aborted)
    cleanedTo = plan.firstDirtyOffset
    lastBatchEnd = cleanedTo
    phase = .mapping(source: plan.sources.firstIndex { $0.endOffset > plan.firstDirtyOffset } ?? plan.sources.count)
  }

  /// The memory of the map and of the buffers, in bytes; decompressed batches come on top.
  package var memoryBytes: Int { map.memoryBytes + reader.memoryBytes + resources.bufferBytes }

  /// Goes on for so many bytes, or to the next segment that is ready; waits for the disk.
  package func advance(bytes: Int) throws(CleaningError) -> Step {
    let end = bytesMoved + max(1, bytes)
    while bytesMoved < end {
      switch phase {
      case .mapping(let source): try mapNext(source)
      case .cleaning(let group, let source):
        if let cleaned = try cleanNext(source, of: group) { return .cleaned(cleaned) }
      case .finished: return .finished(cleanedTo)
      }
    }
    return .worked
  }

  /// Makes the names of a segment that was put in place durable: call it before the next `advance`.
  package func syncNames() throws(CleaningError) {
    do { try plan.disk.syncDirectory(plan.directory) } catch { throw .disk(error) }
  }

  /// Removes what has been written and not put in place.
  package func abandon() {
    reader.finish()
    output = nil
    if let written { CleanedSegment.remove(at: path(written), on: plan.disk) }
  }

  /// The segments that are not replaced yet, of which the log must still consist.
  package var sourcesLeft: [CleaningSource] {
    switch phase {
    case .mapping: plan.sources
    case .cleaning(let group, _): Array(plan.sources[groups[group].lowerBound...])
    case .finished: []
    }
  }

  // MARK: Keys

  /// Takes the next batch into the map.
  private func mapNext(_ index: Int) throws(CleaningError) {
    guard index < plan.sources.count else { return try mapped(upTo: plan.firstUncleanableOffset) }
    if !isReading { try begin(plan.sources[index]) }
    guard let (header, bytes) = try reader.next() else {
      isReading = false
      return phase = .mapping(source: index + 1)
    }
    bytesMapped += bytes.count
    let isDirty = header.lastOffset >= plan.firstDirtyOffset
    if header.attributes.isControl {
      _ = transactions.read(header, endingAs: try outcome(header, bytes))
    } else if !transactions.read(header), isDirty, try !takeKeys(header, bytes) {
      guard cleanedTo > plan.firstDirtyOffset else { throw .tooManyKeys(memoryBytes: map.memoryBytes) }
      return try mapped(upTo: cleanedTo)
    }
    if isDirty { cleanedTo = header.nextOffset }
  }

  /// Returns false when the map has no room for all keys of the batch.
  private func takeKeys(_ header: RecordBatchHeader, _ bytes: UnsafeRawBufferPointer) throws(CleaningError) -> Bool {
    var isFull = false
    try withRecords(header, bytes) { records throws(RecordBatchError) in
      var walk = RecordWalk(header, records)
      while let view = try walk.next() {
        guard let key = view.key, view.offset >= plan.firstDirtyOffset else { continue }
        guard map.put(key, view.offset) else { return isFull = true }
      }
    }
    return !isFull
  }

  /// Begins with the second reading.
  private func mapped(upTo end: Offset) throws(CleaningError) {
    lastBatchEnd = cleanedTo
    cleanedTo = end
    isReading = false
    reader.finish()
    transactions = CleanedTransactions(aborted: plan.aborted)
    var sources = Array(plan.sources.prefix { $0.baseOffset < end })
    for index in sources.indices {
      sources[index].offsetIndexBytes = try fileBytes(sources[index], OffsetIndex.suffix)
      sources[index].timeIndexBytes = try fileBytes(sources[index], TimeIndex.suffix)
    }
    groups = CleaningSource.groups(
      sources, segmentBytes: plan.config.segmentBytes, indexBytes: plan.config.segmentIndexBytes)
    phase = groups.isEmpty ? .finished : .cleaning(group: 0, source: 0)
  }

  private func fileBytes(_ source: CleaningSource, _ suffix: String) throws(CleaningError) -> Int {
    do { return try plan.disk.info(path(source) + suffix)?.size ?? 0 } catch { throw .disk(error) }
  }

  // MARK: Records

  /// Writes what stays of the next batch; returns the group when it is complete.
  private func cleanNext(_ index: Int, of number: Int) throws(CleaningError) -> CleanedGroup? {
    let group = groups[number]
    if output == nil { output = try makeOutput(group) }
    if !isReading { try begin(plan.sources[index]) }
    if let (header, bytes) = try reader.next() {
      bytesRead += bytes.count
      try clean(header, bytes)
      return nil
    }
    isReading = false
    if index + 1 < group.upperBound {
      phase = .cleaning(group: number, source: index + 1)
      return nil
    }
    return try complete(number)
  }

  private func makeOutput(_ group: Range<Int>) throws(CleaningError) -> CleanedSegment {
    let first = plan.sources[group.lowerBound]
    written = first
    do {
      return try CleanedSegment(
        in: plan.directory, on: plan.disk, baseOffset: first.baseOffset, config: plan.config,
        modifiedMs: plan.sources[group.upperBound - 1].modifiedMs, bufferBytes: resources.bufferBytes)
    } catch { throw .disk(error) }
  }

  private func complete(_ number: Int) throws(CleaningError) -> CleanedGroup {
    guard let output else { preconditionFailure("a group is complete that has no segment") }
    reader.finish()
    do { try output.finish() } catch { throw .disk(error) }
    let sources = Array(plan.sources[groups[number]])
    let cleaned = CleanedGroup(
      sources: sources, bytes: output.bytes, modifiedMs: sources[sources.count - 1].modifiedMs,
      generation: plan.generation, durableEnd: plan.durableEnd)
    self.output = nil
    let next = number + 1
    phase = next < groups.count ? .cleaning(group: next, source: groups[next].lowerBound) : .finished
    return cleaned
  }

  private func clean(_ header: RecordBatchHeader, _ bytes: UnsafeRawBufferPointer) throws(CleaningError) {
    if header.attributes.isControl { return try cleanControl(header, bytes) }
    if transactions.read(header) { return try drop(header) }
    // Beyond the map nothing is known of the keys.
    if header.baseOffset >= cleanedTo { return try write(header, bytes) }
    let isPastHorizon = isPastHorizon(header)
    let map = map
    var rebuilt: ByteBuffer?
    var keptCount = 0
    try withRecords(header, bytes) { records throws(RecordBatchError) in
      try filter.sift(header, records) { view in
        guard let key = view.key, view.offset >= map.offset(of: key) ?? 0 else { return false }
        return view.value != nil || !isPastHorizon
      }
      keptCount = filter.keptCount
      let horizonMs = filter.keepsTombstone ? newHorizonMs(header) : nil
      if keptCount > 0, keptCount < Int(header.count) || horizonMs != nil {
        rebuilt = try filter.rebuilt(header, records, horizonMs: horizonMs)
      }
    }
    if keptCount == 0 { return try drop(header) }
    guard let rebuilt else { return try write(header, bytes) }
    try write(rebuilt)
  }

  /// A transaction marker stays while its transaction's records do, and then until the delete horizon that the next cleaning gives it.
  private func cleanControl(_ header: RecordBatchHeader, _ bytes: UnsafeRawBufferPointer) throws(CleaningError) {
    let role = transactions.read(header, endingAs: try outcome(header, bytes))
    #if DEBUG
    if PlantedFault.removesMarkersTooEarly.isPlanted, case .needed = role { return try drop(header) }
    #endif
    switch role {
    case .unknown: try write(header, bytes)
    case .needed(let aborted):
      if let aborted, let output { do { try output.append(aborted) } catch { throw .disk(error) } }
      try write(header, bytes)
    case .outlived where header.count == 0 || isPastHorizon(header): try drop(header)
    case .outlived:
      guard let horizonMs = newHorizonMs(header) else { return try write(header, bytes) }
      var rebuilt = ByteBuffer()
      try withRecords(header, bytes) { records throws(RecordBatchError) in
        try filter.sift(header, records) { _ in true }
        rebuilt = try filter.rebuilt(header, records, horizonMs: horizonMs)
      }
      try write(rebuilt)
    }
  }

  private func isPastHorizon(_ header: RecordBatchHeader) -> Bool {
    #if DEBUG
    if PlantedFault.removesTombstonesTooEarly.isPlanted { return true }
    #endif
    return header.attributes.hasDeleteHorizon && header.baseTimestamp <= plan.nowMs
  }

  /// The horizon of a batch that has none yet.
  private func newHorizonMs(_ header: RecordBatchHeader) -> Int64? {
    header.attributes.hasDeleteHorizon ? nil : plan.nowMs.addingClamped(plan.config.deleteRetentionMs)
  }

  /// Leaves a batch out, or keeps it without records.
  private func drop(_ header: RecordBatchHeader) throws(CleaningError) {
    if header.nextOffset == lastBatchEnd || isLastOfProducer(header) { try write(header.emptied) }
  }

  private func isLastOfProducer(_ header: RecordBatchHeader) -> Bool {
    guard header.hasProducer else { return false }
    switch plan.lastRecords[header.producerID] {
    case .batch(let lastOffset): return header.lastOffset == lastOffset
    case .marker(let epoch): return header.attributes.isControl && header.producerEpoch == epoch
    case nil: return false
    }
  }

  private func write(_ batch: ByteBuffer) throws(CleaningError) {
    try batch.withUnsafeReadableBytes { bytes throws(CleaningError) in
      try write(RecordBatchHeader(reading: bytes), bytes)
    }
  }

  private func write(_ header: RecordBatchHeader, _ bytes: UnsafeRawBufferPointer) throws(CleaningError) {
    bytesWritten += bytes.count
    do { try output?.append(header, bytes) } catch { throw .disk(error) }
  }

  // MARK: Reading

  private func path(_ source: CleaningSource) -> String { "\(plan.directory)/\(Segment.name(source.baseOffset))" }

  private func begin(_ source: CleaningSource) throws(CleaningError) {
    let path = path(source) + Segment.logSuffix
    // Not the segment's own file, which would stay open.
    let file: SegmentFile
    do { file = SegmentFile(try plan.disk.open(path, creating: false), path: path) } catch { throw .disk(error) }
    reader.begin(file, to: source.bytes, offsets: source.baseOffset..<max(source.baseOffset, source.endOffset))
    isReading = true
  }

  /// Nil for a control batch that ends no transaction.
  private func outcome(
    _ header: RecordBatchHeader, _ bytes: UnsafeRawBufferPointer
  ) throws(CleaningError) -> EndTransactionMarker.Outcome? {
    let batch = RecordBatch(header: header, body: body(bytes))
    do throws(RecordBatchError) { return try EndTransactionMarker(reading: batch)?.outcome } catch {
      throw damaged(header, "\(error)")
    }
  }

  /// Lends the batch's records, uncompressed.
  private func withRecords(
    _ header: RecordBatchHeader, _ bytes: UnsafeRawBufferPointer,
    _ body: (UnsafeRawBufferPointer) throws(RecordBatchError) -> Void
  ) throws(CleaningError) {
    do throws(RecordBatchError) {
      guard header.attributes.codecNumber != 0 else {
        return try body(UnsafeRawBufferPointer(rebasing: bytes[BatchField.records...]))
      }
      let batch = RecordBatch(header: header, body: self.body(bytes))
      try batch.recordBytes(limit: CleanerLimits.unpackedBatchBytes).withUnsafeReadableBytes(body)
    } catch { throw damaged(header, "\(error)") }
  }

  private func body(_ bytes: UnsafeRawBufferPointer) -> ByteBuffer {
    ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: bytes[BatchField.records...]))
  }

  private func damaged(_ header: RecordBatchHeader, _ problem: String) -> CleaningError {
    reader.damaged(problem, at: reader.position - header.sizeInBytes)
  }
}

/// Every bound of the cleaner that is not a configuration key.
enum CleanerLimits {
  /// Bytes that one compressed batch may unpack to: as many as a produced one may. A log with a larger one is not cleaned.
  static let unpackedBatchBytes = 256 << 20
}
