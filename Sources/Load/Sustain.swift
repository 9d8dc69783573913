package import Base
import Client

/// Holds the flags of `millrace-load sustain`, and its workload's.
package struct SustainPlan: Sendable, Equatable {
  package static let command = "sustain"

  package enum Limits {
    static let trialSeconds = 3.0
    static let highDefault = 20_000_000.0
    static let lowDefault = 1000.0
    /// A rate is not reached if more than this share of the due records is missing.
    static let shortfall = 0.02
    /// The shares of the sustainable rate at which the curve is measured.
    static let curveShares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
  }

  /// The workload, without a rate and an end.
  package var base: LoadPlan
  package var objectiveMs: Double
  /// The percentile of the response time that must be within the objective; 0.99 is p99.
  package var percentile = 0.99
  package var search: RateSearch.Settings
  package var trialSeconds = Limits.trialSeconds
  package var measuresCurve = true

  package static let help = """
    millrace-load sustain finds the highest rate that a cluster sustains under a latency objective, and then measures the
    latency at 10 to 95 % of that rate.

    usage: millrace-load sustain --objective-ms MS --bootstrap-server HOST:PORT --topic NAME [flags]

    flags beyond those of produce (--throughput, --num-records and --duration are the search's own):
      --objective-ms MS      the response time that must not be exceeded
      --percentile P         the percentile of the response time (default 99)
      --workload NAME        produce (default) or end-to-end
      --from RATE            lowest rate tried, records/s (default 1000)
      --to RATE              highest rate tried (default 20000000)
      --precision SHARE      the search ends when the rates that held and failed differ by this (default 0.05)
      --confirm N            how often the rate found must hold again (default 2)
      --trial-seconds S      length of a trial (default 3)
      --no-curve             measures no latency below the rate

    exit code: 0 a rate was found; 1 not even the lowest held, or an error; 2 a plan that cannot be run;
               74 standard output cannot be written

    """

  package init(arguments: [String]) throws(PlanError) {
    let own = try OwnFlags(arguments, valued: Self.valued, switches: ["no-curve"])
    let rest = own.others
    for name in ["throughput", "num-records", "duration"]
    where rest.contains(where: { $0 == "--\(name)" || $0.hasPrefix("--\(name)=") }) {
      throw PlanError("--\(name) is set by the search: leave it out")
    }
    let workload = own["workload"] ?? LoadPlan.Command.produce.rawValue
    guard let command = LoadPlan.Command(rawValue: workload), command != .consume else {
      throw LoadPlan.invalid("workload", workload, "produce or end-to-end")
    }
    let trial = try own.number("trial-seconds", 0.1...3600) ?? Limits.trialSeconds
    base = try LoadPlan(arguments: [command.rawValue, "--duration", "\(trial)"] + rest)
    trialSeconds = trial
    guard let objective = try own.number("objective-ms", 1e-3...3.6e6) else {
      throw PlanError("--objective-ms is missing: the latency that must be kept")
    }
    objectiveMs = objective
    percentile = (try own.number("percentile", 1...99.999) ?? 99) / 100
    let low = try own.number("from", 1...1e9) ?? Limits.lowDefault
    let high = try own.number("to", 1...1e9) ?? Limits.highDefault
    guard high >= low else { throw PlanError("--to \(high) is below --from \(low)") }
    search = RateSearch.Settings(low: low, high: high)
    search.precision = try own.number("precision", 0.001...1) ?? search.precision
    search.confirmations = Int(try own.number("confirm", 0...20) ?? Double(search.confirmations))
    measuresCurve = own["no-curve"] == nil
    guard (1 - percentile) * low * trial >= 10 else {
      throw PlanError(
        "p\(percentile * 100) of \(low) records/s for \(trial) s rests on fewer than ten records: "
          + "raise --from or --trial-seconds")
    }
  }

  private static let valued: Set<String> = [
    "objective-ms", "percentile", "workload", "from", "to", "precision", "confirm", "trial-seconds",
  ]

  /// Holds one trial's figures, judged.
  package func judge(offered: Double, achieved: Double, latencyMs: Double?, clientShare: Double) -> RateSearch.Trial {
    let isKept = achieved >= offered * (1 - Limits.shortfall)
    if isKept, let latencyMs, latencyMs <= objectiveMs { return .held }
    return clientShare >= Run.Limits.clientShareMax ? .clientBound : .failed
  }
}

extension Run {
  enum Limits {
    /// A generator thread with a CPU share above this is saturated.
    static let clientShareMax = 0.95
  }
}

/// Carries out a `SustainPlan`: the trials of the search, and then the curve.
package struct SustainRun: Sendable {
  package let plan: SustainPlan
  package let isInterrupted: @Sendable () -> Bool
  package let tell: @Sendable (String) -> Void

  package init(
    _ plan: SustainPlan, isInterrupted: @escaping @Sendable () -> Bool, tell: @escaping @Sendable (String) -> Void
  ) {
    self.plan = plan
    self.isInterrupted = isInterrupted
    self.tell = tell
  }

  package struct CurvePoint: Sendable {
    package var share: Double
    package var offered: Double
    package var achieved: Double
    package var response: Latency
    package var service: Latency
  }

  /// - Throws: the error of `Run` when a trial could not begin.
  package func run() async throws -> SustainReport {
    var search = RateSearch(plan.search)
    var report = SustainReport(
      plan: plan, outcome: .init(rate: nil, confirmations: 0, failedRate: nil, trials: 0, reason: "interrupted"),
      curve: [], records: 0, errors: 0, isInterrupted: false)
    // The first trial does not count: it warms up connections, buffers and the topic.
    _ = try await trial(plan.search.low, &report)
    while case .attempt(let rate) = search.next {
      let found = try await trial(rate, &report)
      if isInterrupted() {
        report.isInterrupted = true
        return report
      }
      let latency = latency(of: found).percentile(plan.percentile).map { Double($0) / 1e6 }
      let judged =
        found.isGood
        ? plan.judge(
          offered: rate, achieved: achieved(found), latencyMs: latency, clientShare: found.cpuShares.max() ?? 0)
        : .failed
      search.record(judged)
      tell(
        "\(Number.rate(rate)) records/s: \(latency.map { Number.fixed($0, 3) + " ms" } ?? "too few samples"), "
          + "\(judged)")
    }
    if case .done(let outcome) = search.next { report.outcome = outcome }
    guard let rate = report.outcome.rate, plan.measuresCurve else { return report }
    for share in SustainPlan.Limits.curveShares where !isInterrupted() {
      let found = try await trial(rate * share, &report)
      report.curve.append(
        CurvePoint(
          share: share, offered: rate * share, achieved: achieved(found), response: latency(of: found),
          service: found.service))
      tell("\(Int(share * 100)) %: \(Number.rate(rate * share)) records/s")
    }
    report.isInterrupted = isInterrupted()
    return report
  }

  private func trial(_ rate: Double, _ report: inout SustainReport) async throws -> LoadReport {
    var one = plan.base
    one.throughput = rate
    one.durationSeconds = plan.trialSeconds
    one.isQuiet = true
    let found = try await Run(one, isInterrupted: isInterrupted, observe: { _ in }).run()
    report.records += found.records
    report.errors += found.errors
    return found
  }

  /// The records per second over the time in which records were due, without the wait for the last responses.
  private func achieved(_ found: LoadReport) -> Double {
    Double(found.records) / max(found.seconds, plan.trialSeconds)
  }

  private func latency(of found: LoadReport) -> Latency {
    found.endToEnd.count > 0 ? found.endToEnd : found.response
  }
}

/// The figures of one rate search.
package struct SustainReport: Sendable {
  package var plan: SustainPlan
  package var outcome: RateSearch.Outcome
  package var curve: [SustainRun.CurvePoint]
  package var records: Int
  package var errors: Int
  package var isInterrupted: Bool
}

extension SustainReport {
  package var summary: String {
    let percentile = "p\(Number.exact(plan.percentile * 100))"
    var lines = [
      "sustain: "
        + (outcome.rate.map { "\(Number.rate($0)) records/s" } ?? "no rate")
        + " with \(percentile) of the response time at most \(Number.exact(plan.objectiveMs)) ms",
      "  \(outcome.reason), held \(outcome.confirmations) times more, \(outcome.trials) trials"
        + (outcome.failedRate.map { "; \(Number.rate($0)) records/s fails" } ?? ""),
    ]
    for point in curve {
      lines.append(
        "  \(Int((point.share * 100).rounded())) %  \(Number.rate(point.offered)) records/s  "
          + "p50 \(ms(point.response, 0.5))  p99 \(ms(point.response, 0.99))  p99.9 \(ms(point.response, 0.999)) ms")
    }
    return lines.joined(separator: "\n")
  }

  private func ms(_ latency: Latency, _ p: Double) -> String {
    latency.percentile(p).map { Number.fixed(Double($0) / 1e6, 3) } ?? "-"
  }

  package var fields: [(name: String, value: JSON)] {
    [
      ("command", .string(SustainPlan.command)), ("records", .count(records)), ("errors", .count(errors)),
      ("sustainable_records_per_s", outcome.rate.map { .figure($0) } ?? .null),
      ("failed_records_per_s", outcome.failedRate.map { .figure($0) } ?? .null),
      ("confirmations", .count(outcome.confirmations)), ("trials", .count(outcome.trials)),
      ("reason", .string(outcome.reason)), ("objective_ms", .figure(plan.objectiveMs)),
      ("percentile", .figure(plan.percentile)), ("interrupted", .bool(isInterrupted)),
      (
        "curve",
        .array(
          curve.map { point in
            .object([
              ("share", .figure(point.share)), ("offered_records_per_s", .figure(point.offered)),
              ("records_per_s", .figure(point.achieved)), ("response_latency_ms", .latency(point.response)),
              ("service_latency_ms", .latency(point.service)),
            ])
          })
      ),
    ]
  }
}
