import ArgumentParser
import Mechanisms
import Trials

/// Runs one bare mechanism in a separate process, as the lab does for bare arms, so that replicates share no heap, branch
/// predictor state or thread. The last line of output is one JSON object whose keys are metric names.
struct MechanismCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mechanism", abstract: "Run one bare mechanism (what experiments start).", shouldDisplay: false,
    subcommands: (MechanismList.all + TrialList.all).map { $0 as any ParsableCommand.Type })
}
