/// A Kafka-compatible cluster that somebody else runs, in the place of the broker that a campaign starts.
///
/// What the campaign knows of its own broker it does not know here: no process to read, no settings to flip, no memory
/// cgroup, no files. Arms that need one of these are left out by name, and their metrics stay empty.
package struct Target: Sendable, Equatable, Codable {
  /// `HOST:PORT`, several separated by commas, as the load generator takes it.
  package var address: String
  /// On this machine: then the bare append shares its disk, and controls what it measures.
  package var isLocal: Bool
  /// Of the machine that stores; nil when nobody said.
  package var memoryMiB: Double?
  package var partitions: Int
  package var replicationFactor: Int

  package init(
    address: String, isLocal: Bool, memoryMiB: Double? = nil, partitions: Int = 1, replicationFactor: Int = 1
  ) {
    self.address = address
    self.isLocal = isLocal
    self.memoryMiB = memoryMiB
    self.partitions = partitions
    self.replicationFactor = replicationFactor
  }

  /// What a row cannot hold, and why.
  package static let blindness =
    "the broker is another's process: its CPU, memory, files and system calls are not measured, and its settings are its own"
}

/// What a person asked of a run beyond its profile. Kept in the journal's first line, so that the stored definition and
/// the rows beside it agree.
package struct RunChanges: Sendable, Equatable, Codable {
  package var target: Target?
  /// The sweep's end, MiB stored.
  package var untilMiB: Int?

  package init(target: Target? = nil, untilMiB: Int? = nil) {
    self.target = target
    self.untilMiB = untilMiB
  }

  package struct Refusal: Error, Equatable, CustomStringConvertible {
    package let description: String
  }
}

extension Experiment {
  private enum Volume {
    /// A sweep has at least so many windows, so that its slope and its last tenth mean something.
    static let windowsMin = 8
    static let names = (bytes: "total_bytes", records: "num_records", recordBytes: "record_bytes", memory: "memory_mib")
  }

  /// The definition as it runs under `changes`; after `under(_:)`.
  package func changed(by changes: RunChanges) throws(RunChanges.Refusal) -> Experiment {
    var changed = self
    if let mebibytes = changes.untilMiB { try changed.sweep(until: mebibytes) }
    if let target = changes.target { try changed.aim(at: target) }
    return changed
  }

  private mutating func sweep(until mebibytes: Int) throws(RunChanges.Refusal) {
    guard let old = sweep, let recordBytes = fixed.first(where: { $0.name == Volume.names.recordBytes })?.value.number,
      [Volume.names.bytes, Volume.names.records].allSatisfy({ name in fixed.contains { $0.name == name } })
    else {
      throw RunChanges.Refusal(
        description: "\(name) stores no volume that could end elsewhere (--until needs a sweep and the fixed values "
          + "total_bytes, num_records and record_bytes)")
    }
    let count = max(Volume.windowsMin, old.levels.count)
    guard mebibytes >= count else {
      throw RunChanges.Refusal(description: "--until \(mebibytes) MiB: at least \(count) MiB, one for each window")
    }
    sweep = Factor(name: old.name, levels: (1...count).map { Level(String(mebibytes * $0 / count)) })
    set(Volume.names.bytes, mebibytes << 20)
    set(Volume.names.records, Int(Double(mebibytes << 20) / recordBytes))
  }

  private mutating func aim(at target: Target) throws(RunChanges.Refusal) {
    guard arms.contains(where: { obstacle(to: $0, at: target) == nil && $0.tier == .endToEnd }) else {
      throw RunChanges.Refusal(
        description: "no arm of \(name) can be aimed at another's cluster: "
          + (arms.first { $0.tier == .endToEnd }
            .flatMap { obstacle(to: $0, at: target) } ?? "it has no end-to-end arm"))
    }
    self.target = target
    for index in arms.indices { arms[index].memory = nil }
    minimum.memoryCgroup = false
    caveats.append("Measured against \(target.address), which the campaign did not start: \(Target.blindness).")
    if target.isLocal == false {
      caveats.append("The target is another machine: the bare append, which shares its disk, could not run.")
    }
    if let memory = target.memoryMiB {
      set(Volume.names.memory, Int(memory))
    } else {
      for index in charts.indices {
        charts[index].references.removeAll { $0.at.text == "{\(Volume.names.memory)}" }
      }
    }
  }

  private mutating func set(_ name: String, _ value: Int) {
    guard let index = fixed.firstIndex(where: { $0.name == name }) else { return }
    fixed[index].value = Level(String(value))
  }

  /// Why an arm cannot run where the campaign has no broker of its own; nil when it can.
  package func obstacle(to arm: Arm, at target: Target) -> String? {
    guard let broker = arm.broker else {
      return target.isLocal ? nil : "the target is another machine, and a bare mechanism here would not control it"
    }
    // The first arm is the broker as it is; what differs from it flips a switch of the broker.
    let plain = arms.lazy.compactMap(\.broker).first
    guard broker.settings == plain?.settings ?? [] else {
      return "it needs other broker settings, and the target's are its own"
    }
    guard broker.network.isLoopback else {
      return "it needs a link or a delay of its own, and the target's network is its own"
    }
    let phases = broker.phases
    guard phases.load != .consume, phases.filling.isEmpty, arm.cache == .any else {
      return "it needs a filled topic whose cache state is proved, which cannot be done at a target"
    }
    guard phases.stallMs == nil else { return "it stops the broker for a moment, which cannot be done to a target" }
    guard phases.beside == nil else { return "it needs a second load at a broker of its own" }
    return nil
  }
}
