package import Experiment
package import Verdict

/// Results of several machines side by side: each claim with its grade and figure on each machine, and what differs between the machines.
package struct MachineGrid: Sendable, Equatable {
  package struct Row: Sendable, Equatable {
    package var id: String
    package var claim: String
    package var original: String
    package var isAside: Bool
    /// One a machine, in the machines' order; nil where it has no result of the experiment.
    package var cells: [Cell?]
  }

  package struct Cell: Sendable, Equatable {
    package var line: Overview.Line
    package var profile: Profile
    /// Other levels or rules than those of the first machine that has the experiment: not to be held against it.
    package var isOther: Bool

    /// `15.7× [9.14, 17.9] ~ holds in direction`, and what makes it another thing.
    package var text: String {
      var notes: [String] = []
      if profile != .standard { notes.append("\(profile.rawValue) profile") }
      if isOther { notes.append("other levels or rules") }
      return "\(line.ours.text) \(line.grade.sign) \(line.grade.word)"
        + (notes.isEmpty ? "" : " (\(notes.joined(separator: "; ")))")
    }
  }

  /// A fact of the machines, one value a machine.
  package struct Fact: Sendable, Equatable {
    package var name: String
    package var values: [String]
  }

  package var machines: [String]
  package var rows: [Row]
  /// In which the machines differ, and in which they do not.
  package var differing: [Fact], same: [Fact]

  /// - Parameter machines: each with the latest result of each experiment.
  package init(_ machines: [(name: String, results: [StoredResult])]) {
    self.machines = machines.map(\.name)
    var first: [StoredResult] = []
    for result in machines.flatMap(\.results) where !first.contains(where: { $0.experiment.id == result.experiment.id })
    {
      first.append(result)
    }
    first.sort { ($0.experiment.number, $0.experiment.id) < ($1.experiment.number, $1.experiment.id) }
    let all = first.map { lead -> Row in
      let line = Overview.line(lead)
      let cells = machines.map { machine -> Cell? in
        guard let own = machine.results.first(where: { $0.experiment.id == lead.experiment.id }) else { return nil }
        return Cell(line: Overview.line(own), profile: own.profile, isOther: !own.measures(what: lead))
      }
      return Row(id: line.id, claim: line.claim, original: line.original, isAside: line.isAside, cells: cells)
    }
    rows = all.filter { !$0.isAside } + all.filter(\.isAside)
    let facts = Self.facts.map { name, value in
      Fact(name: name, values: machines.map { Self.values($0.results, value) })
    }
    differing = facts.filter { Set($0.values).count > 1 }
    same = facts.filter { Set($0.values).count == 1 && $0.values.first != "–" }
  }

  /// What of one machine's results differs among themselves is listed.
  private static func values(_ results: [StoredResult], _ value: (Machine) -> String?) -> String {
    var unique: [String] = []
    for result in results {
      if let one = value(result.machine), !unique.contains(one) { unique.append(one) }
    }
    return unique.isEmpty ? "–" : unique.joined(separator: "; ")
  }

  private static let facts: [(name: String, value: @Sendable (Machine) -> String?)] = [
    ("processor", { $0.processor.model }), ("cores", { String($0.processor.cores) }),
    ("CPU quota", { $0.processor.quotaCores.map { "\(Figures.text($0)) cores" } }),
    ("virtual machine", { $0.processor.virtual ? "yes" : "no" }), ("governor", { $0.processor.governor }),
    ("memory", { "\(Figures.text($0.memory.totalMiB / 1024)) GiB" }),
    ("memory cgroup", { $0.memory.cgroup ?? "none: \($0.memory.cgroupObstacle ?? "unknown")" }),
    ("huge pages", { $0.memory.transparentHugePages }),
    ("disk", { machine in machine.disk.device.map { $0 + kind(machine.disk) } }),
    ("file system", { [$0.disk.fileSystem, $0.disk.mountOptions].compactMap(\.self).joined(separator: ", ") }),
    ("disk scheduler", { $0.disk.scheduler }), ("kernel", { $0.kernel }),
    ("TCP congestion control", { $0.congestionControl }), ("root", { $0.isRoot ? "yes" : "no" }),
    ("commit", { machine in machine.build.commit.map { $0 + (machine.build.dirty == true ? ", with changes" : "") } }),
    ("Swift", { $0.build.swift }),
  ]

  private static func kind(_ disk: Machine.Disk) -> String {
    disk.rotational.map { $0 ? ", rotating" : ", not rotating" } ?? ""
  }

  /// As aligned columns for a terminal.
  package var text: String {
    let head = ["", "claim", "original"] + machines
    let body = rows.map { [$0.id, $0.claim, $0.original] + $0.cells.map { $0?.text ?? "–" } }
    let facts = differing.map { ["", $0.name, ""] + $0.values }
    let title = ["", facts.isEmpty ? "the machines do not differ" : "what differs"]
    let all = [head] + body + [title] + facts
    let widths = head.indices.map { column in all.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
    return all.map { row in
      let cells = row.enumerated().map {
        $0.element + String(repeating: " ", count: widths[$0.offset] - $0.element.count)
      }
      var line = cells.joined(separator: "  ")[...]
      while line.last == " " { line.removeLast() }
      return String(line)
    }.joined(separator: "\n")
  }
}

extension StoredResult {
  /// Whether two results answer the same question, whatever their profiles' replicates.
  fileprivate func measures(what other: StoredResult) -> Bool {
    let (a, b) = (experiment, other.experiment)
    return a.factors == b.factors && a.sweep == b.sweep && a.fixed == b.fixed && a.verdicts == b.verdicts
  }
}
