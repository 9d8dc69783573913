package import Experiment

/// `latency.csv`.
extension CSV {
  package static var latencyHeader: String { line(LatencyBucket.columns) }

  package static func line(_ bucket: LatencyBucket) -> String {
    line([
      String(bucket.order), bucket.arm, String(bucket.replicate), bucket.kind, number(bucket.lowNs),
      number(bucket.highNs), number(bucket.count),
    ])
  }

  package static func latency(reading text: String, file: String) throws(CSVError) -> [LatencyBucket] {
    let table = try table(reading: text, file: file)
    try check(table, has: LatencyBucket.columns, file: file)
    var buckets: [LatencyBucket] = []
    buckets.reserveCapacity(table.records.count)
    for record in table.records {
      let cells = CSVCells(record, of: table, file: file)
      buckets.append(
        LatencyBucket(
          order: try cells.integer("order"), arm: cells.text("arm"), replicate: try cells.integer("replicate"),
          kind: cells.text("kind"), lowNs: try cells.requiredNumber("low_ns"),
          highNs: try cells.requiredNumber("high_ns"), count: try cells.requiredNumber("count")))
    }
    return buckets
  }
}
