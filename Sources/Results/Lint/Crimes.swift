import Experiment
package import Verdict

/// The known ways of benchmarking badly (Gernot Heiser's list, and what follows from claims of this kind), each as a check
/// over a stored result. Pure: results in, findings out.
///
/// Most of them the program cannot commit any more; they are checked all the same, because results are files that
/// anybody can edit, and because a definition can commit some of them by what it leaves out.
package enum Crime: String, Sendable, CaseIterable {
  // Selective benchmarking.
  case armsLeftOut = "arms left out"
  case levelsLeftOut = "levels left out"
  case degradationUnmeasured = "possible degradation not measured"
  case runsDiscarded = "runs discarded"
  // Improper handling of results.
  case noInterval = "no interval"
  case noNoiseFloor = "no A/A"
  case effectNotFromRows = "an effect the rows do not give"
  case meanOfRatios = "arithmetic mean of ratios"
  case throughputAsOverhead = "throughput taken for cost"
  case microbenchmarkOnly = "a micro-benchmark taken for the whole"
  case percentileOfTooFew = "a percentile of too few"
  case unsettledRows = "rows that never settled"
  case mixedDurability = "different durability compared"
  case unprovedCache = "cache state not proved"
  case rowsChanged = "rows changed after the run"
  case nothingTold = "no verdict kept"
  // Improper comparison.
  case missingBaseline = "no baseline"
  case onlyAgainstItself = "compared with itself only"
  case differentMachines = "different machines compared"
  // Missing information.
  case missingPlatform = "platform not described"
  case missingUnits = "units missing"
  case relativeOnly = "relative numbers only"
  case noLimiter = "what limited it is not said"
  case noCeiling = "no ceiling"
  case unfinished = "unfinished"

  /// Why it is on the list, in one sentence.
  package var meaning: String {
    switch self {
    case .armsLeftOut: "An arm that was planned and did not run may be the one that would have said otherwise."
    case .levelsLeftOut: "A subset of the levels may be the subset that suits the claim."
    case .degradationUnmeasured: "What gets faster may cost more of something else."
    case .runsDiscarded: "Runs that do not count must be few, or the rest are a selection."
    case .noInterval: "A number without its interval may be luck."
    case .noNoiseFloor: "Without a comparison of an arm with itself nobody knows what no difference looks like."
    case .effectNotFromRows: "The effect that is told must follow from the rows that are kept."
    case .meanOfRatios: "The arithmetic mean of ratios depends on which side is called the baseline."
    case .throughputAsOverhead: "Throughput limited by something else says nothing about the cost of the thing."
    case .microbenchmarkOnly: "What a system call does is not yet what the system does."
    case .percentileOfTooFew: "A percentile needs ten samples beyond it."
    case .unsettledRows: "The mean of a run that still changes depends on when it was ended."
    case .mixedDurability: "An acknowledgement that survives less is another promise, not a faster one."
    case .unprovedCache: "Cold or hot is only what was proved to be."
    case .rowsChanged:
      "Rows that somebody changed are no measurement; a checksum of each run's lines is in the journal."
    case .nothingTold: "What a campaign told when it ended is kept beside its rows, or nobody can hold it against them."
    case .missingBaseline: "A ratio needs something to be a ratio to."
    case .onlyAgainstItself: "A claim without an original number cannot be reproduced, only repeated."
    case .differentMachines: "A difference between machines is not a difference between programs."
    case .missingPlatform: "Nobody can repeat what ran on an unknown machine."
    case .missingUnits: "A number without its unit is no number."
    case .relativeOnly: "A ratio hides whether both sides are good or both are bad."
    case .noLimiter: "Without knowing what limited a run nobody knows what it measured."
    case .noCeiling: "Without the machine's own limit nobody knows whether a number is good."
    case .unfinished: "A campaign that was cut short may have been cut where it pleased."
    }
  }
}

/// A crime that was found, and where.
package struct CrimeFinding: Sendable, Equatable {
  package enum Weight: String, Sendable {
    /// Spoils what the result says.
    case crime
    /// To be known by whoever quotes it.
    case remark
  }

  package var crime: Crime
  package var weight: Weight
  /// What exactly, with names and numbers.
  package var detail: String

  package var sentence: String { "\(crime.rawValue): \(detail)" }
}

package enum CrimeLint {
  package enum Limits {
    /// More runs than this share invalid, or thrown away and made again, and the rest are a selection.
    static let discardedShare = 0.2
    /// An effect that differs from that of the rows by more than this share was not computed from them.
    static let effectShare = 1e-6
    /// Share of an arm's rows limited by others, from which on its throughput is theirs.
    static let otherLimitShare = 0.5
  }

  /// All checks over one result, but those that `unmade` names.
  package static func findings(_ result: StoredResult) -> [CrimeFinding] {
    let scene = CrimeScene(result: result, told: result.toldOfAllRuns)
    return scene.selection + scene.handling + scene.comparison + scene.information
  }

  /// What is missing of what a campaign that ended leaves beside its rows: a crime where the journal seals them, for since then
  /// every campaign has left it.
  package static func findings(beside result: StoredResult) -> [CrimeFinding] {
    guard result.isComplete, result.told == nil else { return [] }
    return [
      CrimeFinding(
        crime: .nothingTold, weight: result.isSealed ? .crime : .remark,
        detail: "\(ResultDirectory.Name.told) is missing")
    ]
  }

  /// What only several results together can commit: each against the latest of its experiment, where their effects are drawn
  /// in one line.
  package static func findings(across results: [StoredResult]) -> [CrimeFinding] {
    Dictionary(grouping: results, by: \.experiment.id).sorted { $0.key < $1.key }.flatMap {
      id, ours -> [CrimeFinding] in
      guard let latest = ours.last else { return [] }
      return ours.dropLast().filter { $0.isAlike(latest) }.compactMap { other in
        let (a, b) = (other.machine, latest.machine)
        var differences: [String] = []
        if a.processor.model != b.processor.model { differences.append("processor") }
        if a.processor.cores != b.processor.cores { differences.append("cores") }
        if a.memory.totalMiB != b.memory.totalMiB { differences.append("memory") }
        if a.disk.device != b.disk.device || a.disk.fileSystem != b.disk.fileSystem { differences.append("disk") }
        guard !differences.isEmpty else { return nil }
        return CrimeFinding(
          crime: .differentMachines, weight: .crime,
          detail: "\(id): \(other.name) and \(latest.name) differ in \(differences.joined(separator: ", "))")
      }
    }
  }
}
