package import Experiment

/// What experiment E14 said of the harness itself, as a campaign found it before its first run; kept in its journal.
///
/// The harness must see a stall that was put there, measure a server of known rate, and call no differences where there
/// are none. Where it does not, no verdict of any experiment counts.
package struct SelfValidation: Sendable, Equatable, Codable {
  package enum Name {
    /// The experiment that validates the harness.
    package static let experiment = "E14"
  }

  /// The result's directory name, `<UTC>-<commit>`; nil when there was none that applies.
  package var result: String?
  /// A `Verdict.Outcome`; nil when there was no result.
  package var outcome: String?
  /// What the verdict said, or why there is none.
  package var sentence: String

  package init(result: String?, outcome: String?, sentence: String) {
    self.result = result
    self.outcome = outcome
    self.sentence = sentence
  }

  /// From the results of E14, latest last: the latest that is of this build on this machine.
  package init(latestOf results: [StoredResult], on machine: Machine) {
    let ours = results.last { result in
      result.isComplete && machine.build.isSurely(result.machine.build)
        && result.machine.processor.model == machine.processor.model && result.machine.kernel == machine.kernel
    }
    guard let ours else {
      self.init(result: nil, outcome: nil, sentence: Self.whyNone(results.count, of: machine.build))
      return
    }
    // By its rows alone: a machine that was busy makes results doubtful, and a harness that passes there all the fitter.
    var circumstances = ours.circumstances
    circumstances.failedGates = []
    let verdict = Verdict.judge(ours.experiment, rows: ours.rows, under: circumstances)
    self.init(result: ours.name, outcome: verdict.outcome.rawValue, sentence: verdict.sentence)
  }

  private static func whyNone(_ count: Int, of build: Machine.Build) -> String {
    // Running it again would not help: what it validated could not be told from what runs now.
    guard build.commit != nil else { return "the build's commit is not known, so no self-validation is surely of it" }
    guard build.dirty == false else {
      return "the tree has uncommitted changes, or cannot be looked at, so no self-validation is surely of this build: "
        + "commit, then millrace run self-validation"
    }
    guard count > 0 else { return "it never ran: millrace run self-validation" }
    return "none of its \(count) results is complete and of this commit without changes, processor and kernel: "
      + "millrace run self-validation"
  }
}

extension Machine.Build {
  /// The same commit, known, and nothing changed on either side: two trees with changes differ in what nobody wrote down.
  func isSurely(_ other: Machine.Build) -> Bool {
    commit != nil && commit == other.commit && dirty == false && other.dirty == false
  }
}

extension Gates {
  /// A harness that fails its own test decides nothing; one that was not tested may not be quoted.
  static func judge(_ validation: SelfValidation?, of experiment: Experiment) -> Gate {
    let name = "self-validation"
    if experiment.id == SelfValidation.Name.experiment {
      return Gate(name: name, outcome: .passed, sentence: "this is the self-validation")
    }
    guard let validation, let outcome = validation.outcome else {
      return Gate(
        name: name, outcome: .shortcoming,
        sentence: "no self-validation stands beside this result"
          + (validation.map { " (\($0.sentence))" } ?? ""))
    }
    let passed = outcome == Verdict.Outcome.supported.rawValue
    return Gate(
      name: name, outcome: passed ? .passed : .failed,
      sentence: "the self-validation \(validation.result ?? "") of the harness is \(outcome)"
        + (passed ? "" : ": \(validation.sentence)"))
  }
}
