import Experiment

/// What a result says of its claim in a few words, for a table of many claims.
package enum Grade: Sendable, Equatable {
  case holds
  /// Beyond the noise in the claimed direction, and smaller than was claimed: both as ratios.
  case holdsInDirection(seen: Double, claimed: Double)
  case fails
  /// The machine set the rate of the arm that the claim speaks of: the ratio is at least this.
  case capped(by: Cap, atLeast: Double)
  /// With what is known all the same; nil when nothing is.
  case undecided(bound: String?)
  /// The definition decides nothing.
  case reported

  /// One of five words, without figures.
  package var word: String {
    switch self {
    case .holds: "holds"
    case .holdsInDirection: "holds in direction"
    case .fails: "fails"
    case .capped: "capped by this machine"
    case .undecided: "undecided"
    case .reported: "reported"
    }
  }

  /// The word with its figures: `holds in direction (15.7×, claimed 1,000×)`.
  package var text: String {
    switch self {
    case .holds, .fails, .reported: word
    case .holdsInDirection(let seen, let claimed):
      "\(word) (\(Figures.times(seen)), claimed \(Figures.times(claimed)))"
    case .capped(let cap, let least): "capped by \(cap.word) (at least \(Figures.times(least)))"
    case .undecided(let bound): bound.map { "\(word) (\($0))" } ?? word
    }
  }

  /// What stands behind the word in a table that has the figure in a column of its own: `claimed 1000×`; empty where nothing does.
  package var detail: String {
    switch self {
    case .holds, .fails, .reported: ""
    case .holdsInDirection(_, let claimed): "claimed \(Figures.times(claimed))"
    case .capped(let cap, let least): "at least \(Figures.times(least)), by \(cap.word)"
    case .undecided(let bound): bound ?? ""
    }
  }

  /// The word with its detail.
  package var brief: String { detail.isEmpty ? word : "\(word) (\(detail))" }

  /// Each grade's word, of one claim and of several, in the order in which they are counted.
  package static let kinds: [(word: String, plural: String)] = [
    ("holds", "hold"), ("holds in direction", "hold in direction"), ("fails", "fail"),
    ("capped by this machine", "are capped by this machine"), ("undecided", "are undecided"),
    ("reported", "are reported"),
  ]

  /// Beside the word, for those who do not see its colour.
  package var sign: String {
    switch self {
    case .holds: "✓"
    case .holdsInDirection: "~"
    case .fails: "✗"
    case .capped: "≥"
    case .undecided: "?"
    case .reported: "="
    }
  }
}

extension Verdict {
  package var grade: Grade {
    let deciding = findings.filter(\.decides)
    switch outcome {
    case .supported: return .holds
    case .reported: return .reported
    case .notSupported:
      let refuted = deciding.filter { $0.outcome == .notSupported }
      guard refuted.allSatisfy(\.directionHolds), let shown = telling,
        let seen = shown.effect?.value, let claimed = shown.threshold, shown.kind == .ratio
      else { return .fails }
      return .holdsInDirection(seen: seen, claimed: claimed)
    case .inconclusive:
      let open = deciding.filter { $0.outcome == .inconclusive }
      // A failed gate leaves the findings as they are, and decides nothing.
      guard let first = open.first else { return .undecided(bound: nil) }
      if open.allSatisfy({ $0.cap != nil }), let cap = first.cap, let seen = first.effect?.value {
        return .capped(by: cap, atLeast: seen)
      }
      return .undecided(bound: telling?.boundInWords)
    }
  }

  /// The finding that a table of many claims shows: of the first rule that came out as the whole did, the weakest effect. A rule that compares
  /// two arms goes before one that only asks for a value, which often is what the comparison presupposes.
  package var telling: Finding? {
    let deciding = findings.filter { $0.decides && $0.effect != nil }
    let alike = deciding.filter { $0.outcome == outcome }
    guard
      let first = alike.first(where: { $0.kind != .value && $0.kind != .never }) ?? alike.first ?? deciding.first
        ?? findings.first(where: { $0.effect != nil })
    else { return nil }
    let same = deciding.filter { $0.rule == first.rule && $0.outcome == first.outcome }
    return same.min { ($0.effect?.value ?? 0) < ($1.effect?.value ?? 0) } ?? first
  }
}

extension Verdict.Finding {
  /// What an effect's interval says though it does not decide: `slows by at most 8.2 % a doubling`.
  var boundInWords: String? {
    guard let effect else { return nil }
    switch kind {
    case .ratio, .equal: return "between \(Figures.times(effect.low)) and \(Figures.times(effect.high))"
    case .flat:
      return effect.low < 0
        ? "slows by at most \(Figures.percent(-effect.low)) a doubling"
        : "does not slow, \(Figures.percent(effect.low)) a doubling"
    case .exponent:
      return "falls as N^−\(Figures.text(max(0, effect.high))) at most"
    case .drift: return bound
    case .value, .trend, .cost, .slope, .never:
      return "between \(Figures.text(effect.low)) and \(Figures.text(effect.high))"
    }
  }
}
