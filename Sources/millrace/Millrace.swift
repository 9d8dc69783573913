import ArgumentParser
import Base
import Experiment
import Foundation
import Glibc
import Report
import Results
import Verdict

/// Defines the command line of the lab.
@main
struct Millrace: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "millrace",
    abstract: "Puts Kafka's performance claims to the test, on this machine.",
    discussion: """
      EXAMPLES
        millrace doctor                                  what distorts measurements on this machine
        millrace list                                    the experiments and their last verdicts
        millrace plan zero-copy --profile standard       cells, order, minutes and disk, without running
        millrace run --all --profile quick               every experiment, in minutes, into out/; never reportable
        millrace run zero-copy --seed 7                  one experiment, standard profile
        millrace run --resume results/11-zero-copy/…     continue an interrupted run
        millrace lint-results                            look for known benchmarking crimes in the results
        millrace znodes ls /brokers/topics               look into a broker's metadata
        millrace plot; millrace report                   draw charts and results/index.html from the CSVs

        millrace codecs --corpus events.ndjson           which codec for your data
        millrace new my-claim                            a commented definition to start from
        millrace --generate-completion-script bash       completions; also zsh, fish

      EXIT CODES
        0 done   1 something failed while running   2 a verdict is inconclusive or worse (with --strict)
        64 wrong arguments   65 a definition or result is wrong (file, line and key are named)
        69 a program, a cluster or the machine lacks what is needed   73 refused: it would fill the disk
        74 standard output cannot be written
        130 interrupted: the partial result is valid; --resume continues it
      """,
    version: "millrace \(OwnProgram.version)",
    subcommands: [
      ListCommand.self, PlanCommand.self, RunCommand.self, PlotCommand.self, ReportCommand.self, CompareCommand.self,
      PackCommand.self, PruneCommand.self, NewCommand.self,
      CodecsCommand.self, LintResultsCommand.self, DoctorCommand.self, TopicsCommand.self, GroupsCommand.self,
      ConfigsCommand.self, UsersCommand.self, AclsCommand.self, QuotasCommand.self, TransactionsCommand.self,
      LogDirsCommand.self,
      ZNodesCommand.self, DumpLogCommand.self,
      LocalClusterCommand.self, SimulateCommand.self, FaultsCommand.self, MechanismCommand.self,
    ])
}

extension Millrace {
  /// Parses the arguments, runs the command, and exits. ArgumentParser's own `main` prints through the standard library,
  /// which ignores write errors.
  static func main() async {
    StandardStream.prepare()
    // For an unknown command the parser would only say "unexpected"; this suggests the nearest one.
    if let complaint = unknownCommand(Array(CommandLine.arguments.dropFirst())) {
      Terminal.complain(complaint)
      Terminal.exit(ExitCode.validationFailure.rawValue)
    }
    do {
      var command = try await asyncParseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
      Terminal.exit(0)
    } catch {
      let code = exitCode(for: error)
      let message = fullMessage(for: error)
      if !message.isEmpty {
        if code.isSuccess { Terminal.answer(message) } else { StandardStream.error.write(message + "\n") }
      }
      Terminal.exit(code.rawValue)
    }
  }

  static func unknownCommand(_ words: [String]) -> String? {
    var command: any ParsableCommand.Type = Millrace.self
    var path = "millrace"
    for word in words {
      let known = command.configuration.subcommands
      guard !known.isEmpty, !word.hasPrefix("-"), word != "help" else { return nil }
      guard let next = known.first(where: { $0._commandName == word }) else {
        let shown = known.filter { $0.configuration.shouldDisplay }.map { $0._commandName }
        return "\(path) has no command '\(word)'\(NearMiss.hint(word, shown)) (\(shown.joined(separator: ", ")))"
      }
      command = next
      path += " \(word)"
    }
    return nil
  }
}

/// Names the exit codes beyond ArgumentParser's own (64 for wrong arguments), mostly as in sysexits.h.
enum Exit {
  static let failed = ExitCode(1)
  static let undecided = ExitCode(2)
  static let badData = ExitCode(65)
  static let unavailable = ExitCode(69)
  static let diskFull = ExitCode(73)
  static let interrupted = ExitCode(130)
}

/// Holds the directories that every command uses.
struct Places: ParsableArguments {
  @Option(help: "Directory of definitions.") var experiments = "experiments"
  @Option(name: .customLong("results"), help: "Directory of results; default: results, and for quick runs out/results.")
  var chosenResults: String?
  @Option(
    name: .customLong("plots"),
    help: "Directory of charts; default: plots beside results, and within any other directory of results.")
  var chosenPlots: String?

  var results: String { chosenResults ?? ResultDirectory.Place.kept }
  var plots: String { chosenPlots ?? ResultDirectory.Place.plots(of: results) }
  var files: DefinitionFiles { DefinitionFiles(directory: experiments) }
  /// Today's definitions, for the words and charts of stored results; without those that cannot be read.
  var definitions: [Experiment] { ((try? files.paths()) ?? []).compactMap { try? DefinitionFiles.read($0) } }

  /// Where a new campaign's result goes: a quick one, which no result may be replaced by, to a directory that is not kept.
  ///
  /// - Parameter broker: the driver of a broker that is measured in Millrace's place: its results stand apart from Millrace's.
  func ofNew(_ profile: Profile, replacing broker: String? = nil) throws -> Places {
    if let broker, chosenResults == nil {
      var own = self
      own.chosenResults = "\(ResultDirectory.Place.apart)/\(broker)/results"
      return own
    }
    guard profile == .quick else { return self }
    guard let chosen = chosenResults else {
      var own = self
      own.chosenResults = ResultDirectory.Place.quick
      return own
    }
    guard let kept = ResultDirectory.Place.firstKept(in: chosen) else { return self }
    throw Stop(
      Exit.badData,
      "\(chosen) holds results that are kept (\(kept)), whose charts and page a quick run would replace: give another "
        + "--results, or none for \(ResultDirectory.Place.quick)")
  }

  /// Where a campaign that goes on has its result: rows, charts and page stay together, whoever asks from wherever.
  func around(_ result: StoredResult) throws -> Places {
    guard let around = ResultDirectory.Place.results(around: result) else {
      throw Stop(
        Exit.badData,
        "\(result.path) lies in no directory of results, which would be called …/\(result.experiment.stem)/\(result.name)"
      )
    }
    if let chosenResults, !ResultDirectory.Place.isSame(chosenResults, around) {
      throw ValidationError(
        "--resume goes on in \(around), where the result lies: leave out --results \(chosenResults)")
    }
    var own = self
    own.chosenResults = around
    return own
  }

  /// Returns the named definitions, or all; a definition with an error ends the command with exit code 65.
  func find(_ names: [String], all: Bool) throws -> [(path: String, experiment: Experiment)] {
    do {
      guard all || !names.isEmpty else {
        throw ValidationError("name an experiment (millrace list shows them), or use --all")
      }
      return try names.isEmpty ? files.all() : files.find(names)
    } catch let error as DefinitionError {
      throw Stop(Exit.badData, "\(error)")
    }
  }

  /// As `find`, for what is to be run: where none is named, without those that run only by name, in this profile.
  func findToRun(
    _ names: [String], all: Bool, _ profile: Profile
  ) throws -> [(path: String, experiment: Experiment)] {
    let found = try find(names, all: all)
    return names.isEmpty ? found.filter { $0.experiment.under(profile).isInAll } : found
  }
}

/// Ends a command with a message for the user and an exit code.
struct Stop: Error {
  let code: ExitCode
  let reason: String

  init(_ code: ExitCode, _ reason: String) {
    self.code = code
    self.reason = reason
  }

  private static func code(of error: any Error) -> ExitCode {
    switch error {
    case is DefinitionError, is CSVError, is StoredResult.Failure, is Journal.Failure, is DecodingError: Exit.badData
    case let error as Chart.DrawError where error.isToolMissing: Exit.unavailable
    default: Exit.failed
    }
  }

  /// Runs `body`, and reports its error on standard error: a `Stop` with its exit code, an invalid file with 65, a missing
  /// program with 69, any other error with 1.
  static func translating(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch let stop as Stop {
      Terminal.complain(stop.reason)
      throw stop.code
    } catch let error as ExitCode {
      throw error
    } catch let error as ValidationError {
      throw error
    } catch {
      Terminal.complain("\(error)")
      throw code(of: error)
    }
  }
}

/// Prints to the terminal, with colours and carriage returns only on a terminal; `NO_COLOR` is honoured.
enum Terminal {
  /// Whether standard output is one JSON document, so that text for the user is printed on standard error.
  static let wantsJSON = CommandLine.arguments.contains("--json")
  private static var person: StandardStream { wantsJSON ? .error : .output }
  static let isTerminal = person.isTerminal
  /// Whether to colour: `NO_COLOR` (https://no-color.org) is unset or empty.
  static let hasColour = isTerminal && (getenv("NO_COLOR").map { $0.pointee == 0 } ?? true)

  enum Colour: String {
    case red = "31", green = "32", yellow = "33", grey = "90", bold = "1"
  }

  static func paint(_ text: String, _ colour: Colour) -> String {
    hasColour ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
  }

  static func say(_ text: String) {
    write(text + "\n", to: person)
  }

  /// Prints output for programs, always on standard output.
  static func answer(_ text: String) {
    write(text + "\n", to: .output)
  }

  /// Replaces the current line on a terminal; does nothing elsewhere.
  static func update(_ text: String) {
    guard isTerminal else { return }
    write("\r\u{1B}[K\(text)", to: person)
  }

  static func clearLine() { update("") }

  static func complain(_ text: String) {
    StandardStream.error.write("millrace: \(text)\n")
  }

  /// Writes, and continues after a write error: a campaign's rows are in files.
  private static func write(_ text: String, to stream: StandardStream) {
    if stream.write(text), let failure = StandardStream.output.failure { complain(StandardStream.sentence(failure)) }
  }

  /// Ends the program. A write error of the output turns exit code 0, and no other, into 74.
  static func exit(_ code: Int32) -> Never {
    Glibc.exit(code == 0 && StandardStream.output.failure != nil ? StandardStream.exitCode : code)
  }

  static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
