import Base
import Glibc
import Synchronization

/// Runs `millrace-load`, from its arguments to its exit code.
package enum LoadCommand {
  /// Runs the whole program. The main thread only waits: Valgrind 3.19, which counts instructions, crashes on the main
  /// queue's signal wait.
  package static func runProgram(_ arguments: [String]) -> Never {
    StandardStream.prepare()
    OpenFileLimit.raise()
    Task.detached {
      let code = await main(arguments)
      exit(code == 0 && StandardStream.output.failure != nil ? StandardStream.exitCode : code)
    }
    // The parent process may have blocked signals, and threads inherit the mask: this thread unblocks them.
    var none = sigset_t()
    sigemptyset(&none)
    while true { sigsuspend(&none) }
  }

  /// Returns the exit code. 0: success. 1: records lost, duplicated or corrupt, or errors. 2: an invalid plan. `runProgram`
  /// turns 0 into 74 when standard output could not be written.
  package static func main(_ arguments: [String]) async -> Int32 {
    if arguments == ["--version"] {
      answer("millrace-load \(OwnProgram.version)\n")
      return 0
    }
    let asksForHelp = arguments.contains("--help") || arguments.contains("-h")
    if let command = commands.first(where: { $0.name == arguments.first }) {
      guard asksForHelp else { return await command.run(Array(arguments.dropFirst())) }
      answer(command.help)
      return 0
    }
    if arguments.isEmpty || asksForHelp || arguments.first == "help" {
      answer(LoadPlan.help(arguments.first.flatMap { LoadPlan.Command(rawValue: $0) }))
      return arguments.isEmpty ? 2 : 0
    }
    let plan: LoadPlan
    do throws(PlanError) {
      plan = try LoadPlan(arguments: arguments)
    } catch {
      complain("millrace-load: \(error)\nmillrace-load --help lists the flags")
      return 2
    }
    return await run(plan)
  }

  /// The commands that have flags of their own.
  private static let commands: [(name: String, help: String, run: @Sendable ([String]) async -> Int32)] = [
    (SustainPlan.command, SustainPlan.help, { await sustain($0) }),
    (TwinPlan.command, TwinPlan.help, { await twin($0) }),
    (ConnectPlan.command, ConnectPlan.help, { await connect($0, until: interrupted()) }),
    (CheckPlan.command, CheckPlan.help, { await check($0, until: interrupted()) }),
    (AgentPlan.command, AgentPlan.help, { await agent($0, until: interrupted()) }),
    (SpreadPlan.command, SpreadPlan.help, { await spread($0, until: interrupted()) }),
    (RelayPlan.command, RelayPlan.help, { await relay($0, until: interrupted()) }),
  ]

  /// Catches Ctrl-C and SIGTERM; returns what says whether one came.
  private static func interrupted() -> @Sendable () -> Bool {
    Interrupt.catchSignal()
    return { Interrupt.isPending }
  }

  private static func run(_ plan: LoadPlan) async -> Int32 {
    Interrupt.catchSignal()
    let screen = Screen(plan)
    let run = Run(plan, isInterrupted: { Interrupt.isPending }, observe: { screen.show($0) })
    do {
      let report = try await run.run()
      screen.end()
      try finish(report, intervals: screen.rows)
      return report.isGood ? 0 : 1
    } catch {
      screen.end()
      complain("millrace-load: \(error)")
      return error is PlanError ? 2 : 1
    }
  }

  private static func sustain(_ arguments: [String]) async -> Int32 {
    let read = { () throws(PlanError) in try SustainPlan(arguments: arguments) }
    guard let plan = planned(SustainPlan.command, read) else { return 2 }
    Interrupt.catchSignal()
    let run = SustainRun(
      plan, isInterrupted: { Interrupt.isPending }, tell: { if !plan.base.isQuiet { complain($0) } })
    do {
      let report = try await run.run()
      var text = report.summary + "\n"
      if plan.base.printsJSON { text += JSON.object(report.fields).text + "\n" }
      answer(text)
      return report.outcome.rate != nil ? 0 : 1
    } catch {
      complain("millrace-load: \(error)")
      return error is PlanError ? 2 : 1
    }
  }

  private static func twin(_ arguments: [String]) async -> Int32 {
    let read = { () throws(PlanError) in try TwinPlan(arguments: arguments) }
    guard let plan = planned(TwinPlan.command, read) else { return 2 }
    Interrupt.catchSignal()
    let run = TwinRun(plan, isInterrupted: { Interrupt.isPending }, tell: { if !plan.base.isQuiet { complain($0) } })
    do {
      let report = try await run.run()
      var text = report.summary + "\n"
      if plan.base.printsJSON { text += JSON.object(report.fields).text + "\n" }
      answer(text)
      if let path = plan.base.intervalsCSV { try Output.write(report.intervals, to: path) }
      return report.isGood ? 0 : 1
    } catch {
      complain("millrace-load: \(error)")
      return error is PlanError ? 2 : 1
    }
  }

  private static func finish(_ report: LoadReport, intervals: String) throws(PlanError) {
    let plan = report.plan
    var text = Output.summary(report) + "\n"
    if plan.printsJSON { text += Output.json(report) + "\n" }
    // The summary is printed first: a full disk loses the files, not the result.
    answer(text)
    if let path = plan.intervalsCSV { try Output.write(Output.intervalsHeader + intervals, to: path) }
    if let path = plan.histogramFile { try Output.writeHistograms(report, to: path) }
    if let path = plan.csv { try Output.appendCSV(report, to: path) }
  }

  /// Returns a command's plan; nil, after saying why, where its arguments make none: the exit code is then 2.
  static func planned<Plan>(_ command: String, _ read: () throws(PlanError) -> Plan) -> Plan? {
    do throws(PlanError) { return try read() } catch {
      complain("millrace-load: \(error)\nmillrace-load \(command) --help lists the flags")
      return nil
    }
  }

  /// Prints requested output. A failed write does not end the run, whose files and exit code still report it.
  static func answer(_ text: String) {
    guard StandardStream.output.write(text), let failure = StandardStream.output.failure else { return }
    complain("millrace-load: \(StandardStream.sentence(failure))")
  }

  static func complain(_ text: String) {
    StandardStream.error.write(text + "\n")
  }
}

/// Shows the progress line, and collects the rows of `--intervals-csv`. Called by one task.
private final class Screen: Sendable {
  private let isTerminal = StandardStream.error.isTerminal
  private let isQuiet: Bool
  private let collected = Mutex<String>("")

  init(_ plan: LoadPlan) { isQuiet = plan.isQuiet }

  var rows: String { collected.withLock { $0 } }

  func show(_ interval: Run.Interval) {
    collected.withLock { $0 += Output.intervalRow(interval) }
    guard !isQuiet else { return }
    let line = Output.progress(interval)
    // A terminal's line is overwritten; in a log each update has its own line.
    StandardStream.error.write(isTerminal ? "\r\u{1B}[K" + line : line + "\n")
  }

  func end() {
    if isTerminal && !isQuiet { StandardStream.error.write("\n") }
  }
}

/// Handles Ctrl-C and SIGTERM: the first asks the run to end and report, the second ends the program.
private enum Interrupt {
  private static let pending = Atomic<Bool>(false)

  static var isPending: Bool { pending.load(ordering: .relaxed) }

  static func catchSignal() {
    _ = isPending  // Initialised before a signal can arrive: a signal handler must not do it.
    for number in [SIGINT, SIGTERM] {
      signal(number) { number in
        if Interrupt.pending.exchange(true, ordering: .relaxed) { _exit(128 + number) }
      }
    }
  }
}
