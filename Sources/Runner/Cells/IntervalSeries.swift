package import Experiment
import Results
import Verdict

/// How a run went over time: cumulative bytes and records at moments since measuring began.
///
/// Programs write it as CSV: `t_s` is the end of an interval, `records` and `bytes` are the interval's own,
/// `cumulative_bytes` is all so far; other columns are theirs.
package struct IntervalSeries: Sendable, Equatable {
  package struct Moment: Sendable, Equatable {
    package var seconds: Double
    package var bytes: Double
    package var records: Double
    /// What the program says of the interval that ends here, by `SeriesPoint.figureColumns` and `courseColumns`.
    package var figures: [String: Double]
    package init(seconds: Double, bytes: Double, records: Double, figures: [String: Double] = [:]) {
      self.seconds = seconds
      self.bytes = bytes
      self.records = records
      self.figures = figures
    }
  }

  package var moments: [Moment]

  package init(moments: [Moment]) { self.moments = moments }

  /// Nil when the file is missing or has none of the columns; a torn last line is left out.
  package init?(path: String) {
    guard let text = SmallFile.read(path) else { return nil }
    // A last line without its end was being written when the program stopped.
    let lines = text.prefix(upTo: text.lastIndex(of: "\n") ?? text.startIndex).split(separator: "\n")
    let header = lines.first?.split(separator: ",").map(String.init) ?? []
    guard let time = header.firstIndex(of: "t_s"), let bytes = header.firstIndex(of: "cumulative_bytes"),
      let records = header.firstIndex(of: "records")
    else { return nil }
    let known = (SeriesPoint.figureColumns + SeriesPoint.courseColumns).compactMap { name in
      header.firstIndex(of: name).map { (name, $0) }
    }
    moments = []
    var recordsSoFar = 0.0
    for line in lines.dropFirst() {
      let cells = line.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
      guard cells.count == header.count, let at = cells[time], let sum = cells[bytes] else { continue }
      recordsSoFar += cells[records] ?? 0
      let figures = known.reduce(into: [String: Double]()) { $0[$1.0] = cells[$1.1] }
      moments.append(Moment(seconds: at, bytes: sum, records: recordsSoFar, figures: figures))
    }
  }

  /// Of the moments that a mechanism reports; nil without any.
  package init?(_ figures: ReportedFigures) {
    guard !figures.moments.isEmpty else { return nil }
    moments = figures.moments.map { Moment(seconds: $0.seconds, bytes: $0.bytes, records: 0) }
  }

  /// At most so many moments, as evenly apart as they came, without the figures of single intervals, which cannot be added up.
  package func thinned(to count: Int) -> IntervalSeries {
    guard moments.count > count, count > 0 else { return self }
    return IntervalSeries(
      moments: (1...count).map { place in
        var moment = moments[moments.count * place / count - 1]
        moment.figures = [:]
        return moment
      })
  }

  /// Bytes a second between neighbouring moments.
  package var rates: [Double] { intervals.map(\.rate) }

  /// Each interval's rate with the moment it begins at: the end of the one before. Intervals without length have none.
  private var intervals: [(start: Double, rate: Double)] {
    zip([Moment(seconds: 0, bytes: 0, records: 0)] + moments, moments).compactMap { before, after in
      let seconds = after.seconds - before.seconds
      return seconds > 0 ? (before.seconds, (after.bytes - before.bytes) / seconds) : nil
    }
  }

  /// MiB/s in each window that ends at one of `ends` (MiB so far) and begins where the one before ended; nil where the
  /// run did not get that far (a last half per cent is forgiven: record sizes rarely divide the volume).
  package func windows(endingAt ends: [Double]) -> [Double?] {
    var start = (bytes: 0.0, seconds: 0.0)
    return ends.map { end in
      let bytes = end * 1_048_576
      guard let seconds = time(of: bytes) ?? (reaches(bytes) ? moments.last?.seconds : nil), seconds > start.seconds
      else { return nil }
      let moved = min(bytes, moments.last?.bytes ?? 0) - start.bytes
      defer { start = (bytes, seconds) }
      return moved / 1_048_576 / (seconds - start.seconds)
    }
  }

  private func reaches(_ bytes: Double) -> Bool { (moments.last?.bytes ?? 0) >= 0.995 * bytes }

  /// When so many bytes had been moved.
  private func time(of bytes: Double) -> Double? { value(\.seconds, where: \.bytes, reaches: bytes) }

  /// Bytes moved until a moment; nil behind the last.
  func bytes(at seconds: Double) -> Double? { seconds > 0 ? value(\.bytes, where: \.seconds, reaches: seconds) : 0 }

  /// Between moments in proportion.
  private func value(
    _ wanted: KeyPath<Moment, Double>, where rising: KeyPath<Moment, Double>, reaches goal: Double
  ) -> Double? {
    guard let after = moments.firstIndex(where: { $0[keyPath: rising] >= goal }) else { return nil }
    let from = after > 0 ? moments[after - 1] : Moment(seconds: 0, bytes: 0, records: 0)
    let step = moments[after][keyPath: rising] - from[keyPath: rising]
    let share = step > 0 ? (goal - from[keyPath: rising]) / step : 1
    return from[keyPath: wanted] + share * (moments[after][keyPath: wanted] - from[keyPath: wanted])
  }

  /// Each change of level of the rates, as a sentence with its moment; see `Statistics.changePoints`. The first interval
  /// at the new rate begins when the rate changed, and a moment is an interval's end.
  package func changePoints(seed: UInt64) -> [String] {
    let intervals = intervals
    return Statistics.changePoints(intervals.map(\.rate), seed: seed).map { change in
      let at = intervals[change.index].start
      return "the rate changed from \(Figures.text(change.before / 1_048_576)) to "
        + "\(Figures.text(change.after / 1_048_576)) MiB/s after \(Figures.text(at)) s (p = \(Figures.text(change.p, digits: 2)))"
    }
  }

  /// Whether the rates settled. Fewer than ten intervals cannot tell.
  package var steadiness: Row.Steadiness {
    let rates = rates
    guard rates.count >= 10 else { return .unknown }
    // Ten windows whatever the interval: single intervals of some milliseconds scatter by chance.
    let size = rates.count / 10
    let merged = (0..<10).map { part in
      rates[(part * size)..<((part + 1) * size)].reduce(0, +) / Double(size)
    }
    return Statistics.settles(merged) == nil ? .unsettled : .steady
  }
}
