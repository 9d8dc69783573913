import ArgumentParser
import Experiment
import Foundation
import Glibc
import Results
import Runner
import Verdict

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run experiments: rows, series, charts, report and verdicts.",
    discussion: """
      Every result gets a directory of its own, results/NN-name/UTC-commit, and none is overwritten; a quick one gets it in
      out/results, beside out/plots, and never in a directory of standard results. Ctrl-C ends after the run in progress is
      stopped and leaves a valid partial result; --resume continues it, and writes charts and report where it lies.

      With --target the load goes to a Kafka-compatible cluster that runs already: each run makes a topic of its own
      there and deletes it. What needs the broker's process, settings or files is left out by name.

      With --broker another broker is started, measured and stopped as its driver (experiments/brokers/NAME.yaml) says:
      beside Millrace in `versus`, in its place in any other experiment, whose results then go to out/NAME.

      EXAMPLES
        millrace run zero-copy --profile quick
        millrace run mine/group-commit.yaml --profile quick
        millrace run --all --json > verdicts.json
        millrace run --resume results/11-zero-copy/20260101T000000Z-abc1234
        millrace run throughput-over-volume --until 50GiB --target 10.0.0.7:9092 --target-memory 64GiB
        millrace run versus --broker kafka=/opt/kafka --broker millrace --profile quick
        millrace run soak --hours 8
      """)

  @Argument(help: "Experiments by name, number, id or path.") var names: [String] = []
  @Flag(help: "All experiments, but those that run only by name (`in_all: false`).") var all = false
  @OptionGroup var places: Places
  @Option(help: "quick (minutes, never reportable), standard or full.") var profile = Profile.standard
  @Option(help: "Seed of order, payloads and intervals; default: random, printed.") var seed: UInt64?
  @Option(help: "Continue the interrupted run in this result directory.") var resume: String?
  @Option(help: "Directory for data while running, on the disk to measure; default: results/scratch.") var scratch:
    String?
  @Flag(help: "Only bare arms: no broker is started.") var bareOnly = false
  @OptionGroup var brokers: BrokerOptions
  @Option(help: "HOST:PORT of a running cluster to measure instead of our own broker.") var target: String?
  @Option(help: "Partitions of topics created at the target.") var targetPartitions = 1
  @Option(help: "Replicas of topics created at the target.") var targetReplicas = 1
  @Option(
    help:
      "Memory of the target's machines, such as 64GiB, to mark in the chart; default for a local target: this machine's."
  )
  var targetMemory: String?
  @Option(help: "The size at which the sweep of each run ends, such as 50GiB.") var until: String?
  @Option(help: "How long each run of an experiment over time lasts, such as 8 or 0.5.") var hours: Double?
  @Option(help: "Leave out a part by name: ceiling-probe, generator-probe, repeats; the result says so.")
  var without: [String] = []
  @Flag(help: "Exit code 2 unless every verdict is SUPPORTED.") var strict = false

  @Flag(help: "Verdicts as one JSON document on standard output; progress is printed on standard error.") var json =
    false

  func validate() throws {
    for name in without where CampaignRun.Part(rawValue: name) == nil {
      let parts = CampaignRun.Part.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--without \(name): the parts that can be left out are \(parts)")
    }
    if let target, !Address.isList(target) { throw ValidationError("--target \(target): HOST:PORT is needed") }
    guard (1...10_000).contains(targetPartitions), (1...100).contains(targetReplicas) else {
      throw ValidationError("--target-partitions: 1 to 10000; --target-replicas: 1 to 100")
    }
    try ByteSize.check(until, of: "--until")
    try ByteSize.check(targetMemory, of: "--target-memory")
    try RunHours.check(hours)
    if resume != nil, target != nil || until != nil || hours != nil || !brokers.given.isEmpty {
      throw ValidationError(
        "--resume continues with the settings of the interrupted run: leave out --target, --broker, --until and --hours"
      )
    }
    if target != nil, !brokers.given.isEmpty {
      throw ValidationError("--target measures what runs already, --broker starts one: give one of the two")
    }
    if resume != nil, all || !names.isEmpty { throw ValidationError("--resume takes no experiment names") }
  }

  func run() throws {
    try Stop.translating {
      Interrupt.install()
      var finished: [StoredResult] = []
      let (campaigns, places) = try campaigns()
      for campaign in campaigns where !Interrupt.isRequested { finished.append(try campaign.run()) }
      try ReportCommand.write(places)
      if json { try Terminal.answer(JSONText.of(finished.map { JSONText.object($0) })) }
      let outcomes = finished.map(\.verdict.outcome)
      if Interrupt.isRequested || finished.contains(where: { !$0.isComplete }) { throw Exit.interrupted }
      if strict, outcomes.contains(where: { $0 != .supported }) { throw Exit.undecided }
    }
  }

  private func changes(_ places: Places) throws -> RunChanges {
    let own = target.map { address in
      let isLocal = Target.isLocal(address)
      let memory = targetMemory.flatMap(ByteSize.mebibytes).map(Double.init)
      return Target(
        address: address, isLocal: isLocal, memoryMiB: memory ?? (isLocal ? MachineMemory.totalMiB : nil),
        partitions: targetPartitions, replicationFactor: targetReplicas)
    }
    return RunChanges(
      target: own, untilMiB: until.flatMap(ByteSize.mebibytes), brokers: try brokers.installed(places),
      hours: hours)
  }

  /// The name of another's broker that runs in Millrace's place.
  private static func replacement(_ brokers: [BrokerUnderTest]?, in experiments: [Experiment]) -> String? {
    guard experiments.contains(where: { !$0.comparesBrokers }) else { return nil }
    return brokers?.first { $0 != .own }?.driver.name
  }

  /// What is to be run, and where its results, charts and page go.
  private func campaigns() throws -> ([CampaignRun], Places) {
    let seed = seed ?? UInt64.random(in: 1...999_999)
    let without = Set(without.compactMap(CampaignRun.Part.init(rawValue:)))
    if let resume {
      var campaign = try CampaignRun(resuming: resume, places: places, scratch: scratch)
      campaign.without.formUnion(without)
      return ([campaign], campaign.places)
    }
    let changes = try changes(places)
    let found = try places.findToRun(names, all: all, profile)
    let places = try places.ofNew(profile, replacing: Self.replacement(changes.brokers, in: found.map(\.experiment)))
    // The harness is validated first: if it fails, no later verdict counts.
    let first = found.filter { $0.experiment.id == SelfValidation.Name.experiment }
    let rest = found.filter { $0.experiment.id != SelfValidation.Name.experiment }
    let campaigns = try (first + rest).map { path, experiment in
      var campaign = try CampaignRun(
        definition: path, experiment: experiment, profile: profile, seed: seed, places: places, scratch: scratch,
        bareOnly: bareOnly, changes: changes)
      campaign.without = without
      return campaign
    }
    return (campaigns, places)
  }
}
