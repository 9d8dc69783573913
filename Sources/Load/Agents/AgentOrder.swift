import Base

/// What the agents of a run are to do: the content of its `plan` node, as JSON.
///
///     {"version":1,"command":"produce","agents":["a","b"],"settings":[["topic","t"],["num-records","1000"]]}
///
/// The settings are those of a plan by name, as the user gave them; each agent adds its share.
struct AgentOrder: Equatable, Sendable {
  var command: LoadPlan.Command
  /// The agents that take part; each one's share is its place.
  var agents: [String]
  var settings: [Setting]

  struct Setting: Equatable, Sendable {
    var name: String
    var value: String
  }

  private static let version: Int64 = 1

  /// Settings that name files or what is printed: `spread` itself obeys them, and no agent writes where another machine says.
  static let ownSettings: Set<String> = ["csv", "histogram", "intervals-csv", "json", "quiet"]

  var encoded: [UInt8] {
    JSON.object([
      "version": .int(Self.version), "command": .string(command.rawValue),
      "agents": .array(agents.map { .string($0) }),
      "settings": .array(settings.map { .array([.string($0.name), .string($0.value)]) }),
    ]).encoded
  }

  init(_ command: LoadPlan.Command, agents: [String], settings: [Setting]) {
    self.command = command
    self.agents = agents
    self.settings = settings
  }

  /// - Throws: `PlanError` where the bytes are no order, or one of another version.
  init(reading bytes: [UInt8]) throws(PlanError) {
    guard let json = try? JSON(bytes), let version = json["version"]?.asInt else {
      throw PlanError("the run's plan is not JSON with a version")
    }
    guard version == Self.version else {
      throw PlanError(
        "the run's plan has version \(version), this agent knows \(Self.version): use the same millrace-load")
    }
    guard let name = json["command"]?.asString, let command = LoadPlan.Command(rawValue: name),
      let agents = json["agents"]?.asArray?.map(\.asString), let settings = json["settings"]?.asArray
    else { throw PlanError("the run's plan lacks command, agents or settings") }
    self.init(command, agents: agents.compactMap(\.self), settings: [])
    for setting in settings {
      guard let pair = setting.asArray, pair.count == 2, let name = pair[0].asString, let value = pair[1].asString
      else {
        throw PlanError("a setting of the run's plan is no pair of texts")
      }
      self.settings.append(Setting(name: name, value: value))
    }
  }

  /// Reads the arguments of `spread` that are a plan's: its command, and flags or a plan file.
  ///
  /// - Returns: the order without agents, and the whole plan as it would be run by one generator.
  static func reading(_ arguments: [String]) throws(PlanError) -> (order: AgentOrder, plan: LoadPlan) {
    let plan = try LoadPlan(arguments: arguments)
    guard plan.share == .whole else { throw PlanError("spread gives each agent its --share: leave it out") }
    guard plan.csv == nil, plan.intervalsCSV == nil else {
      throw PlanError("spread writes --histogram and --json alone: leave out --csv and --intervals-csv")
    }
    guard !plan.usesNullSink else { throw PlanError("--null-sink is inside one process: leave it out") }
    let settings = try LoadPlan.pairs(of: arguments).filter { !ownSettings.contains($0.name) }
    return (
      AgentOrder(plan.command, agents: [], settings: settings.map { Setting(name: $0.name, value: $0.value) }), plan
    )
  }

  /// The plan of one agent: its share of the whole.
  func plan(for agent: String) throws(PlanError) -> LoadPlan {
    guard let index = agents.firstIndex(of: agent) else { throw PlanError("\(agent) takes no part in the run") }
    var plan = LoadPlan(command)
    for setting in settings {
      guard !Self.ownSettings.contains(setting.name) else {
        throw PlanError("an agent does not obey --\(setting.name)")
      }
      try plan.set(setting.name, setting.value)
    }
    plan.isQuiet = true
    plan.share = Share(index: index, count: agents.count)
    try plan.takeShare()
    try plan.check()
    return plan
  }
}
