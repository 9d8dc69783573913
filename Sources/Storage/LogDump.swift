import Model
package import NIOCore

/// Reads a log's files, calls a function with each thing that they hold, and reports inconsistencies.
package struct LogDump {
  private let disk: any Disk
  /// Records too, not only batches.
  package var printsRecords = true
  /// The text of a record's key and value, for logs whose records are not text; nil where a record is none of those.
  package var decode: ((_ key: ByteBuffer?, _ value: ByteBuffer?) -> (key: String, payload: String)?)?
  private let emit: (LogDumpEntry) -> Void

  package init(disk: any Disk = RealDisk(), emit: @escaping (LogDumpEntry) -> Void) {
    self.disk = disk
    self.emit = emit
  }

  /// Dumps one file, or all of a partition's directory: the logs first.
  ///
  /// - Returns: what is wrong: an index entry that does not name the last offset of the batch it points at, an entry of a time index that
  ///   does not rise or names no batch with that largest timestamp, bytes that are no batch.
  package func dump(_ path: String) throws(DiskError) -> [String] {
    guard let info = try disk.info(path) else { throw DiskError("stat", path, code: DiskError.noSuchFile) }
    guard info.isDirectory else { return try dump(file: path) }
    let names = try disk.names(in: path).sorted()
    let logs = names.filter { $0.hasSuffix(Segment.logSuffix) }
    let others = [OffsetIndex.suffix, TimeIndex.suffix, TransactionIndex.suffix, ProducerSnapshot.suffix]
    var faults: [String] = []
    for name in logs + names.filter({ name in others.contains { name.hasSuffix($0) } }) {
      faults += try dump(file: "\(path)/\(name)")
    }
    return faults
  }

  private func dump(file path: String) throws(DiskError) -> [String] {
    let name = String(path.split(separator: "/").last ?? "")
    emit(.file(name: name))
    for (suffix, dump) in kinds {
      guard let base = Segment.offset(inName: name, suffix: suffix) else { continue }
      return try dump(path, base)
    }
    return ["\(name): not a file of a log"]
  }

  private typealias Dump = (String, Offset) throws(DiskError) -> [String]

  private var kinds: [(suffix: String, dump: Dump)] {
    [
      (Segment.logSuffix, dumpLog), (OffsetIndex.suffix, dumpOffsetIndex), (TimeIndex.suffix, dumpTimeIndex),
      (TransactionIndex.suffix, dumpTransactionIndex), (ProducerSnapshot.suffix, dumpSnapshot),
    ]
  }

  // MARK: The log

  private func dumpLog(_ path: String, _ base: Offset) throws(DiskError) -> [String] {
    emit(.logStart(base))
    let size = try disk.info(path)?.size ?? 0
    let file = SegmentFile(try disk.open(path, creating: false), path: path)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: BatchScan.replayBytes, alignment: 16)
    defer { buffer.deallocate() }
    var scan = BatchScan(file, from: 0, to: size, checkingCRC: false, buffer: buffer)
    var faults: [String] = []
    while true {
      switch try scan.next() {
      case .end: return faults
      case .damaged(let position): return faults + ["\(path): no whole batch at position \(position)"]
      case .batch(let header, let position):
        var bytes = ByteBuffer()
        _ = try FileRange(file: file, position: position, length: header.sizeInBytes).read(into: &bytes)
        let batch = RecordBatch(
          header: header, body: bytes.getSlice(at: BatchField.records, length: header.sizeInBytes - BatchField.records)!
        )
        let isValid = header.checksum(of: batch.body) == header.crc
        if !isValid { faults.append("\(path): wrong CRC at position \(position)") }
        emit(.batch(header, position: position, isValid: isValid))
        if printsRecords && isValid { dumpRecords(batch, path, &faults) }
      }
    }
  }

  private func dumpRecords(_ batch: RecordBatch, _ path: String, _ faults: inout [String]) {
    let header = batch.header
    let marker = header.attributes.isControl ? (try? EndTransactionMarker(reading: batch)) ?? nil : nil
    let records: [Record]
    do { records = try batch.records() } catch {
      faults.append("\(path): the records of offset \(header.baseOffset) cannot be read: \(error)")
      return
    }
    for record in records {
      let sequence =
        header.baseSequence < 0
        ? -1 : (Int64(header.baseSequence) + Int64(record.offset - header.baseOffset)) & 0x7FFF_FFFF
      emit(
        .record(
          LogDumpRecord(
            offset: record.offset, isLogAppendTime: header.attributes.isLogAppendTime, timestamp: record.timestamp,
            sequence: sequence, headerKeys: record.headers.map(\.key), key: record.key, value: record.value,
            marker: marker, decoded: marker == nil ? decode?(record.key, record.value) : nil)))
    }
  }

  // MARK: Its indexes

  private func log(beside path: String, _ base: Offset) throws(DiskError) -> Segment? {
    let directory = path.directoryPart
    guard let info = try disk.info("\(directory)/\(Segment.name(base))\(Segment.logSuffix)") else { return nil }
    return Segment(disk: disk, directory: directory, baseOffset: base, size: info.size, modifiedMs: info.modifiedMs)
  }

  private func dumpOffsetIndex(_ path: String, _ base: Offset) throws(DiskError) -> [String] {
    var index = OffsetIndex(segmentPath: String(path.dropLast(OffsetIndex.suffix.count)), base: base)
    try index.load(from: disk)
    let segment = try log(beside: path, base)
    var faults: [String] = []
    for number in 0..<index.count {
      let entry = try index.entry(number, on: disk)
      emit(.offsetIndexEntry(offset: entry.offset, position: entry.position))
      guard let segment else { continue }
      let bytes = try segment.file().file.read(BatchField.records, at: entry.position)
      let header = bytes.count < BatchField.records ? nil : bytes.withUnsafeBytes { RecordBatchHeader(reading: $0) }
      let found = header.flatMap { (try? $0.check(available: .max)) == nil ? nil : $0.lastOffset }
      if found != entry.offset {
        faults.append(
          "\(path): offset \(entry.offset) at \(entry.position), the log has \(found.map { "\($0)" } ?? "none")")
      }
    }
    return faults
  }

  private func dumpTimeIndex(_ path: String, _ base: Offset) throws(DiskError) -> [String] {
    var index = TimeIndex(segmentPath: String(path.dropLast(TimeIndex.suffix.count)), base: base)
    try index.load(from: disk)
    let newest = try newestTimestamps(beside: path, base)
    var faults: [String] = []
    var last: TimeIndex.Entry?
    for number in 0..<index.count {
      let entry = try index.entry(number, on: disk)
      emit(.timeIndexEntry(timestamp: entry.timestamp, offset: entry.offset))
      if let last, entry.timestamp <= last.timestamp { faults.append("\(path): \(entry.timestamp) does not rise") }
      last = entry
      guard let newest, newest[entry.offset] != entry.timestamp else { continue }
      let found = newest[entry.offset].map { "\($0)" } ?? "no batch that ends there"
      faults.append("\(path): timestamp \(entry.timestamp) at offset \(entry.offset), the log has \(found)")
    }
    return faults
  }

  /// The largest timestamp of each batch with records, by its last offset; nil without a log.
  private func newestTimestamps(beside path: String, _ base: Offset) throws(DiskError) -> [Offset: Int64]? {
    guard let segment = try log(beside: path, base) else { return nil }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: BatchScan.replayBytes, alignment: 16)
    defer { buffer.deallocate() }
    var scan = BatchScan(try segment.file(), from: 0, to: segment.size, checkingCRC: false, buffer: buffer)
    var newest: [Offset: Int64] = [:]
    while case .batch(let header, _) = try scan.next() {
      if header.count > 0 { newest[header.lastOffset] = header.maxTimestamp }
    }
    return newest
  }

  private func dumpTransactionIndex(_ path: String, _ base: Offset) throws(DiskError) -> [String] {
    for entry in TransactionIndex.decode(try disk.contents(of: path) ?? []) {
      emit(
        .abortedTransaction(
          producerID: entry.producerID, firstOffset: entry.firstOffset, lastOffset: entry.lastOffset,
          lastStableOffset: entry.lastStableOffset))
    }
    return []
  }

  private func dumpSnapshot(_ path: String, _ base: Offset) throws(DiskError) -> [String] {
    guard let state = ProducerSnapshot.decode(try disk.contents(of: path) ?? [], endOffset: base) else {
      return ["\(path): no producer snapshot"]
    }
    for (id, producer) in state.producers.sorted(by: { $0.key < $1.key }) { emit(.producer(id: id, producer)) }
    return []
  }
}

extension DiskError {
  /// ENOENT.
  static let noSuchFile: Int32 = 2
}
