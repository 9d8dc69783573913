import Base

/// Draws the faults of a run from its seed: what is done to the broker, and when.
package struct FaultSchedule: Sendable {
  package enum Fault: Equatable, Sendable {
    /// SIGKILL, and another start after a time; with `againMs` the start is killed so long after it began, and made again.
    case kill(downMs: Int, againMs: Int?)
    /// SIGSTOP, and SIGCONT after a time.
    case pause(ms: Int)
  }

  package struct Step: Equatable, Sendable {
    /// The time in which nothing happens before it.
    package var quietMs: Int
    package var fault: Fault
  }

  package enum Limits {
    static let quietMs = 2_000, quietMoreMs = 9_000
    static let downMs = 3_000
    /// One kill in so many is followed by another in the start.
    static let again = 4, againMs = 300
    static let shortPauseMs = 2_000
  }

  private var random: SplitMix
  /// A pause is short, or longer than this.
  private let timeoutMs: Int

  /// - Parameter timeoutMs: the session timeout of the clients, beyond which every other pause lasts.
  package init(seed: UInt64, timeoutMs: Int) {
    random = SplitMix(seed: SplitMix.mixed(seed))
    self.timeoutMs = timeoutMs
  }

  package mutating func next() -> Step {
    let quietMs = Limits.quietMs + random.below(Limits.quietMoreMs)
    return Step(quietMs: quietMs, fault: random.below(2) == 0 ? kill() : pause())
  }

  private mutating func kill() -> Fault {
    let downMs = random.below(Limits.downMs)
    return .kill(downMs: downMs, againMs: random.below(Limits.again) == 0 ? random.below(Limits.againMs) : nil)
  }

  private mutating func pause() -> Fault {
    let isLong = random.below(2) == 0
    return .pause(ms: isLong ? timeoutMs + 1 + random.below(timeoutMs) : 1 + random.below(Limits.shortPauseMs))
  }
}

extension FaultSchedule.Fault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .kill(let downMs, nil): "killed, and started again after \(downMs) ms"
    case .kill(let downMs, let againMs?):
      "killed, started again after \(downMs) ms, killed in its start after \(againMs) ms, and started again"
    case .pause(let ms): "stopped for \(ms) ms"
    }
  }
}
