package import Measure

/// What brokers of others do to a definition.
///
/// A definition that compares brokers has the factor `broker` with the levels `millrace` and `others`; of the brokers that take
/// part each becomes a level, and each rule that compares with `others` one rule for each other broker. Any other definition runs
/// with one broker in the place of Millrace, where its arms allow it, and its rows get the factor.
extension Experiment {
  package enum BrokerFactor {
    package static let name = "broker"
    /// Of a definition: the broker whose side a rule takes, and those it is compared with.
    static let (own, others) = (Level("millrace"), Level("others"))
    /// In a rule's meaning.
    static let (ownWord, otherWord) = ("{broker}", "{other}")
  }

  /// Whether the definition compares brokers.
  package var comparesBrokers: Bool {
    factor(named: BrokerFactor.name)?.levels.contains(BrokerFactor.others) == true
  }

  /// The broker that a cell runs with.
  package func broker(at cell: Cell) -> BrokerUnderTest {
    guard let level = cell.level(of: BrokerFactor.name) else { return .own }
    return brokers.first { $0.level == level } ?? .own
  }

  /// Of a broker that is not Millrace: what stands behind a result's name, wherever it is shown.
  package var foreignBroker: BrokerUnderTest? { isReplaced ? brokers.first { !$0.isMillrace } : nil }

  private var isReplaced: Bool { brokers.count == 1 }

  /// Nothing outlives a broker that keeps all in memory, whatever the arm's settings ask for.
  package func durability(of arm: Arm, at cell: Cell) -> Durability {
    arm.tier == .endToEnd && broker(at: cell).driver.isInMemory ? .nothing : arm.durability
  }

  /// - Parameter given: on the command line; none: Millrace alone, or as the definition has it.
  mutating func put(_ given: [BrokerUnderTest]) throws(RunChangesError) {
    if comparesBrokers { return compare(given.isEmpty ? [.own] : given) }
    guard let one = given.first else { return }
    guard given.count == 1 else {
      throw RunChangesError(
        description:
          "\(name) runs with one broker: --broker is given \(given.count) times (an experiment that compares "
          + "brokers, such as versus, takes several)")
    }
    // As it runs anyway.
    if one == .own { return }
    try replace(with: one)
  }

  // MARK: One in Millrace's place

  private mutating func replace(with broker: BrokerUnderTest) throws(RunChangesError) {
    let through = arms.filter { $0.tier == .endToEnd }
    guard through.contains(where: { obstacle(to: $0, with: broker) == nil }) else {
      throw RunChangesError(
        description: "no arm of \(name) can run with \(broker.label): "
          + (through.first.flatMap { obstacle(to: $0, with: broker) } ?? "it has no end-to-end arm"))
    }
    factors.append(Factor(name: BrokerFactor.name, levels: [broker.level]))
    for index in arms.indices where arms[index].tier == .bare { arms[index].ignores.append(BrokerFactor.name) }
    brokers = [broker]
    caveats.append("Measured with \(broker.label) in Millrace's place: what is found holds for that broker.")
    caveats += Self.caveats(of: broker)
  }

  /// Why an arm cannot run with another broker; nil when it can.
  package func obstacle(to arm: Arm, with broker: BrokerUnderTest) -> String? {
    if arm.needsCluster, !broker.isMillrace { return "it starts a cluster of Millrace's brokers" }
    guard let through = arm.broker, !broker.isMillrace else { return nil }
    let (driver, phases) = (broker.driver, through.phases)
    if through.security != nil { return "it secures a listener, for which drivers of other brokers have no keys" }
    for setting in through.settings {
      if let reason = driver.obstacle(to: setting) { return reason }
    }
    if driver.isInMemory, phases.prepare != nil {
      return "it fills a topic once for several runs, and \(driver.label) keeps everything in memory"
    }
    if driver.isInMemory, arm.cache != .any {
      return "it proves what the page cache holds of the broker's files, and \(driver.label) has none"
    }
    if driver.isInMemory, phases.restarts {
      return "it starts the broker again on its files, and \(driver.label) has none"
    }
    if through.network.linkMbitPerS != nil, driver.says == nil {
      return "it needs a link of its own, behind which nothing tells when \(driver.label) has started"
    }
    return nil
  }

  /// Of the broker that runs in Millrace's place: why the arm cannot run with it; nil when it can.
  package func obstacle(toBrokersOf arm: Arm) -> String? {
    foreignBroker.flatMap { obstacle(to: arm, with: $0) }
  }

  private static func caveats(of broker: BrokerUnderTest) -> [String] {
    guard broker.driver.isInMemory else { return [] }
    return [
      "\(broker.label) keeps everything in memory: what it acknowledges survives nothing, and it writes nothing where others do."
    ]
  }

  // MARK: Several side by side

  private mutating func compare(_ given: [BrokerUnderTest]) {
    brokers = given
    // Millrace against the others; without it the first that was named.
    let own = given.first(where: \.isMillrace) ?? given[0]
    let others = given.filter { $0 != own }
    for index in factors.indices where factors[index].name == BrokerFactor.name {
      factors[index].levels = given.map(\.level)
    }
    let asWritten = arms
    arms = arms.compactMap { arm in Self.arm(arm, with: given, own: own) { obstacle(to: arm, with: $0) } }
    let names = Set(arms.map(\.name))
    arms.removeAll { arm in arm.repeats.map { !names.contains($0) } ?? false }
    verdicts = verdicts.flatMap { rules($0, own, others) }
    for index in charts.indices { charts[index].arms.removeAll { !names.contains($0) } }
    for arm in asWritten {
      for broker in given {
        guard let reason = obstacle(to: arm, with: broker) else { continue }
        caveats.append("`\(arm.name)` leaves out \(broker.label): \(reason).")
      }
    }
    caveats.append("Brokers that took part: \(given.map(\.label).joined(separator: ", ")).")
    caveats += given.flatMap { Self.caveats(of: $0) }
    if others.isEmpty { caveats.append(Self.alone(own)) }
  }

  /// What a comparison of one broker is told to be.
  package static func alone(_ broker: BrokerUnderTest) -> String {
    "\(broker.label) ran alone, so nothing is compared: `--broker NAME=DIR`, given again for each broker, puts others beside it."
  }

  /// The arm at the brokers that it can run with; nil where there is none.
  private static func arm(
    _ arm: Arm, with given: [BrokerUnderTest], own: BrokerUnderTest, obstacle: (BrokerUnderTest) -> String?
  ) -> Arm? {
    guard arm.tier == .endToEnd, !arm.ignores.contains(BrokerFactor.name) else { return arm }
    var changed = arm
    let written = arm.only.first { $0.name == BrokerFactor.name }?.levels
    let wanted = given.filter { broker in
      written?.contains(broker == own ? BrokerFactor.own : BrokerFactor.others) ?? true
    }
    let able = wanted.filter { obstacle($0) == nil }
    changed.only.removeAll { $0.name == BrokerFactor.name }
    if able.count < given.count {
      changed.only.append(Factor(name: BrokerFactor.name, levels: able.map(\.level)))
    }
    return able.isEmpty ? nil : changed
  }

  /// A rule that speaks of others becomes one for each of them that all its arms run with.
  private func rules(_ rule: VerdictRule, _ own: BrokerUnderTest, _ others: [BrokerUnderTest]) -> [VerdictRule] {
    let names = rule.test.arms + rule.baseline.arms
    func isRun(with broker: BrokerUnderTest) -> Bool {
      names.allSatisfy { name in
        guard let arm = arm(named: name) else { return false }
        return arm.only.first { $0.name == BrokerFactor.name }?.levels.contains(broker.level) ?? true
      }
    }
    func at(_ broker: BrokerUnderTest?) -> VerdictRule {
      var changed = rule
      changed.test.levels = Self.resolved(rule.test.levels, own, broker)
      changed.baseline.levels = Self.resolved(rule.baseline.levels, own, broker)
      changed.meaning = rule.meaning.replacing(BrokerFactor.ownWord, with: own.label)
      if let broker {
        changed.name = "\(rule.name)-\(broker.driver.name)"
        changed.meaning = changed.meaning.replacing(BrokerFactor.otherWord, with: broker.label)
      }
      return changed
    }
    guard names.allSatisfy({ arm(named: $0) != nil }) else { return [] }
    let sides = (rule.test.levels + rule.baseline.levels).filter { $0.name == BrokerFactor.name }.map(\.value)
    if sides.contains(BrokerFactor.own), !isRun(with: own) { return [] }
    return sides.contains(BrokerFactor.others) ? others.filter(isRun).map { at($0) } : [at(nil)]
  }

  private static func resolved(
    _ levels: [Setting], _ own: BrokerUnderTest, _ other: BrokerUnderTest?
  ) -> [Setting] {
    levels.map { setting in
      guard setting.name == BrokerFactor.name else { return setting }
      switch setting.value {
      case BrokerFactor.own: return Setting(name: setting.name, value: own.level)
      case BrokerFactor.others: return Setting(name: setting.name, value: other?.level ?? setting.value)
      default: return setting
      }
    }
  }
}

extension BrokerDriver {
  /// Why the broker cannot be set as an arm wants it; nil when it can, or when the kernel's own setting is asked for one that it
  /// leaves to the kernel.
  package func obstacle(to setting: Setting) -> String? {
    if settings.kernel[setting.name] != nil { return nil }
    if settings.except.contains(where: setting.name.hasPrefix) {
      return "it needs `\(setting.name)`, a switch that \(label) does not have"
    }
    return settings.file == nil ? "it needs `\(setting.name)`, and its driver passes no settings to \(label)" : nil
  }

  /// What goes into the broker's file of an arm's settings.
  package func passed(_ asked: [Setting]) -> [Setting] { asked.filter { settings.kernel[$0.name] == nil } }
}
