import Model

extension Plan {
  /// Where reading begins that depends on a partition's end as well: at a distance behind it, or anywhere before it.
  ///
  /// At a distance each partition must hold as many records as the distance is long. With fewer its consumer would begin at
  /// the first one, nearer to the end than it may be, and wait for others to push the end away: of 100 records and 1,000
  /// produced to them, 500 behind the end, it would get 600, and end to end the run would wait for 1,000 in vain.
  func beginning(starts: [Int32: Offset], ends: [Int32: Offset]) throws(PlanError) -> [Int32: Offset] {
    guard order == .sequential else {
      // A partition without records has no place to draw.
      return ends.reduce(into: [:]) { from, one in
        let start = starts[one.key] ?? 0
        if start < one.value { from[one.key] = start }
      }
    }
    for (partition, end) in ends.sorted(by: { $0.key < $1.key }) {
      let records = end - (starts[partition] ?? 0)
      guard records < lagRecords else { continue }
      throw PlanError(
        "--lag-records \(lagRecords) keeps a consumer so far behind the end of each partition, and \(topic)-\(partition) "
          + "has \(records) records: give a distance of at most \(records), or write more of them first "
          + "(millrace-load produce)")
    }
    return ends.mapValues { $0 - lagRecords }
  }
}
