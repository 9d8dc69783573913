import ArgumentParser
import Base
import Foundation
import Runner

/// Kills and stops a broker again and again, while clients record what they see of it.
struct FaultsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "faults",
    abstract: "Kill (-9) and stop (SIGSTOP) a broker of this machine again and again, and check what its clients see.",
    discussion: """
      A broker is started on loopback, beside it `millrace-load check`: idempotent and transactional producers, members of
      groups, readers. At times drawn from the seed the broker is killed and started again, or stopped for some seconds,
      every other time for longer than the clients' timeouts. kill -9 leaves the page cache, so every acknowledged record
      must be there. In the end everything is read, and the history of all clients is searched for what Kafka's contract forbids.

      The history, the broker's logs and its data are kept where something was found, and with --keep.

      EXAMPLES
        millrace faults                          ten minutes
        millrace faults --minutes 60 --seed 7
        millrace-load check --from-history DIR/history.txt      what was found, again

      EXIT CODES
        0 no anomaly   1 anomalies, or the broker ended by itself   64 wrong arguments   130 interrupted
      """)

  @Option(help: "How long the clients send.") var minutes = 10.0
  @Option(help: "Decides when the broker is killed and stopped, and the clients' choices.") var seed: UInt64 = 1
  @Option(help: "An empty or new directory for data, logs and history; default: one in the temporary directory.")
  var directory: String?
  @Option(help: "Records/s of all producers together.") var throughput = 1000
  @Flag(help: "Keep the directory though nothing was found.") var keep = false
  @Flag(help: "Print the check's report as JSON.") var json = false
  #if DEBUG
  @Option(help: "Plant this fault in the broker first (debug builds only).") var plant: String?
  #endif

  func validate() throws {
    guard FaultRun.Limits.minutes.contains(minutes) else {
      throw ValidationError(
        "--minutes: must be \(FaultRun.Limits.minutes.lowerBound) to \(FaultRun.Limits.minutes.upperBound)")
    }
    guard (1...20_000).contains(throughput) else { throw ValidationError("--throughput: must be 1 to 20000") }
    guard seed < 1 << 53 else { throw ValidationError("--seed: must be below 2^53") }
    #if DEBUG
    if let plant, !PlantedFault.allCases.contains(where: { "\($0)" == plant }) {
      throw ValidationError("--plant: unknown fault \(plant)")
    }
    #endif
  }

  func run() throws {
    Interrupt.install()
    let place = try prepared()
    let outcome: FaultRun.Outcome
    do {
      let run = try FaultRun(
        settings(place), programs: .beside(OwnProgram.path), tell: { Terminal.say($0) },
        stopRequested: { Interrupt.isRequested })
      outcome = try run.run()
    } catch RunError.interrupted {
      Terminal.complain("interrupted; what there is lies in \(place)")
      throw Exit.interrupted
    } catch {
      Terminal.complain("\(error)")
      throw Exit.failed
    }
    Terminal.say("\(outcome.kills) kills, \(outcome.pauses) stops")
    show(outcome.report)
    guard outcome.isGood, !keep else {
      Terminal.say("history, logs and data are in \(place)")
      if !outcome.isGood { throw Exit.failed }
      return
    }
    try? FileManager.default.removeItem(atPath: place)
  }

  /// With `--json` the last line is the document.
  private func show(_ report: String) {
    let lines = report.split(separator: "\n").map(String.init)
    for line in json ? lines.dropLast() : lines[...] { Terminal.say(line) }
    if json, let document = lines.last { Terminal.answer(document) }
  }

  private func prepared() throws -> String {
    let place = directory ?? NSTemporaryDirectory() + "millrace-faults-\(getpid())"
    do {
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      guard try FileManager.default.contentsOfDirectory(atPath: place).isEmpty else {
        throw ValidationError("--directory \(place) is not empty")
      }
    } catch let error as ValidationError {
      throw error
    } catch {
      throw ValidationError("--directory \(place): \(error.localizedDescription)")
    }
    return place
  }

  private func settings(_ place: String) -> FaultRun.Settings {
    var settings = FaultRun.Settings(directory: place)
    settings.minutes = minutes
    settings.seed = seed
    settings.loadArguments = ["--throughput", "\(throughput)"] + (json ? ["--json"] : [])
    #if DEBUG
    if let plant { settings.brokerArguments = ["--plant", plant] }
    #endif
    return settings
  }
}
