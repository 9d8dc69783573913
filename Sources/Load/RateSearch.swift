/// Searches for the highest rate that a target sustains under a latency objective. Pure: `next` names the rate to try and
/// `record` takes the result; `SustainRun` runs the trials.
///
/// From `low` the rate doubles until one fails; between the last that held and the first that failed it is halved (by
/// their geometric mean) until they are within `precision`; then the rate that held is tried `confirmations` more times.
/// If a confirmation fails, the search continues below that rate. A single failure may come from other work on the
/// machine, so a rate counts as failed when it fails twice in a row.
package struct RateSearch: Sendable, Equatable {
  package struct Settings: Sendable, Equatable {
    /// The lowest rate, in records per second.
    package var low: Double
    package var high: Double
    /// The relative distance between the rate that held and the one that failed at which the search ends.
    package var precision = 0.05
    package var confirmations = 2
    /// The most trials; after them the best rate is reported as not confirmed.
    package var trialsMax = 60

    package init(low: Double, high: Double) {
      self.low = low
      self.high = high
    }
  }

  /// The result of a trial, judged against the objective.
  package enum Trial: Sendable, Equatable {
    case held
    /// The latency exceeded the objective, or the rate was not reached.
    case failed
    /// The generator was the bottleneck: rates above this one cannot be judged.
    case clientBound
  }

  package enum Step: Sendable, Equatable {
    case attempt(rate: Double)
    case done(Outcome)
  }

  package struct Outcome: Sendable, Equatable {
    /// The highest rate that held; nil if the lowest failed.
    package var rate: Double?
    /// The number of further trials in which `rate` held.
    package var confirmations: Int
    /// The lowest rate that failed; nil if the search ended at `high`.
    package var failedRate: Double?
    package var trials: Int
    package var reason: String
  }

  package let settings: Settings
  private var good: Double?
  private var goodHeld = 0
  private var bad: Double?
  private var trials = 0
  /// The rate being tried.
  private var current: Double
  /// Whether `current` failed in the last trial.
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
      // No rate holds yet, or none any more: search downwards, to `low`.
      let isAtEnd = bad.map { $0 <= settings.low } ?? false
      return isAtEnd ? .done(outcome("not even the lowest rate held")) : .attempt(rate: current)
    }
    let isNarrow = bad.map { $0 <= good * (1 + settings.precision) } ?? (good >= settings.high)
    guard isNarrow else { return .attempt(rate: current) }
    if goodHeld <= settings.confirmations { return .attempt(rate: good) }
    let end =
      bad == nil
      ? "at the upper end of the search" : (isClientBound ? "the generator is the bottleneck" : "the next rate fails")
    return .done(outcome(end))
  }

  /// Records the result of the rate that `next` named.
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
      // The rate no longer holds: search below it again.
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
