package import Measure

/// Reading a definition: the keys of `experiments/NN-name.yaml`, one function a section. docs/experiments.md explains them.
extension Experiment {
  /// Largest count of replicates and of levels a definition may ask for; more is a typing error.
  enum Bounds {
    static let replicates = 1...1000
    static let number = 1...999
    static let cores = 1...1024
    /// Each is two interfaces and a routing table.
    static let links = 1...64
  }

  /// Throws the first thing wrong with the text, with its line.
  package init(file: String, yaml: String, mechanisms: [MechanismDescription]) throws(DefinitionError) {
    var root = try DefinitionReader(file: file, yaml: yaml, mechanisms: mechanisms)
    self.init(
      id: try root.text("id"), number: try root.requiredInteger("number", in: Bounds.number),
      name: try root.text("name"), title: try root.text("title"),
      brief: try root.text("brief", default: ""), claims: try root.texts("claims"),
      claim: try root.text("claim"), quote: try root.text("quote"), source: try root.text("source"),
      originals: try root.list("originals", Original.init(reading:)), errata: try root.texts("errata"),
      hypothesis: try root.text("hypothesis"), factors: try root.factors("factors"),
      sweep: try Self.sweep(&root), fixed: try root.settings("fixed"),
      arms: try root.list("arms", Arm.init(reading:)), metrics: try root.texts("metrics"),
      replicates: try root.integer("replicates", in: Bounds.replicates) ?? 7,
      adaptive: try root.section("adaptive", AdaptiveReplicates.init(reading:)),
      profiles: try Self.profiles(&root), verdicts: try root.list("verdicts", VerdictRule.init(reading:)),
      charts: try root.list("charts", ChartDefinition.init(reading:)),
      minimum: try root.section("minimum", MinimumEnvironment.init(reading:)) ?? MinimumEnvironment(),
      caveats: try root.texts("caveats"), isInAll: try root.flag("in_all", default: true))
    try root.finish()
    do throws(DefinitionError) {
      try DefinitionCheck(experiment: self, file: file).check()
    } catch {
      throw error.located(in: yaml)
    }
  }

  private static func sweep(_ reader: inout DefinitionReader) throws(DefinitionError) -> Factor? {
    let node = reader.node("sweep")
    let factors = try reader.factors("sweep")
    if factors.count > 1 { throw reader.error(node, "sweep", "one run can sweep one factor only") }
    return factors.first
  }

  private static func profiles(_ reader: inout DefinitionReader) throws(DefinitionError) -> [Profile: ProfileChanges] {
    try reader.section("profiles") { (section) throws(DefinitionError) in
      var profiles: [Profile: ProfileChanges] = [:]
      for profile in Profile.allCases {
        profiles[profile] = try section.section(profile.rawValue, ProfileChanges.init(reading:))
      }
      return profiles
    } ?? [:]
  }
}

extension Original {
  init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    self.init(
      label: try reader.text("label"), value: try reader.number("value"), unit: try reader.text("unit", default: ""),
      note: try reader.text("note", default: ""), at: try reader.level("at"))
  }
}

extension ProfileChanges {
  init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    self.init(
      replicates: try reader.integer("replicates", in: Experiment.Bounds.replicates),
      adaptive: try reader.section("adaptive", AdaptiveReplicates.init(reading:)),
      factors: try reader.factors("factors"), sweep: try reader.factors("sweep").first,
      fixed: try reader.settings("fixed"), arms: reader.node("arms") == nil ? nil : try reader.texts("arms"),
      isInAll: reader.node("in_all") == nil ? nil : try reader.flag("in_all", default: true))
  }
}

extension Selection {
  init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    self.init(arms: try reader.texts("arms"), levels: try reader.settings("levels"))
  }
}

extension VerdictRule {
  init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    let name = try reader.text("name")
    guard let kind = try reader.choice("kind", of: Kind.self) else {
      throw reader.error(nil, "kind", "the key `kind` is missing in verdict `\(name)`")
    }
    guard let tier = try reader.choice("tier", of: Arm.Tier.self) else {
      throw reader.error(nil, "tier", "the key `tier` is missing in verdict `\(name)`")
    }
    self.init(
      name: name, meaning: try reader.text("meaning"), figure: try reader.text("figure", default: ""), kind: kind,
      tier: tier, metric: try reader.text("metric"),
      better: try reader.choice("better", of: Better.self) ?? .higher,
      test: try reader.section("test", Selection.init(reading:)) ?? Selection(arms: []),
      baseline: try reader.section("baseline", Selection.init(reading:)) ?? Selection(arms: []),
      per: try reader.texts("per"), only: try reader.factors("only"), threshold: try reader.number("threshold"),
      tolerance: try reader.number("tolerance"), lastDecile: try reader.number("last_decile"),
      decides: try reader.flag("decides", default: true),
      acrossDurability: try reader.flag("across_durability", default: false),
      around: try reader.number("around") ?? 1, over: try reader.level("over")?.text,
      span: try reader.choice("span", of: Span.self))
  }
}

extension ChartDefinition {
  init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    let kind = try reader.choice("kind", of: Kind.self) ?? .lines
    let columns = kind == .curve ? try reader.texts("y") : [try reader.text("y")]
    guard let first = columns.first else {
      throw reader.error(nil, "y", "the key `y` is missing: a column of series.csv, or several")
    }
    self.init(
      name: try reader.text("name", default: ""), kind: kind, title: try reader.text("title"),
      x: try reader.text("x"), y: first,
      series: try reader.texts("series"), panels: try reader.level("panels")?.text, only: try reader.factors("only"),
      arms: try reader.texts("arms"), xTitle: try reader.text("x_title"), yTitle: try reader.text("y_title"),
      logX: try reader.flag("log_x", default: false), logY: try reader.flag("log_y", default: false),
      references: try reader.list("lines", ReferenceLine.init(reading:)), otherY: Array(columns.dropFirst()))
  }
}

extension ReferenceLine {
  init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    guard let at = try reader.level("at") else {
      throw reader.error(nil, "at", "the key `at` is missing")
    }
    self.init(axis: try reader.choice("axis", of: Axis.self) ?? .y, at: at, label: try reader.text("label"))
  }
}

extension MinimumEnvironment {
  init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    self.init(
      cores: try reader.integer("cores", in: Experiment.Bounds.cores) ?? 1,
      memoryGiB: try reader.number("memory_gib") ?? 0, freeDiskGiB: try reader.number("free_disk_gib") ?? 0,
      memoryCgroup: try reader.flag("memory_cgroup", default: false))
  }

  init() { self.init(cores: 1, memoryGiB: 0, freeDiskGiB: 0, memoryCgroup: false) }
}
