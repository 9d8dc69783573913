import Verdict

/// SHA-256 of what a run appended to the files, kept in the journal: whoever changes a figure must change the journal too,
/// whose own lines have checksums.
package struct RunSeal: Sendable, Equatable, Codable {
  package var rows: String
  package var series: String
  /// Nil of a run without histograms.
  package var latency: String?

  package init(rows: String, series: String, latency: String? = nil) {
    self.rows = Fingerprint.of(rows)
    self.series = Fingerprint.of(series)
    self.latency = latency.map { Fingerprint.of($0) }
  }
}

/// A run of the journal: where its lines end in the files, and what they were.
struct SealedRun: Sendable, Equatable {
  var order: Int
  var rowsEnd: Int
  var seriesEnd: Int
  /// Nil before the first run with histograms.
  var latencyEnd: Int?
  /// Nil in journals of before there were seals.
  var seal: RunSeal?
}

extension ResultDirectory.History {
  /// Throws for the first run whose lines are not what it appended. Both files as they were written, up to what the journal
  /// vouches for.
  func check(rows: [UInt8], series: [UInt8], latency: [UInt8] = [], of path: String) throws(StoredResult.Failure) {
    var (rowsStart, seriesStart, latencyStart) = (0, 0, 0)
    for run in runs {
      guard rowsStart <= run.rowsEnd, run.rowsEnd <= rows.count, seriesStart <= run.seriesEnd,
        run.seriesEnd <= series.count,
        (latencyStart...max(latencyStart, latency.count)).contains(run.latencyEnd ?? latencyStart)
      else {
        throw StoredResult.Failure(
          path: "\(path)/\(ResultDirectory.Name.journal)", reason: "has run \(run.order) end where no line can")
      }
      let latencyEnd = run.latencyEnd ?? latencyStart
      defer { (rowsStart, seriesStart, latencyStart) = (run.rowsEnd, run.seriesEnd, latencyEnd) }
      guard let seal = run.seal else { continue }
      let own = RunSeal(
        rows: String(decoding: rows[rowsStart..<run.rowsEnd], as: UTF8.self),
        series: String(decoding: series[seriesStart..<run.seriesEnd], as: UTF8.self),
        latency: seal.latency.map { _ in String(decoding: latency[latencyStart..<latencyEnd], as: UTF8.self) })
      for (name, isSame) in [
        (ResultDirectory.Name.rows, own.rows == seal.rows), (ResultDirectory.Name.series, own.series == seal.series),
        (ResultDirectory.Name.latency, own.latency == seal.latency),
      ] where !isSame {
        throw StoredResult.Failure(
          path: "\(path)/\(name)",
          reason:
            "was changed after the run: the lines of run \(run.order) are not what it wrote (checksum in the journal)")
      }
    }
  }

  /// Throws for the first file of before the first run that is not what was written then.
  func checkFiles(_ files: ResultFiles) throws(StoredResult.Failure) {
    for (name, hash) in (begin?.files ?? [:]).sorted(by: { $0.key < $1.key }) {
      let path = "\(files.path)/\(name)"
      guard let text = files.text(name) else {
        throw StoredResult.Failure(path: path, reason: "is missing, and the journal has its checksum")
      }
      guard Fingerprint.of(text) == hash else {
        throw StoredResult.Failure(
          path: path, reason: "was changed after it was written (checksum in the journal)")
      }
    }
  }
}
