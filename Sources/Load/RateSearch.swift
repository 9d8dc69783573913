/// The search for the highest rate that a target sustains under a latency objective. Pure: it names the rate to try next and
/// takes the result; `SustainRun` carries out the trials.
///
/// From `low` the rate doubles until one fails; between the last that held and the first that failed it is halved (by
/// their geometric mean) until they are within `precision`; then the rate that held is tried `confirmations` times more.
/// After a confirmation that fails the search continues below that rate. A single failure may come from other work on the
/// machine: a rate counts as failed when it fails twice in a row.
package struct RateSearch: Sendable, Equatable {
  package struct Settings: Sendable, Equatable {
    /// Records a second.
    package var low: Double
    package var high: Double
    /// How close the rate that held and the one that failed come, as a share.
    package var precision = 0.05
    package var confirmations = 2
    /// The most trials; after them the best rate that held is reported as not confirmed.
    package var trialsMax = 60

    package init(low: Double, high: Double) {
      self.low = low
      self.high = high
    }
  }

  /// What a trial showed, judged against the objective.
  package enum Trial: Sendable, Equatable {
    case held
    /// The latency was above the objective, or records came slower than they were due.
    case failed
    /// The generator was the bottleneck: rates above this one cannot be judged.
    case clientBound
  }

  package enum Step: Sendable, Equatable {
    case attempt(rate: Double)
    case done(Outcome)
  }

  package struct Outcome: Sendable, Equatable {
    /// The highest rate that held; nil when not even the lowest did.
    package var rate: Double?
    /// How often it held beyond the first time.
    package var confirmations: Int
    /// The lowest rate that is known not to hold; nil when the search ended at its upper end.
    package var failedRate: Double?
    package var trials: Int
    package var reason: String
  }

  package let settings: Settings
  private var good: Double?
  private var goodHeld = 0
  private var bad: Double?
  private var trials = 0
  /// The rate being tried, and whether it failed the time before.
  private var current: Double
  private var failedOnce = false
  private var isClientBound = false

  package init(_ settings: Settings) {
    precondition(settings.low > 0 && settings.high >= settings.low, "rates from \(settings.low) to \(settings.high)")
    precondition(settings.precision > 0, "a precision of \(settings.precision) is never reached")
    self.settings = settings
    current = settings.low
  }

  package var next: Step {
    if trials >= settings.trialsMax { return .done(outcome("after \(trials) trials, the most allowed")) }
    guard let good else {
      // Nothing has held yet, or what held does not any more: downwards, and not below the lowest rate.
      let isAtEnd = bad.map { $0 <= settings.low } ?? false
      return isAtEnd ? .done(outcome("not even the lowest rate held")) : .attempt(rate: current)
    }
    let isNarrow = bad.map { $0 <= good * (1 + settings.precision) } ?? (good >= settings.high)
    guard isNarrow else { return .attempt(rate: current) }
    if goodHeld <= settings.confirmations { return .attempt(rate: good) }
    let end =
      bad == nil
      ? "at the upper end of the search" : (isClientBound ? "the generator is what ends here" : "the next rate fails")
    return .done(outcome(end))
  }

  /// What came of the rate that `next` asked for.
  package mutating func record(_ trial: Trial) {
    guard case .attempt(let rate) = next else { return }
    trials += 1
    switch trial {
    case .held:
      failedOnce = false
      if rate == good {
        goodHeld += 1
      } else {
        (good, goodHeld) = (rate, 1)
      }
    case .failed where !failedOnce:
      failedOnce = true
      current = rate
      return
    case .failed, .clientBound:
      failedOnce = false
      isClientBound = trial == .clientBound
      bad = rate
      // It held once and does not any more: what lies below is searched anew.
      if rate == good { (good, goodHeld) = (nil, 0) }
      if good == nil {
        current = max(settings.low, rate / (1 + 4 * settings.precision))
        return
      }
    }
    current = between
  }

  private var between: Double {
    guard let good else { return current }
    guard let bad else { return min(2 * good, settings.high) }
    return (good * bad).squareRoot()
  }

  private func outcome(_ reason: String) -> Outcome {
    Outcome(
      rate: good, confirmations: max(0, goodHeld - 1), failedRate: bad, trials: trials, reason: reason)
  }
}
