import Testing

@testable import Experiment
@testable import LabFixtures

@Suite("An experiment over time")
struct TimeSweepTests {
  /// The sample with a sweep of time, a search, and what keeps to its rate.
  static let yaml = Sample.yaml
    .replacing("factors:\n  size: [1, 2]\n  colour: [red, green, blue]\n", with: "sweep: {elapsed_s: [10, 20, 30]}\n")
    .replacing("  seconds: 1\n", with: "  seconds: 30\n  interval_ms: 100\n  half: 2\n")
    .replacing(", size: \"{size}\"", with: "").replacing(", colour: \"{colour}\"", with: "")
    .replacing("    only: {size: [1]}\n    ignores: [colour]\n", with: "")
    .replacing(", factors: {size: [1]}", with: "").replacing("    per: [size, colour]\n", with: "")
    .replacing(
      "metrics: [mb_per_s, cpu_s_per_gb]",
      with: """
          - name: soak
            role: test
            program: load end-to-end
            pace_of: search
            options: {throughput: "{pace_records_per_s/half}", duration: "{seconds}", interval-ms: "{interval_ms}"}
          - name: search
            role: control
            program: load sustain
            options: {objective-ms: 10}
        metrics: [mb_per_s, cpu_s_per_gb, rss_mib]
        """
    )
    .replacing(
      "charts:\n",
      with: """
          - name: memory
            meaning: it does not grow
            kind: drift
            tier: end-to-end
            metric: rss_mib
            better: lower
            test: {arms: [soak]}
            tolerance: 0.02
        charts:
          - {name: memory, kind: curve, title: Memory, x: t_min, y: rss_mib, arms: [soak], x_title: min, y_title: MiB}

        """
    ).replacing("x: size, y", with: "x: elapsed_s, y")

  private func experiment(_ change: (String) -> String = { $0 }) throws -> Experiment {
    try Sample.experiment { _ in change(Self.yaml) }
  }

  private func fixed(_ experiment: Experiment, _ name: String) -> String? {
    experiment.fixed.first { $0.name == name }?.value.text
  }

  @Test("its definition is read, with the drift's span")
  func read() throws {
    let read = try experiment { $0.replacing("    tolerance: 0.02\n", with: "    tolerance: 0.02\n    span: run\n") }
    #expect(read.sweepsTime && read.verdicts.last?.kind == .drift && read.verdicts.last?.span == .run)
    #expect(try experiment().verdicts.last?.span == nil)
    #expect(try !Sample.experiment().sweepsTime)
  }

  @Test("hours spread as many windows over another length, and its intervals stay as many at the most")
  func hours() throws {
    let eight = try experiment().changed(by: RunChanges(hours: 8))
    #expect(eight.sweep?.levels.map(\.text) == ["9600", "19200", "28800"])
    #expect(fixed(eight, "seconds") == "28800" && fixed(eight, "interval_ms") == "16000")
    let short = try experiment().changed(by: RunChanges(hours: 0.05))
    #expect(short.sweep?.levels.map(\.text) == ["60", "120", "180"] && fixed(short, "interval_ms") == "100")
    let minute = try experiment().changed(by: RunChanges(hours: 1 / 60))
    #expect(minute.sweep?.levels.map(\.text) == ["20", "40", "60"] && fixed(minute, "seconds") == "60")
    let week = try experiment().changed(by: RunChanges(hours: 168))
    #expect(fixed(week, "interval_ms") == "336000", "1800 intervals")
    let odd = try experiment().changed(by: RunChanges(hours: 0.0171))
    #expect(odd.sweep?.levels.map(\.text) == ["20.52", "41.04", "61.56"], "\(odd.sweep?.levels ?? [])")
  }

  @Test(
    "hours that are none, and an experiment that has none, are refused",
    arguments: [0, -1, 0.01, 168.1, .nan, .infinity])
  func refused(hours: Double) throws {
    let experiment = try experiment()
    #expect { try experiment.changed(by: RunChanges(hours: hours)) } throws: { "\($0)".contains("(a minute) to 168") }
    let sample = try Sample.experiment()
    #expect { try sample.changed(by: RunChanges(hours: 1)) } throws: { "\($0)".contains("--hours needs a sweep") }
  }

  @Test(
    "what does not fit a drift, a time or a pace is an error that says so",
    arguments: [
      ("    tolerance: 0.02\n", "", "needs a `tolerance`"),
      ("    tolerance: 0.02\n", "    tolerance: 0.02\n    threshold: 1\n", "needs a `tolerance`"),
      ("    tolerance: 0.02\n", "    tolerance: 0\n", "no room"),
      ("    threshold: 1.5\n", "    threshold: 1.5\n    span: run\n", "belongs to `drift`"),
      ("    tolerance: 0.02\n", "    tolerance: 0.02\n    span: day\n", "not one of hour, run"),
      ("[10, 20, 30]", "[10, 30, 20]", "each later than the one before"),
      ("[10, 20, 30]", "[0, 20, 30]", "each later than the one before"),
      ("[10, 20, 30]", "[10, soon]", "each later than the one before"),
      ("{pace_records_per_s/half}", "{pace_mib_per_s}", "no factor or fixed value"),
      ("x: t_min, y: rss_mib", "x: t_s, y: rss_mib", "that a curve can be over"),
      ("x: t_min, y: rss_mib", "x: t_min, y: rss", "that a curve can show"),
    ])
  func errors(old: String, new: String, message: String) {
    #expect { try experiment { $0.replacing(old, with: new) } } throws: { error in
      "\(error)".contains(message)
    }
  }

  @Test("a drift needs time to pass, and what is seen over time is in the series of such an experiment alone")
  func needsTime() {
    #expect { try experiment { $0.replacing("elapsed_s", with: "stored_mib") } } throws: {
      "\($0)".contains("`elapsed_s`")
    }
    let volume = { (text: String) in
      text.replacing("elapsed_s", with: "stored_mib").replacing("kind: drift", with: "kind: never")
    }
    #expect { try experiment(volume) } throws: { "\($0)".contains("`rss_mib` is no column") }
  }

  @Test(
    "a search runs before what keeps to its rate, in every block and whatever the seed", arguments: [1, 2, 3, 4, 5, 6])
  func order(seed: UInt64) throws {
    var generator = MatrixTests.Counter(state: seed)
    var experiment = try experiment()
    experiment.replicates = 3
    for replicate in Dictionary(grouping: Matrix(experiment).order(using: &generator), by: \.replicate).values {
      let arms = replicate.sorted { $0.order < $1.order }.map(\.cell.arm)
      #expect(arms.count == 5 && arms.last == "soak", "\(arms)")
    }
  }
}
