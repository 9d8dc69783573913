import ArgumentParser
import Base
import Foundation
import Glibc
import Runner
import Simulation
import Storage
import Synchronization

/// Runs deterministic simulations of the shipped broker, one for each seed.
struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate", abstract: "Deterministic simulation: run the broker with faults, and check its promises.",
    discussion: """
      A seed decides everything: configuration, clients, faults, and the order of all events. The broker is the shipped code,
      from the bytes of a connection to the files of a log; the clock, the network and the disk are simulated. A seed that
      fails is printed with the command that replays it, and fails again on any machine.

      EXAMPLES
        millrace simulate --seed 42                      one seed: its hash, failed checks and last events
        millrace simulate --seed 42 --trace              every event as it happens
        millrace simulate --seeds 1000                   seeds 1 to 1000
        millrace simulate --seeds 1000000 --minutes 30   as many as half an hour allows
        millrace simulate --seeds 20 --fresh             the first seed drawn at random
        millrace simulate --cluster --seeds 1000         a cluster of three brokers

      EXIT CODES
        0 all checks passed   1 checks failed, in the seeds that are named   64 wrong arguments
      """)

  @Flag(help: "Simulate a cluster of three brokers, and not one that is alone.") var cluster = false
  @Option(help: "Run this seed alone.") var seed: UInt64?
  @Option(help: "Number of seeds to run.") var seeds: Int?
  @Option(help: "The first of the seeds.") var from: UInt64 = 1
  @Flag(help: "Draw the first seed at random.") var fresh = false
  @Option(help: "Start no seed after N minutes.") var minutes: Double?
  @Option(help: "Seeds that run at a time; default: one per processor.") var threads: Int?
  @Flag(help: "Print every event as it happens (requires --seed).") var trace = false
  @Option(help: "Number of last events to print of a failing seed.") var last = 60
  @Flag(help: "Start no seed after one has failed.") var untilFailure = false
  #if DEBUG
  @Option(
    help:
      "Plant this fault in the broker first (debug builds only): \(PlantedFault.allCases.map { "\($0)" }.joined(separator: ", "))."
  )
  var plant: String?
  #endif

  func validate() throws {
    guard (seed == nil) != (seeds == nil) else {
      throw ValidationError("give either --seed N or --seeds COUNT")
    }
    if let seeds, seeds < 1 { throw ValidationError("--seeds: must be at least 1") }
    if let minutes, !(minutes > 0 && minutes < 1e6) { throw ValidationError("--minutes: must be above 0") }
    if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads: must be 1 to 1024") }
    #if DEBUG
    if let plant, !PlantedFault.allCases.contains(where: { "\($0)" == plant }) {
      throw ValidationError("--plant: unknown fault \(plant)")
    }
    #endif
    if trace, seed == nil { throw ValidationError("--trace requires --seed") }
  }

  func run() throws {
    #if DEBUG
    PlantedFault.plant(PlantedFault.allCases.first { "\($0)" == plant })
    #endif
    if let seed { try runOne(seed) } else { try runMany(seeds ?? 1) }
  }

  private func runOne(_ seed: UInt64) throws {
    let outcome = trace ? simulate(seed) { Terminal.say($0) } : simulate(seed)
    if !outcome.violations.isEmpty { report(outcome) }
    Terminal.say("seed \(seed): \(outcome.events) events, hash \(hex(outcome.hash)), \(summary(outcome.counts))")
    guard outcome.violations.isEmpty else { throw Exit.failed }
  }

  private func simulate(_ seed: UInt64, echo: ((String) -> Void)? = nil) -> Simulation.Outcome {
    cluster ? ClusterSimulation.run(seed: seed, echo: echo) : Simulation.run(seed: seed, echo: echo)
  }

  private func runMany(_ count: Int) throws {
    var chance = SystemRandomNumberGenerator()
    let first = fresh ? UInt64.random(in: 1...UInt64(UInt32.max), using: &chance) : from
    let start = Uptime.seconds
    let deadline = minutes.map { start + $0 * 60 } ?? .infinity
    let all = Mutex(Sweep())
    Threads.run(count: count, threads: threads ?? ProcessInfo.processInfo.activeProcessorCount) { index in
      guard Uptime.seconds < deadline else { return }
      if untilFailure, all.withLock({ !$0.failed.isEmpty }) { return }
      let outcome = simulate(first &+ UInt64(index))
      all.withLock { $0.add(outcome) }
      if !outcome.violations.isEmpty { report(outcome) }
    }
    let sweep = all.withLock { $0 }
    let seconds = String(format: "%.1f", Uptime.seconds - start)
    Terminal.say(
      "\(sweep.seeds) seeds from \(first) in \(seconds) s: \(sweep.events) events, hash of all \(hex(sweep.hash)), \(summary(sweep.counts))"
    )
    guard !sweep.failed.isEmpty else { return Terminal.say("everything held") }
    Terminal.say("FAILED: seeds \(sweep.failed.sorted().map { String($0) }.joined(separator: ", "))")
    throw Exit.failed
  }

  /// Adds up the outcomes of many seeds. The hash does not depend on the order in which they ended.
  private struct Sweep {
    var seeds = 0
    var events = 0
    var hash: UInt64 = 0
    var failed: [UInt64] = []
    var counts = Simulation.Counts()

    mutating func add(_ outcome: Simulation.Outcome) {
      seeds += 1
      events += outcome.events
      hash ^= outcome.hash
      if !outcome.violations.isEmpty { failed.append(outcome.seed) }
      counts.batchesAcknowledged += outcome.counts.batchesAcknowledged
      counts.recordsRead += outcome.counts.recordsRead
      counts.adminChanges += outcome.counts.adminChanges
      counts.assignments += outcome.counts.assignments
      counts.transactions += outcome.counts.transactions
      counts.strangers += outcome.counts.strangers
      counts.offsetCommits += outcome.counts.offsetCommits
      counts.faults.merge(outcome.counts.faults, uniquingKeysWith: +)
    }
  }

  private func report(_ outcome: Simulation.Outcome) {
    var lines = ["seed \(outcome.seed) failed; the last of its \(outcome.events) events (virtual seconds):"]
    lines += outcome.lastEvents.suffix(max(0, last)).map { "  \($0)" }
    lines += outcome.violations.map { "what did not hold: \($0)" }
    lines.append("replay: millrace simulate\(cluster ? " --cluster" : "") --seed \(outcome.seed)")
    Terminal.say(lines.joined(separator: "\n"))
  }

  private func summary(_ counts: Simulation.Counts) -> String {
    let faults = counts.faults.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    return [
      "\(counts.batchesAcknowledged) batches acknowledged", "\(counts.recordsRead) records read",
      "\(counts.adminChanges) changes of topics", "\(counts.assignments) assignments in groups",
      "\(counts.offsetCommits) offset commits",
      "\(counts.transactions) transactions; faults: \(faults.isEmpty ? "none" : faults)",
    ].joined(separator: ", ")
  }

  private func hex(_ number: UInt64) -> String { String(format: "%016llx", number) }
}
