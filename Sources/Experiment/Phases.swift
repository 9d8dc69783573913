/// One thing that is done to a broker in the course of a run.
package enum Phase: Sendable, Equatable {
  /// Fills the topic with a `load produce` of these options, once for all arms that prepare alike; each starts its broker there.
  case prepare([Setting])
  /// Fills the topic through the very broker that is measured, before each run: what is in memory then, or no more, is that
  /// broker's doing and its cgroup's.
  case fill([Setting])
  /// A `load consume` to its end, in place of the usual warm-up.
  case warm([Setting])
  /// Another load at the same broker for as long as the measured one runs; its `topic` may be another.
  case beside(Arm.Flow, [Setting])
  case measure(Arm.Load, [Setting])
  /// Stops the broker (SIGSTOP) once for so many ms in the midst of the measured load: a number, or `{name}`.
  case stall(ms: Level)
  /// Stops and starts the broker, and runs the load again: how long until the device gives as little as before?
  case restart

  package var settings: [Setting] {
    switch self {
    case .prepare(let settings), .fill(let settings), .warm(let settings), .beside(_, let settings),
      .measure(_, let settings):
      settings
    case .stall, .restart: []
    }
  }

  /// Phases come in the order of these numbers, each at most once.
  fileprivate var place: Int {
    switch self {
    case .prepare: 0
    case .fill: 1
    case .warm: 2
    case .beside: 3
    case .measure: 4
    case .stall: 5
    case .restart: 6
    }
  }

  /// The key of a definition that asks for the phase.
  fileprivate var key: String {
    switch self {
    case .prepare: "prepare"
    case .fill: "fill"
    case .warm: "warm"
    case .beside: "beside"
    case .measure: "program"
    case .stall: "stall_ms"
    case .restart: "restart"
    }
  }
}

/// The phases of a run with a broker, in order: what cannot be done together is no value of this type.
package struct Phases: Sendable, Equatable {
  package struct Fault: Error, Equatable {
    /// Of the phase that does not fit.
    package let key: String
    package let reason: String
  }

  package let filling: [Phase]
  package private(set) var load: Arm.Load
  package var options: [Setting]
  private let around: [Phase]

  /// In any order; they are done in theirs.
  package init(_ phases: [Phase]) throws(Fault) {
    let sorted = phases.sorted { $0.place < $1.place }
    for (phase, next) in zip(sorted, sorted.dropFirst()) where phase.place == next.place {
      throw Fault(key: next.key, reason: "is asked for twice")
    }
    guard case .measure(let load, let options)? = sorted.first(where: { $0.place == 4 }) else {
      throw Fault(key: "program", reason: "is missing: nothing would be measured")
    }
    filling = sorted.filter { $0.place < 2 }
    guard filling.count < 2 else {
      throw Fault(
        key: "fill", reason: "a topic is filled once for all runs (`prepare`) or before each (`fill`), not both")
    }
    around = sorted.filter { $0.place >= 2 && $0.place != 4 }
    if load != .consume, let phase = around.first(where: { $0.isOfConsumers }) {
      throw Fault(
        key: phase.key,
        reason: "`warm` and `restart` are about what a consumer is served: they belong to `load consume`")
    }
    (self.load, self.options) = (load, options)
  }

  package init(measuring load: Arm.Load, _ options: [Setting] = []) {
    (self.load, self.options, filling, around) = (load, options, [], [])
  }

  package var list: [Phase] {
    let before = around.filter { $0.place < 4 }
    return filling + before + [.measure(load, options)] + around.filter { $0.place > 4 }
  }

  // MARK: What a run looks up

  /// Options of `prepare`; nil: the topic is not prepared.
  package var prepare: [Setting]? {
    if case .prepare(let settings)? = filling.first { settings } else { nil }
  }

  package var fill: [Setting]? {
    if case .fill(let settings)? = filling.first { settings } else { nil }
  }

  /// Nil: the usual warm-up.
  package var warm: [Setting]? {
    around.lazy.compactMap { phase in if case .warm(let settings) = phase { settings } else { nil } }.first
  }

  package var beside: (flow: Arm.Flow, options: [Setting])? {
    around.lazy.compactMap { phase in if case .beside(let flow, let settings) = phase { (flow, settings) } else { nil }
    }
    .first
  }

  package var stallMs: Level? {
    around.lazy.compactMap { phase in if case .stall(let ms) = phase { ms } else { nil } }.first
  }

  package var restarts: Bool { around.contains(.restart) }
}

extension Phase {
  fileprivate var isOfConsumers: Bool {
    switch self {
    case .warm, .restart: true
    case .prepare, .fill, .beside, .measure, .stall: false
    }
  }
}
