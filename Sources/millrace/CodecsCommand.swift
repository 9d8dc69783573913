import ArgumentParser
import Base
import Compression
import Experiment
import Foundation
import Load
import Mechanisms
import Model
import Report
import Runner
import Verdict

/// Compares every codec and level on given records, by table, CSV and chart.
struct CodecsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "codecs", abstract: "Compare codecs and levels on your data: ratio, speed, CPU, Pareto front.",
    discussion: """
      Each codec and level compresses the same records message by message and in batches. The output must equal the input:
      a round trip that differs ends the command with exit code 1. Repetitions are interleaved in a seeded order;
      figures are medians with bootstrap 95 % intervals. A case is on the front (marked c for compressing, d for
      decompressing) when nothing is both smaller and faster. The end is a recommendation: the smallest, the fastest, and
      the smallest of those that need no more CPU than --cpu-budget. `lz4 (default, fast)` is Kafka's default, level 9, which
      means lz4's fast compressor; levels 10 and more are its high-compression ones, and so are 1 to 8.

      EXAMPLES
        millrace codecs                                            the json corpus, some seconds
        millrace codecs --corpus events.ndjson access-log          a file of your own, one record per line
        millrace codecs --corpus dump.bin --record-size 512        in records of 512 bytes
        millrace codecs --codec zstd lz4 --levels 1 3 9 12 --batch 1 100 --seconds 0.5
        millrace codecs --corpus events.ndjson --cpu-budget 2      what a producer with little CPU should take
        millrace codecs --json --out figures                       one JSON document; CSVs and charts in figures/
      """)

  @Option(parsing: .upToNextOption, help: "json, access-log, random, entropy:BITS, or files.")
  var corpus = ["json"]
  @Option(parsing: .upToNextOption, help: "none, gzip, snappy, lz4, zstd; CODEC:LEVEL for one level. Default: all.")
  var codec: [String] = []
  @Option(
    parsing: .upToNextOption, help: "Levels of every codec that has them. Default: gzip 1 6 9, lz4 9 12, zstd 1 3 9 19."
  )
  var levels: [Int] = []
  @Option(parsing: .upToNextOption, help: "Records compressed together; 1: each message alone.")
  var batch = [1, 10, 100, 1000]
  @Option(help: "Bytes of a record: of made-up corpora (400), or to split a file by instead of at its line ends.")
  var recordSize: Int?
  @Option(help: "MiB of records to compress, from the beginning of a file.") var sampleMib = 2
  @Option(help: "Shortest duration of each measurement in seconds.") var seconds = 0.05
  @Option(help: "CPU seconds to compress a GB, for the last line of the recommendation.")
  var cpuBudget = CodecSurvey.AdviceLimits.budget
  @Option(help: "Milliseconds between the records' time stamps; 0.01: a producer of 100,000 records a second.")
  var recordInterval = 0.01
  @Option(name: .customLong("repeat"), help: "Repetitions, interleaved.") var repetitions = 5
  @Option(help: "Seed of records and order.") var seed: UInt64 = 1
  @Option(help: "Directory of CSVs, scripts and charts.") var out = "codecs"
  @Flag(help: "One JSON document instead of the table.") var json = false

  private enum Limits {
    static let recordBytes = 400
    static let sampleMiB = 1...256
    static let repetitions = 1...1000
    static let batchRecords = 1...1_000_000
    static let defaultLevels: [Codec: [Int]] = [.gzip: [1, 6, 9], .lz4: [9, 12], .zstd: [1, 3, 9, 19]]
  }

  func validate() throws {
    guard Limits.sampleMiB.contains(sampleMib) else {
      throw ValidationError("--sample-mib \(sampleMib): must be 1 to 256")
    }
    guard Limits.repetitions.contains(repetitions) else {
      throw ValidationError("--repeat \(repetitions): must be 1 to 1000")
    }
    guard seconds > 0, seconds <= 60 else {
      throw ValidationError("--seconds \(seconds): must be above 0 and at most 60")
    }
    guard cpuBudget > 0, cpuBudget.isFinite else { throw ValidationError("--cpu-budget \(cpuBudget): must be above 0") }
    guard CodecBench.Limits.recordIntervalMs.contains(recordInterval) else {
      throw ValidationError("--record-interval \(recordInterval): must be 0 to 86400000 ms")
    }
    if let size = recordSize, size < 1 { throw ValidationError("--record-size \(size): must be at least 1") }
    for size in batch where !Limits.batchRecords.contains(size) {
      throw ValidationError("--batch \(size): must be 1 to 1000000")
    }
    _ = try chosen()
  }

  func run() throws {
    try Stop.translating {
      Interrupt.install()
      let sources = try corpus.map {
        try CodecSource($0, recordSize: recordSize, sampleBytes: sampleMib << 20, seed: seed)
      }
      let kinds = try chosen()
      let cases = sources.flatMap { source in
        batch.flatMap { size in
          kinds.map { CodecSurvey.Case(corpus: source.name, batchRecords: size, codec: $0.codec.name, level: $0.level) }
        }
      }
      if !json {
        for source in sources {
          Terminal.say(source.sentence)
          if let warning = source.warning { Terminal.say("  \(Terminal.paint("warning", .yellow)): \(warning)") }
          for size in batch where size > source.records.count {
            Terminal.say("  batches of \(size) hold all \(source.records.count) records")
          }
        }
      }
      let runs = try measure(cases, sources)
      var samples: [CodecSurvey.Case: [CodecSurvey.Sample]] = [:]
      for run in runs { samples[run.subject, default: []].append(run.sample) }
      let survey = CodecSurvey(cases: cases, samples: samples, seed: seed)
      let stems = try survey.write(into: out, runs: runs)
      if json {
        try Terminal.answer(survey.json(sources, budget: cpuBudget))
      } else {
        survey.corpora.forEach { say(survey, $0) }
      }
      for stem in stems {
        do {
          try CodecSurvey.draw(stem, in: out)
          if !json { Terminal.say("chart: \(out)/\(stem).svg") }
        } catch {
          Terminal.complain("no chart: \(error)")
        }
      }
      if !json { survey.corpora.forEach { recommend(survey, $0) } }
      if !json { Terminal.say("numbers: \(out)/\(CodecSurvey.Name.lines), \(out)/\(CodecSurvey.Name.runs)") }
      if Interrupt.isRequested { throw Exit.interrupted }
    }
  }

  // MARK: What to measure

  private struct Kind: Hashable {
    var codec: Codec
    var level: Int?
  }

  /// Returns the codecs with their levels, in the order given.
  private func chosen() throws -> [Kind] {
    let words = codec.isEmpty ? Codec.allCases.map(\.name) : codec
    var kinds: [Kind] = []
    for word in words {
      let parts = word.split(separator: ":", maxSplits: 1).map(String.init)
      guard let codec = parts.first.flatMap({ Codec(name: $0) }) else {
        throw ValidationError(
          "unknown codec '\(word)'" + NearMiss.hint(parts.first ?? word, Codec.allCases.map(\.name)))
      }
      for level in try wanted(codec, parts.count > 1 ? parts[1] : nil) {
        let kind = Kind(codec: codec, level: level)
        if !kinds.contains(kind) { kinds.append(kind) }
      }
    }
    return kinds
  }

  private func wanted(_ codec: Codec, _ text: String?) throws -> [Int?] {
    guard let range = codec.levels else {
      if let text { throw ValidationError("\(codec.name) has no levels (\(codec.name):\(text))") }
      return [nil]
    }
    if let text {
      guard let level = Int(text), range.contains(level) else {
        throw ValidationError("\(codec.name):\(text): levels are \(range.lowerBound) to \(range.upperBound)")
      }
      return [level]
    }
    if levels.isEmpty { return Limits.defaultLevels[codec] ?? [codec.defaultLevel] }
    let fitting = levels.filter(range.contains)
    guard !fitting.isEmpty else {
      throw ValidationError("--levels: \(codec.name) has \(range.lowerBound) to \(range.upperBound)")
    }
    return fitting
  }

  // MARK: Measuring

  /// Measures each case once per repetition, each time in another order. Ctrl-C ends after the case in progress.
  private func measure(
    _ cases: [CodecSurvey.Case], _ sources: [CodecSource]
  ) throws -> [(subject: CodecSurvey.Case, sample: CodecSurvey.Sample)] {
    var generator = SplitMix(seed: seed)
    var runs: [(subject: CodecSurvey.Case, sample: CodecSurvey.Sample)] = []
    let (total, began) = (cases.count * repetitions, Uptime.seconds)
    for _ in 0..<repetitions {
      for one in cases.shuffled(using: &generator) {
        if Interrupt.isRequested { return runs }
        guard let source = sources.first(where: { $0.name == one.corpus }), let codec = Codec(name: one.codec) else {
          continue
        }
        let left =
          runs.isEmpty
          ? "" : ", \(Duration((Uptime.seconds - began) / Double(runs.count) * Double(total - runs.count))) left"
        if !json {
          Terminal.update("[\(runs.count)/\(total)\(left)] \(one.corpus), \(one.name), batch \(one.batchRecords) …")
        }
        let result: CodecBench.Result
        do {
          result = try CodecBench(
            records: source.records, codec: codec, level: one.level,
            grouping: one.batchRecords == 1 ? .message : .batch(records: one.batchRecords), seconds: seconds,
            recordIntervalMs: recordInterval
          ).run()
        } catch {
          throw Stop(Exit.failed, "\(one.corpus), \(one.name), batches of \(one.batchRecords): \(error)")
        }
        runs.append((one, CodecSurvey.Sample(result)))
      }
    }
    if !json { Terminal.clearLine() }
    return runs
  }

  // MARK: The table

  private func say(_ survey: CodecSurvey, _ corpus: String) {
    Terminal.say("")
    Terminal.say(Terminal.paint(corpus, .bold))
    Terminal.say(
      Terminal.paint(
        "  batch  codec                ratio  compress MB/s           decompress MB/s         CPU-s/GB c / d   front",
        .grey))
    for size in survey.batches {
      for line in survey.lines(corpus, size) {
        let front = CodecSurvey.Direction.allCases.filter(line.fronts.contains).map { String($0.rawValue.prefix(1)) }
        let cpu = "\(Figures.text(line.compressCPU.value)) / \(Figures.text(line.decompressCPU.value))"
        let text =
          "  \(Terminal.pad(size == 1 ? "alone" : "\(size)", 6)) \(Terminal.pad(line.subject.label, 20)) "
          + "\(Terminal.pad(Figures.text(line.ratio), 6)) \(Terminal.pad(Figures.interval(line.compress), 23)) "
          + "\(Terminal.pad(Figures.interval(line.decompress), 23)) "
          + "\(Terminal.pad(cpu, 16)) "
          + front.joined(separator: " ")
        Terminal.say(front.isEmpty ? text : Terminal.paint(text, .green))
      }
    }
    let gains = survey.codecs.compactMap { survey.batchGain(corpus, $0) }.filter { !$0.name.hasPrefix("none") }
    if let batch = gains.first?.batch {
      let told = gains.map { "\($0.name) \(Figures.times($0.gain))" }.joined(separator: ", ")
      Terminal.say("  gain of batches of \(batch) over single messages: \(told)")
    }
  }
}

extension CodecsCommand {
  /// Three lines at the end.
  private func recommend(_ survey: CodecSurvey, _ corpus: String) {
    guard let advice = survey.advice(corpus, budget: cpuBudget) else { return }
    let together = advice.batch == 1 ? "each message alone" : "batches of \(advice.batch)"
    Terminal.say("\n\(Terminal.paint("For \(corpus), \(together)", .bold))")
    for line in advice.text { Terminal.say("  \(line)") }
  }
}

/// Holds the records to compress, and their source.
struct CodecSource {
  let name: String
  let records: [CodecBench.Record]
  let sentence: String

  init(_ word: String, recordSize: Int?, sampleBytes: Int, seed: UInt64) throws {
    name = word
    if let made = Corpus(word) {
      let size = recordSize ?? 400
      records = made.sample(count: max(1, sampleBytes / size), recordSize: size, seed: seed)
      sentence = "\(word): \(records.count) made-up records of \(size) bytes"
      return
    }
    guard FileManager.default.fileExists(atPath: word) else {
      let hint = NearMiss.hint(word, ["json", "access-log", "random", "entropy:4"])
      throw Stop(Exit.badData, "\(word) is neither a file nor a corpus (json, access-log, random, entropy:BITS)\(hint)")
    }
    do {
      let file = try RecordFile(
        path: word, split: recordSize.map { .fixed(bytes: $0) } ?? .lines, sampleBytes: sampleBytes)
      records = file.records
      let part =
        file.usedBytes >= file.fileBytes
        ? "all of it"
        : "the first \(Self.megabytes(file.usedBytes)) of \(Self.megabytes(file.fileBytes)) MB (--sample-mib)"
      let split = recordSize.map { "of \($0) bytes" } ?? "(one per line)"
      let skipped = file.emptyLines > 0 ? ", \(file.emptyLines) empty lines left out" : ""
      sentence =
        "\(word): \(file.records.count) records \(split), \(part)\(skipped)"
    } catch {
      throw Stop(Exit.badData, "\(error)")
    }
  }
}

extension CodecSource {
  private enum Limits {
    /// A record of a batch has some 8 bytes beside its value; below this they weigh as much as it does.
    static let tinyBytes = 32
  }

  /// Why the figures may say little of what the file is meant to be; nil where nothing does.
  var warning: String? {
    let bytes = CodecBench.bytes(of: records)
    if records.count == 1 {
      return "there is one record: nothing can be compressed together (--record-size splits it)"
    }
    guard bytes / max(1, records.count) < Limits.tinyBytes else { return nil }
    return
      "records have \(Figures.text(Double(bytes) / Double(records.count))) bytes on average: what a batch adds to each (some 8) "
      + "and to all (61) weighs as much"
  }

  private static func megabytes(_ bytes: Int) -> String { Figures.text(Double(bytes) / 1e6) }
}

extension CodecSurvey.Sample {
  init(_ result: CodecBench.Result) {
    self.init(
      payloadBytes: result.payloadBytes, storedBytes: result.storedBytes,
      compressMBPerSecond: result.compressMBPerSecond, decompressMBPerSecond: result.decompressMBPerSecond,
      compressCPUSecondsPerGB: result.compressCPUSecondsPerGB,
      decompressCPUSecondsPerGB: result.decompressCPUSecondsPerGB)
  }
}

extension CodecSurvey {
  fileprivate func json(_ sources: [CodecSource], budget: Double) throws -> String {
    func object(_ estimate: Estimate) -> [String: Any] {
      ["median": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.count]
    }
    return try JSONText.of([
      "sources": sources.map { ["corpus": $0.name, "records": $0.records.count, "what": $0.sentence] },
      "recommendations": corpora.compactMap { corpus in
        advice(corpus, budget: budget).map { advice -> [String: Any] in
          [
            "corpus": corpus, "batch_records": advice.batch, "cpu_budget_s_per_gb": advice.budget,
            "smallest": advice.smallest.subject.name,
            "fastest": advice.fastest.map { $0.subject.name as Any } ?? NSNull(),
            "within_budget": advice.withinBudget.map { $0.subject.name as Any } ?? NSNull(),
          ]
        }
      },
      "cases": lines.map { line -> [String: Any] in
        [
          "corpus": line.subject.corpus, "batch_records": line.subject.batchRecords, "codec": line.subject.codec,
          "level": line.subject.level.map { $0 as Any } ?? NSNull(), "compression_ratio": line.ratio,
          "compress_mb_per_s": object(line.compress), "decompress_mb_per_s": object(line.decompress),
          "compress_cpu_s_per_gb": object(line.compressCPU), "decompress_cpu_s_per_gb": object(line.decompressCPU),
          "on_front": Direction.allCases.filter(line.fronts.contains).map(\.rawValue),
        ]
      },
    ])
  }
}
