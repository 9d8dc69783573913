import Base

/// Holds the flags of `millrace-load spread`.
package struct SpreadPlan: Sendable, Equatable {
  package static let command = "spread"

  /// As Kafka's `zookeeper.connect`.
  package var zooKeeper = ""
  /// How many agents take part.
  package var agents = 0
  /// Those that take part; nil: the first by name of those that wait.
  package var names: [String]?
  /// How long to wait for the agents, and for their connections.
  package var waitSeconds = 60.0
  /// The time from the last agent's being ready to the start of all.
  package var startInMs = 500.0
  package var sessionTimeoutMs = 10_000
  /// What the agents run; without agents yet.
  var order: AgentOrder
  /// The whole run, as one generator would do it.
  package var base: LoadPlan

  package static let help = """
    millrace-load spread has one run carried out by agents (`millrace-load agent`), each on a host of its own, which begin at the same moment,
    and adds up what they report: counts, and histograms without loss.

    usage: millrace-load spread --zookeeper HOST:PORT,…[/CHROOT] --agents N [flags] produce|consume|end-to-end FLAGS

      --zookeeper LIST          the ensemble at which the agents wait
      --agents N                how many take part
      --agent-names A,B,…       which ones (default: the first N by name)
      --wait-seconds S          how long to wait for agents, and for their connections (default 60)
      --start-in-ms MS          from the last agent's being ready to the start (default 500)
      --session-timeout-ms MS   how long ZooKeeper waits for a sign of life (default 10000)

    The records, the rate and (consume without a group) the partitions are divided among the agents; connections and threads are those of each
    agent. end-to-end gives each agent a topic of its own, NAME-1 to NAME-N, because only times of one machine can be compared.
    Of the run's flags --json, --histogram and --quiet are obeyed here.

    Each agent measures how far its clock is from ZooKeeper's, and the report says how exactly that is known and how late each began.

    exit code: 0 all well; 1 records lost, duplicated or corrupt, or an agent failed; 2 a plan that cannot be run

    """

  package init(arguments: [String]) throws(PlanError) {
    let flags = try OwnFlags(
      arguments,
      valued: ["zookeeper", "agents", "agent-names", "wait-seconds", "start-in-ms", "session-timeout-ms"], switches: [])
    zooKeeper = try flags.zooKeeper
    (order, base) = try AgentOrder.reading(flags.others)
    if let text = flags["agent-names"] {
      let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      for name in names {
        if let problem = AgentNodes.problem(withName: name) { throw LoadPlan.invalid("agent-names", text, problem) }
      }
      guard Set(names).count == names.count else {
        throw LoadPlan.invalid("agent-names", text, "names that differ from each other")
      }
      self.names = names
    }
    let count = try flags.number("agents", 1...Double(Limits.sharesMax)).map { Int($0) }
    guard let agents = count ?? names?.count else { throw PlanError("--agents is missing: say how many take part") }
    guard names.map({ $0.count == agents }) ?? true else {
      throw PlanError("--agents \(agents) and the \(names?.count ?? 0) of --agent-names differ: leave one out")
    }
    self.agents = agents
    if let seconds = try flags.number("wait-seconds", 1...86_400) { waitSeconds = seconds }
    if let startIn = try flags.number("start-in-ms", 0...600_000) { startInMs = startIn }
    if let timeout = try flags.number("session-timeout-ms", 400...600_000) { sessionTimeoutMs = Int(timeout) }
    // What one agent could not run, none is asked to.
    var trial = order
    trial.agents = (1...agents).map { "agent\($0)" }
    for agent in [trial.agents[0], trial.agents[agents - 1]] { _ = try trial.plan(for: agent) }
  }
}
