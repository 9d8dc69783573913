import Experiment
import Results
import Verdict

/// What the page says once for all results: the machine they were measured on, what keeps them from being more than they are, and what
/// the lint looked for. Where results differ, the experiments' ids stand behind.
extension Report {
  /// Texts of several results, each once, with the ids of those it is said of; no ids where it is said of all.
  private func grouped(_ texts: [(id: String, text: String)]) -> [(text: String, ids: String)] {
    var groups: [(text: String, ids: [String])] = []
    for (id, text) in texts {
      if let place = groups.firstIndex(where: { $0.text == text }) {
        if !groups[place].ids.contains(id) { groups[place].ids.append(id) }
      } else {
        groups.append((text, [id]))
      }
    }
    return groups.map { ($0.text, $0.ids.count == entries.count ? "" : $0.ids.joined(separator: ", ")) }
  }

  private func grouped(_ values: (StoredResult) -> [String]) -> [(text: String, ids: String)] {
    grouped(entries.flatMap { entry in values(entry.result).map { (entry.result.experiment.id, $0) } })
  }

  private func words(_ group: (text: String, ids: String)) -> [String: Any] {
    ["text": group.text, "ids": group.ids.isEmpty ? [String]() : [group.ids]]
  }

  /// The machine, a line a fact.
  var facts: [[String: Any]] {
    let all: [(name: String, value: (Machine) -> String?)] = [
      ("processor", { "\($0.processor.model ?? "unknown"), \($0.processor.cores) cores" }),
      ("virtual machine", { $0.processor.virtual ? "yes" : "no" }), ("governor", { $0.processor.governor }),
      ("memory", { "\(Figures.text($0.memory.totalMiB / 1024)) GiB" }),
      ("huge pages", { $0.memory.transparentHugePages }), ("memory cgroup", { $0.memory.cgroup }),
      ("kernel", { $0.kernel }),
      (
        "disk",
        { [$0.disk.device, $0.disk.fileSystem, $0.disk.mountOptions].compactMap(\.self).joined(separator: ", ") }
      ),
      (
        "TCP congestion control",
        { $0.congestionControl.map { "\($0) (the kernel's default; arms set their own)" } }
      ),
      (
        "loopback",
        { machine in
          let settings = (machine.loopback ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)" }
          return settings.isEmpty ? nil : settings.joined(separator: ", ")
        }
      ),
      (
        "build",
        {
          "commit \($0.build.commit ?? "unknown")\($0.build.dirty == true ? ", with changes" : ""), "
            + "\($0.build.optimized ? "optimized" : "not optimized"), Swift \($0.build.swift)"
        }
      ),
    ]
    return all.compactMap { name, value in
      let values = grouped { value($0.machine).map { [$0] } ?? [] }
      return values.isEmpty ? nil : ["name": name, "values": values.map(words)]
    }
  }

  /// Why results are no more than valid or informative, each reason once.
  var weakened: [[String: Any]] {
    grouped { result in
      let validation =
        result.validation.map {
          $0.outcome == Verdict.Outcome.supported.rawValue ? [] : ["self-validation: \($0.sentence)"]
        }
        ?? []
      let invalid = Set(result.rows.filter { !$0.isValid }.map { $0.invalid.prefix { $0 != ":" && $0 != ";" } })
      return result.verdict.stateReasons + validation + invalid.sorted().map { "rows do not count: \($0)" }
        + result.skipped.sorted { $0.key < $1.key }.map { "left out, \($0.key): \($0.value)" }
        .filter { line in !result.verdict.stateReasons.contains { line.hasSuffix($0) } }
    }.map(words)
  }

  /// What the lint looked for and found: the crimes by kind, and the checks that were not made.
  var checks: [String: Any] {
    let disclosures = entries.map { entry in
      (id: entry.result.experiment.id, one: Disclosure(entry.result, beside: entry.history.reversed()))
    }
    let found = disclosures.flatMap { id, disclosure in disclosure.crimes.map { (id: id, finding: $0) } }
    let kinds = Crime.allCases.compactMap { crime -> [String: Any]? in
      let own = found.filter { $0.finding.crime == crime }
      guard let first = own.first else { return nil }
      return [
        "crime": crime.rawValue, "meaning": crime.meaning, "weight": first.finding.weight.rawValue,
        "class": first.finding.weight == .crime ? "no" : "open",
        "details": own.map { ["id": $0.id, "detail": $0.finding.detail.trimmingPrefix("\($0.id): ")] },
      ]
    }
    let unmade = grouped(disclosures.flatMap { id, disclosure in disclosure.unmade.map { (id, $0.sentence) } })
    return [
      "kinds": kinds, "hasKinds": !kinds.isEmpty,
      "looked": CrimeLint.made(disclosures.flatMap(\.one.unmade)), "known": Crime.allCases.count,
      "unmade": unmade.map(words),
      "hasUnmade": !unmade.isEmpty,
    ]
  }

  /// How one result was made, beside what a card says anyway; in few words, for they stand on each card.
  func conduct(_ result: StoredResult) -> [[String: Any]] {
    let ran = max(result.experiment.replicates, result.rows.map(\.replicate).max() ?? 0)
    let caches = Dictionary(grouping: result.rows, by: \.cacheState).sorted { $0.key.rawValue < $1.key.rawValue }
      .map { "\($0.value.count) rows \($0.key.rawValue)" }
    let unsettled = result.rows.count { $0.steadiness == .unsettled }
    let changed = Set(result.changePoints.map(\.order)).count
    let floor = result.verdict.findings.compactMap(\.floor).max()
    let facts: [(String, String)] = [
      ("Replicates", "\(ran) a cell" + (result.settled.map { "; no more, because \($0)" } ?? "")),
      ("Order", "seed \(result.seed)"), ("Runs made again", "\(result.disturbed)"),
      ("Page cache, as proved", caches.isEmpty ? "no rows" : caches.joined(separator: ", ")),
      ("Steadiness", "\(unsettled) rows unsettled; \(changed) runs with a step in their rate"),
      ("Noise floor (A/A)", floor.map { "up to \(Figures.percent($0))" } ?? "not measured"),
    ]
    return facts.map { ["topic": $0.0, "statement": $0.1] }
  }
}
