import Model

extension LoadPlan {
  /// Returns the first offset to read of each partition, with `--lag-records` or `--order random`.
  ///
  /// With a lag each partition must hold at least that many records. With fewer its consumer would begin at the first one,
  /// nearer to the end than allowed, and wait for the end to advance: with 100 records, 1,000 more produced and a lag of 500,
  /// it would get 600, and an end-to-end run would wait for 1,000 in vain.
  func beginning(starts: [Int32: Offset], ends: [Int32: Offset]) throws(PlanError) -> [Int32: Offset] {
    guard order == .sequential else {
      // A partition without records has no offset to draw.
      return ends.reduce(into: [:]) { from, one in
        let start = starts[one.key] ?? 0
        if start < one.value { from[one.key] = start }
      }
    }
    for (partition, end) in ends.sorted(by: { $0.key < $1.key }) {
      let records = end - (starts[partition] ?? 0)
      guard records < lagRecords else { continue }
      throw PlanError(
        "--lag-records \(lagRecords) keeps a consumer that far behind the end of each partition, and \(topic)-\(partition) "
          + "has \(records) records: give a distance of at most \(records), or write more of them first "
          + "(millrace-load produce)")
    }
    return ends.mapValues { $0 - lagRecords }
  }
}
