package import Verdict

/// Codecs and levels side by side: what each saves, what it costs, and which of them nothing beats.
///
/// Pure: measurements in, medians with their intervals and Pareto fronts out. `CodecSurvey+Files` makes CSV, script and
/// table of it.
package struct CodecSurvey: Sendable, Equatable {
  /// One thing to measure.
  package struct Case: Sendable, Hashable {
    package var corpus: String
    /// Records compressed together; 1: each message's value alone.
    package var batchRecords: Int
    package var codec: String
    /// Nil for codecs without levels.
    package var level: Int?

    package init(corpus: String, batchRecords: Int, codec: String, level: Int?) {
      self.corpus = corpus
      self.batchRecords = batchRecords
      self.codec = codec
      self.level = level
    }

    /// `zstd:3`, as the generator's `--compression` takes it.
    package var name: String { codec + (level.map { ":\($0)" } ?? "") }

    /// As a table names it. Kafka's default level of lz4 is 9, and means lz4's fast compressor, not its ninth level.
    package var label: String { codec == "lz4" && (level ?? 9) == 9 ? "lz4 (default, fast)" : name }
  }

  /// One repetition of one case. Its round trip was checked.
  package struct Sample: Sendable, Equatable {
    package var payloadBytes: Int
    package var storedBytes: Int
    package var compressMBPerSecond: Double
    package var decompressMBPerSecond: Double
    package var compressCPUSecondsPerGB: Double
    package var decompressCPUSecondsPerGB: Double

    package init(
      payloadBytes: Int, storedBytes: Int, compressMBPerSecond: Double, decompressMBPerSecond: Double,
      compressCPUSecondsPerGB: Double, decompressCPUSecondsPerGB: Double
    ) {
      self.payloadBytes = payloadBytes
      self.storedBytes = storedBytes
      self.compressMBPerSecond = compressMBPerSecond
      self.decompressMBPerSecond = decompressMBPerSecond
      self.compressCPUSecondsPerGB = compressCPUSecondsPerGB
      self.decompressCPUSecondsPerGB = decompressCPUSecondsPerGB
    }
  }

  /// A speed that a ratio is held against.
  package enum Direction: String, Sendable, CaseIterable {
    case compress, decompress
  }

  /// One case over all its repetitions.
  package struct Line: Sendable, Equatable {
    package var subject: Case
    /// Payload bytes over stored bytes, a batch's header included. The same in every repetition.
    package var ratio: Double
    package var compress: Estimate
    package var decompress: Estimate
    package var compressCPU: Estimate
    package var decompressCPU: Estimate
    /// Where no other case of the corpus and batch size is both smaller and faster.
    package var fronts: Set<Direction> = []

    package func speed(_ direction: Direction) -> Estimate { direction == .compress ? compress : decompress }
  }

  package var corpora: [String]
  package var batches: [Int]
  package var codecs: [String]
  /// By corpus, batch size, codec and level, each in the order it was asked for.
  package var lines: [Line]

  /// `samples` in any order; cases without samples are left out.
  package init(cases: [Case], samples: [Case: [Sample]], seed: UInt64) {
    func unique<Value: Hashable>(_ values: [Value]) -> [Value] {
      var seen: Set<Value> = []
      return values.filter { seen.insert($0).inserted }
    }
    corpora = unique(cases.map(\.corpus))
    batches = unique(cases.map(\.batchRecords))
    codecs = unique(cases.map(\.codec))
    lines = cases.compactMap { one in
      guard let own = samples[one], let first = own.first else { return nil }
      func estimate(_ value: (Sample) -> Double) -> Estimate {
        Statistics.medianInterval(own.map(value), seed: seed)
          ?? Estimate(value: value(first), low: value(first), high: value(first), count: 1)
      }
      return Line(
        subject: one, ratio: Double(first.payloadBytes) / Double(max(1, first.storedBytes)),
        compress: estimate(\.compressMBPerSecond), decompress: estimate(\.decompressMBPerSecond),
        compressCPU: estimate(\.compressCPUSecondsPerGB), decompressCPU: estimate(\.decompressCPUSecondsPerGB))
    }
    markFronts()
  }

  private mutating func markFronts() {
    for corpus in corpora {
      for batch in batches {
        for direction in Direction.allCases {
          let front = Set(front(corpus, batch, direction).map(\.subject))
          for index in lines.indices where front.contains(lines[index].subject) {
            lines[index].fronts.insert(direction)
          }
        }
      }
    }
  }

  package func lines(_ corpus: String, _ batch: Int) -> [Line] {
    lines.filter { $0.subject.corpus == corpus && $0.subject.batchRecords == batch }
  }

  /// Slowest first: each next one is faster and saves less. `none` takes part: doing nothing may be the best there is.
  package func front(_ corpus: String, _ batch: Int, _ direction: Direction) -> [Line] {
    let here = lines(corpus, batch)
    return here.filter { one in
      !here.contains { other in
        let (a, b) = (other.speed(direction).value, one.speed(direction).value)
        return (a > b && other.ratio >= one.ratio) || (a >= b && other.ratio > one.ratio)
      }
    }
    .sorted { $0.speed(direction).value < $1.speed(direction).value }
  }

  /// What batching wins: a codec's ratio by the batch over its ratio message by message; the largest batch measured.
  package func batchGain(_ corpus: String, _ codec: String) -> (name: String, batch: Int, gain: Double)? {
    guard let most = batches.max(), most > 1 else { return nil }
    let gains = lines(corpus, most).filter { $0.subject.codec == codec }.compactMap { line -> (String, Double)? in
      let alone = lines(corpus, 1).first { $0.subject.name == line.subject.name }
      return alone.map { (line.subject.name, line.ratio / $0.ratio) }
    }
    return gains.max { $0.1 < $1.1 }.map { ($0.0, most, $0.1) }
  }
}
