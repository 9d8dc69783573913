import Experiment
import Measure
package import Results
package import Verdict

/// What whoever reads a result should be told without asking, filled in by the program from the result's own files.
package struct Disclosure: Sendable, Equatable {
  package struct Item: Sendable, Equatable {
    package var topic: String
    package var statement: String
  }

  package var title: String
  package var items: [Item]
  package var crimes: [CrimeFinding]
  /// Checks from which nothing can come here.
  package var unmade: [UnmadeChecks]
  /// The definition's own words on what the experiment cannot show.
  package var limitations: [String]

  /// `others`: older results of the experiment that stand on the same page.
  package init(_ result: StoredResult, beside others: [StoredResult] = []) {
    title = "\(result.experiment.id) \(result.experiment.title): \(result.name)"
    items = Self.what(result) + Self.how(result) + Self.counted(result) + Self.machine(result)
    crimes = CrimeLint.findings(result) + CrimeLint.findings(across: others + [result])
    unmade = CrimeLint.unmade(result, beside: others)
    if result.told == nil {
      unmade.append(UnmadeChecks(crimes: [.nothingTold], reason: "verdict.json does not lie beside the rows yet"))
    }
    limitations = result.experiment.caveats
  }

  private static func what(_ result: StoredResult) -> [Item] {
    let experiment = result.experiment
    let rules = experiment.verdicts.filter(\.decides).map(\.meaning)
    return [
      Item(topic: "Claim", statement: "\(experiment.claim) (\(experiment.claims.joined(separator: ", ")))"),
      Item(
        topic: "Rule",
        statement: "Fixed before the first run (SHA-256 \(result.definitionHash.prefix(16))…): "
          + (rules.isEmpty ? "none decides" : rules.joined(separator: "; "))),
      Item(
        topic: "Verdict",
        statement: "\(result.verdict.outcome.rawValue), \(result.verdict.state.rawValue). \(result.verdict.sentence)"),
    ]
  }

  private static func how(_ result: StoredResult) -> [Item] {
    let experiment = result.experiment
    let labels = Dictionary(grouping: experiment.arms, by: \.durability.rawValue).sorted { $0.key < $1.key }
      .map { "\($0.key): \($0.value.map(\.name).joined(separator: ", "))" }
    let caches = Dictionary(grouping: result.rows, by: \.cacheState).sorted { $0.key.rawValue < $1.key.rawValue }
      .map { "\($0.value.count) rows \($0.key.rawValue)" }
    let parts = experiment.arms.filter { $0.client == .part }.map(\.name)
    var replicates =
      "\(experiment.replicates) a cell, each a process of its own, interleaved in an order of seed \(result.seed)"
    if let adaptive = experiment.adaptive {
      replicates +=
        "; \(result.extensions.count) added until intervals were within ± \(Figures.percent(adaptive.width)) "
        + "(\(result.settled ?? "not yet decided"))"
    }
    return [
      Item(topic: "Replicates", statement: replicates),
      Item(topic: "Profile", statement: result.profile.rawValue),
      Item(
        topic: "Load generator",
        statement: parts.isEmpty
          ? "drives what is measured; a rate that it set does not count"
          : "a part of what is measured in \(parts.joined(separator: ", ")); elsewhere a rate that it set does not count"
      ),
      Item(topic: "Durability", statement: labels.joined(separator: "; ")),
      Item(topic: "Page cache, as proved", statement: caches.isEmpty ? "no rows" : caches.joined(separator: ", ")),
    ]
  }

  private static func counted(_ result: StoredResult) -> [Item] {
    let invalid = result.rows.filter { !$0.isValid }
    let reasons = Dictionary(grouping: invalid) { $0.invalid.prefix { $0 != ":" && $0 != ";" } }
      .sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
      .map { "\($0.value.count) × \($0.key)" }
    let skipped = result.skipped.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    let floors = result.verdict.findings.compactMap(\.floor)
    let changed = Set(result.changePoints.map(\.order)).count
    let unsettled = result.rows.count { $0.steadiness == .unsettled }
    return [
      Item(
        topic: "Runs",
        statement: "\(result.finishedRuns) of \(result.plannedRuns)\(result.isComplete ? "" : ", interrupted"); "
          + "\(result.disturbed) thrown away and made again because of what the machine did meanwhile"),
      Item(
        topic: "Rows that do not count",
        statement: invalid.isEmpty
          ? "none" : "\(invalid.count) of \(result.rows.count): " + reasons.joined(separator: "; ")),
      Item(topic: "Arms left out", statement: skipped.isEmpty ? "none" : skipped.joined(separator: "; ")),
      Item(
        topic: "Steadiness",
        statement: "\(unsettled) rows never settled, the rate of \(changed) runs changed its level on the way"),
      Item(
        topic: "Noise floor (A/A)",
        statement: floors.max().map { "an arm differs from itself by up to \(Figures.percent($0))" } ?? "not measured"),
      Item(
        topic: "Self-validation of the harness",
        statement: result.validation.map { "\($0.outcome ?? "not run"): \($0.sentence)" } ?? "not run"),
    ]
  }

  private static func machine(_ result: StoredResult) -> [Item] {
    let machine = result.machine
    let ceilings = (result.ceiling?.figures ?? [:]).sorted { $0.key < $1.key }
      .map { "\($0.key) \(Figures.text($0.value))" }
    let settings = (machine.loopback ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)" }
    let build = machine.build
    return [
      Item(
        topic: "Machine",
        statement: "\(machine.processor.model ?? "unknown processor"), \(machine.processor.cores) cores, "
          + "\(Figures.text(machine.memory.totalMiB / 1024)) GiB, \(machine.disk.fileSystem ?? "unknown file system") on "
          + "\(machine.disk.device ?? "an unknown device"), kernel \(machine.kernel)"
          + (machine.processor.virtual ? ", virtual: host caches and neighbours are out of sight" : "")),
      Item(
        topic: "Build",
        statement:
          "commit \(build.commit ?? "unknown")\(build.dirty == false ? "" : " with changes"), Swift \(build.swift), "
          + (build.optimized ? "optimized" : "not optimized")),
      Item(
        topic: "Gates",
        statement: result.gates.filter { $0.outcome != .passed }.map(\.sentence).joined(separator: "; ")),
      Item(
        topic: "Ceilings, just before",
        statement: ceilings.isEmpty ? result.ceiling?.skipped ?? "not probed" : ceilings.joined(separator: ", ")),
      Item(
        topic: "Loopback settings", statement: settings.isEmpty ? "not recorded" : settings.joined(separator: ", ")),
    ].map { $0.statement.isEmpty ? Item(topic: $0.topic, statement: "nothing to say against it") : $0 }
  }

  /// As a page of its own.
  package var markdown: String {
    var lines = ["# Disclosure: \(title)", "", "Written by the program from the result's files.", ""]
    for item in items { lines.append("- **\(item.topic).** \(item.statement)") }
    lines += ["", "## Benchmarking crimes", ""]
    lines += crimes.isEmpty ? ["None of the \(CrimeLint.made(unmade)) that can be looked for here."] : []
    for finding in crimes {
      lines.append("- **\(finding.weight.rawValue)** \(finding.sentence). \(finding.crime.meaning)")
    }
    lines += [""] + unmade.map { "- Not looked for: \($0.sentence)." }
    lines += ["", "## What this cannot show", ""]
    lines += limitations.isEmpty ? ["The definition names nothing."] : limitations.map { "- \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }
}
