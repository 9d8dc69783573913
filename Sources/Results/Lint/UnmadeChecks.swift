import Experiment
package import Verdict

/// Checks that cannot find anything in a result, and why. A check that cannot fail is no check passed: these are named and not
/// counted.
package struct UnmadeChecks: Sendable, Equatable {
  package var crimes: [Crime]
  package var reason: String

  package init(crimes: [Crime], reason: String) {
    self.crimes = crimes
    self.reason = reason
  }

  /// `no interval, no A/A: nothing is told`.
  package var sentence: String { "\(crimes.map(\.rawValue).joined(separator: ", ")): \(reason)" }
}

extension CrimeLint {
  /// `others` are the results that stand beside this one, as in `findings(across:)`.
  package static func unmade(_ result: StoredResult, beside others: [StoredResult] = []) -> [UnmadeChecks] {
    var unmade: [UnmadeChecks] = []
    if result.toldOfAllRuns == nil {
      let why =
        result.told.map { "verdict.json is of \($0.runs) runs, and \(result.finishedRuns) were made" }
        ?? "nothing is told that was not computed from the rows just now (a verdict.json beside them would be held against them)"
      unmade.append(UnmadeChecks(crimes: [.noInterval, .effectNotFromRows, .meanOfRatios], reason: why))
    }
    if !others.contains(where: { $0.path != result.path && $0.isAlike(result) }) {
      unmade.append(
        UnmadeChecks(crimes: [.differentMachines], reason: "no other result is drawn in a line with this one"))
    }
    unmade.append(
      UnmadeChecks(
        crimes: [.rowsChanged],
        reason: result.isSealed
          ? "a result whose rows are not those of its journal's checksums is refused when read"
          : "not sealed: made before journals had checksums of the rows"))
    unmade.append(
      UnmadeChecks(crimes: [.missingUnits], reason: "a definition with a metric of unknown unit is refused when read"))
    return unmade
  }

  /// How many checks could have found something.
  package static func made(_ unmade: [UnmadeChecks]) -> Int {
    Crime.allCases.count { crime in !unmade.contains { $0.crimes.contains(crime) } }
  }
}

extension StoredResult {
  /// Whether an effect of one may be drawn in a line with that of the other: other levels, rules or another profile measure
  /// something else.
  package func isAlike(_ other: StoredResult) -> Bool {
    let (a, b) = (experiment, other.experiment)
    return a.id == b.id && profile == other.profile && a.factors == b.factors && a.sweep == b.sweep
      && a.fixed == b.fixed && a.verdicts == b.verdicts
  }
}

extension CrimeLint {
  /// What a table of verdicts tells (`VerdictTable`, a README's) that the results do not give. Rows of other experiments are
  /// not looked at.
  package static func findings(
    table text: String, named file: String, of results: [StoredResult]
  ) throws(VerdictTable.MarksMissing) -> [CrimeFinding] {
    let lines = try VerdictTable.lines(in: text)
    let columns = ["name"] + VerdictTable.columns.dropFirst()
    return results.compactMap { result -> CrimeFinding? in
      let own = VerdictTable([result]).cells(result)
      guard let line = lines.first(where: { $0.hasPrefix("| [\(result.experiment.id)](") }) else { return nil }
      let told = VerdictTable.cells(ofLine: line)
      guard told != own else { return nil }
      guard told.count == own.count, let place = own.indices.first(where: { told[$0] != own[$0] }) else {
        return CrimeFinding(
          crime: .effectNotFromRows, weight: .crime,
          detail: "\(file) on \(result.experiment.id) has \(told.count) cells instead of \(own.count)")
      }
      return CrimeFinding(
        crime: .effectNotFromRows, weight: .crime,
        detail: "\(file) on \(result.experiment.id), \(columns[place]): “\(told[place])”, and its rows give "
          + "“\(own[place])” (millrace report --markdown --into \(file))")
    }
  }
}
