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
  /// In the place of Millrace, or beside it; nil: nobody named any.
  package var brokers: [BrokerUnderTest]?
  /// How long each run over time lasts.
  package var hours: Double?

  package init(
    target: Target? = nil, untilMiB: Int? = nil, brokers: [BrokerUnderTest]? = nil, hours: Double? = nil
  ) {
    self.target = target
    self.untilMiB = untilMiB
    self.brokers = brokers
    self.hours = hours
  }
}

/// Says why changes cannot be applied to a definition.
package struct RunChangesError: Error, Equatable, CustomStringConvertible {
  package let description: String
}

extension Experiment {
  private enum Volume {
    /// A sweep has at least so many windows, so that its slope and its last tenth mean something.
    static let windowsMin = 8
    /// A window holds at least so many steps, and a step so many bytes.
    static let stepsMin = 4, stepBytesMin = 65_536
    static let (skip, step) = ("skip_mib", "step_bytes")
    static let names = (bytes: "total_bytes", records: "num_records", recordBytes: "record_bytes", memory: "memory_mib")
  }

  /// The definition as it runs under `changes`; after `under(_:)`.
  package func changed(by changes: RunChanges) throws(RunChangesError) -> Experiment {
    var changed = self
    if let mebibytes = changes.untilMiB { try changed.sweep(until: mebibytes) }
    if let hours = changes.hours { try changed.run(hours: hours) }
    if let target = changes.target { try changed.aim(at: target) }
    try changed.put(changes.brokers ?? [])
    return changed
  }

  private mutating func sweep(until mebibytes: Int) throws(RunChangesError) {
    guard let old = sweep, let recordBytes = fixed.first(where: { $0.name == Volume.names.recordBytes })?.value.number,
      [Volume.names.bytes, Volume.names.records].allSatisfy({ name in fixed.contains { $0.name == name } })
    else {
      throw RunChangesError(
        description: "\(name) stores no volume that could end elsewhere (--until needs a sweep and the fixed values "
          + "total_bytes, num_records and record_bytes)")
    }
    let levels = try Self.levels(old, until: mebibytes)
    sweep = Factor(name: old.name, levels: levels.map { Level(String($0)) })
    fitSteps(toWindowAt: levels[0])
    set(Volume.names.bytes, mebibytes << 20)
    set(Volume.names.records, Int(Double(mebibytes << 20) / recordBytes))
  }

  /// Levels that double go on doubling from the first one, or, where that is too much, from a quarter of the end; others
  /// become as many (at least `windowsMin`) of the same size.
  private static func levels(_ old: Factor, until end: Int) throws(RunChangesError) -> [Int] {
    let known = old.levels.compactMap(\.number).map { Int($0) }
    if let first = known.first, known.count > 1, zip(known, known.dropFirst()).allSatisfy({ $0 * 2 == $1 }) {
      guard end >= 8 else { throw RunChangesError(description: "--until \(end) MiB: at least 8 MiB") }
      var levels = [min(first, end / 4)]
      while let last = levels.last, last * 2 <= end { levels.append(last * 2) }
      // What is left over is no doubling, and belongs to the last window.
      levels[levels.count - 1] = end
      return levels
    }
    let count = max(Volume.windowsMin, known.count)
    guard end >= count else {
      throw RunChangesError(description: "--until \(end) MiB: at least \(count) MiB, one for each window")
    }
    return (1...count).map { end * $0 / count }
  }

  /// Of a twin: the first window begins at half of where it ends, and holds whole steps.
  private mutating func fitSteps(toWindowAt first: Int) {
    if let skip = fixed.first(where: { $0.name == Volume.skip })?.value.number {
      set(Volume.skip, min(Int(skip), first / 2))
    }
    if let step = fixed.first(where: { $0.name == Volume.step })?.value.number {
      set(Volume.step, max(Volume.stepBytesMin, min(Int(step), (first << 20) / 2 / Volume.stepsMin)))
    }
  }

  private mutating func aim(at target: Target) throws(RunChangesError) {
    if comparesBrokers {
      throw RunChangesError(description: "\(name) compares brokers that it starts itself: name them with --broker")
    }
    guard arms.contains(where: { obstacle(to: $0, at: target) == nil && $0.tier == .endToEnd }) else {
      throw RunChangesError(
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

  private mutating func set(_ name: String, _ value: Int) { set(name, Level(String(value))) }

  /// Of a fixed value; nothing where there is none of the name.
  mutating func set(_ name: String, _ value: Level) {
    guard let index = fixed.firstIndex(where: { $0.name == name }) else { return }
    fixed[index].value = value
  }

  /// Why an arm cannot run where the campaign has no broker of its own; nil when it can.
  package func obstacle(to arm: Arm, at target: Target) -> String? {
    guard let broker = arm.broker else {
      if arm.needsCluster { return "it starts a cluster of its own and does it harm" }
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
    guard broker.security == nil else { return "it secures a listener, and the target's listeners are its own" }
    let phases = broker.phases
    guard phases.load != .connect else { return "it counts the broker's work for a connection, which a target hides" }
    guard phases.load != .consume, phases.filling.isEmpty, arm.cache == .any else {
      return "it needs a filled topic whose cache state is proved, which cannot be done at a target"
    }
    guard phases.stallMs == nil else { return "it stops the broker for a moment, which cannot be done to a target" }
    guard phases.beside == nil else { return "it needs a second load at a broker of its own" }
    return nil
  }
}
