import Model

extension Log {
  /// Checks the indexes by the rules of Kafka's dump tool: an offset entry names the last offset of the batch
  /// that begins at its position; a time entry the last offset of a batch with that largest timestamp; both rise. Reads
  /// all batch headers: for tools and tests.
  package func indexFaults() throws(DiskError) -> [String] {
    var faults: [String] = []
    for segment in segments { faults += try indexFaults(of: segment) }
    return faults
  }

  private func indexFaults(of segment: Segment) throws(DiskError) -> [String] {
    var atPosition: [Int: RecordBatchHeader] = [:]
    var atLastOffset: [Offset: RecordBatchHeader] = [:]
    _ = try scan(segment, from: 0) { header, position -> Bool? in
      atPosition[position] = header
      atLastOffset[header.lastOffset] = header
      return nil
    }
    var faults: [String] = []
    try segment.offsetIndex.load(from: disk)
    var lastPosition = -1
    for index in 0..<segment.offsetIndex.count {
      let entry = try segment.offsetIndex.entry(index, on: disk)
      let found = atPosition[entry.position]?.lastOffset
      if found != entry.offset {
        faults.append("\(segment.path).index: offset \(entry.offset) at \(entry.position), the log has \(found ?? -1)")
      }
      if entry.position <= lastPosition { faults.append("\(segment.path).index: \(entry.position) does not rise") }
      lastPosition = entry.position
    }
    try segment.timeIndex.load(from: disk)
    var last: TimeIndex.Entry?
    for index in 0..<segment.timeIndex.count {
      let entry = try segment.timeIndex.entry(index, on: disk)
      let found = atLastOffset[entry.offset]?.maxTimestamp
      if found != entry.timestamp {
        faults.append(
          "\(segment.path).timeindex: \(entry.timestamp) at offset \(entry.offset), the log has \(found ?? -1)")
      }
      if let last, entry.timestamp <= last.timestamp || entry.offset <= last.offset {
        faults.append("\(segment.path).timeindex: \(entry.timestamp) at offset \(entry.offset) does not rise")
      }
      last = entry
    }
    let newest = try segment.newestEntry().timestamp
    let largest = atPosition.values.lazy.filter { $0.count > 0 }.map(\.maxTimestamp).max() ?? -1
    if newest != largest { faults.append("\(segment.path): newest timestamp \(newest), the log has \(largest)") }
    return faults
  }
}
