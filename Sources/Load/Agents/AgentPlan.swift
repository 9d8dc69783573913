import Base
import Coordination
import Glibc

/// Holds the flags of `millrace-load agent`.
package struct AgentPlan: Sendable, Equatable {
  package static let command = "agent"

  /// As Kafka's `zookeeper.connect`.
  package var zooKeeper = ""
  package var name = AgentPlan.ownName
  /// Ends after this many runs; nil: when it is interrupted.
  package var runs: Int?
  package var sessionTimeoutMs = 10_000
  package var isQuiet = false
  /// The file that this agent connects by, whatever the run says.
  package var commandConfig: String?

  package static let help = """
    millrace-load agent waits for its share of a run that `millrace-load spread` begins, carries it out beside the other agents, and reports to
    it. All meet at a ZooKeeper ensemble. Start one on each host from which load is to come.

    usage: millrace-load agent --zookeeper HOST:PORT,…[/CHROOT] [flags]

      --zookeeper LIST          the ensemble, as in Kafka's zookeeper.connect; nodes are made below /millrace-load
      --name NAME               of this agent, unlike all others' (default: the host's name and the process id)
      --runs N                  end after N runs (default: wait for more until interrupted)
      --session-timeout-ms MS   how long ZooKeeper waits for a sign of life (default 10000)
      --command-config FILE     client properties on this host: security.protocol, sasl.*, ssl.*
                                (default: the file that spread's --command-config names, on this host)
      --quiet                   print no progress

    An agent runs load plans and nothing else, and writes no file. Whoever may write to the ensemble can make it send load.

    exit code: 0 interrupted, or all runs done; 1 a run failed, or ZooKeeper could not be reached; 2 flags that cannot be used

    """

  package init(arguments: [String]) throws(PlanError) {
    let flags = try OwnFlags(
      arguments, valued: ["zookeeper", "name", "runs", "session-timeout-ms", "command-config"], switches: ["quiet"])
    if let other = flags.others.first { throw PlanError("unexpected argument '\(other)'") }
    zooKeeper = try flags.zooKeeper
    if let text = flags["name"] { name = text }
    if let problem = AgentNodes.problem(withName: name) { throw LoadPlan.invalid("name", name, problem) }
    runs = try flags.number("runs", 1...1e9).map { Int($0) }
    if let timeout = try flags.number("session-timeout-ms", 400...600_000) { sessionTimeoutMs = Int(timeout) }
    isQuiet = flags["quiet"] != nil
    commandConfig = flags["command-config"]
  }

  static var hostName: String {
    var bytes = [CChar](repeating: 0, count: 256)
    guard gethostname(&bytes, bytes.count - 1) == 0 else { return "host" }
    return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static var ownName: String {
    let host = hostName
    return (AgentNodes.problem(withName: host) == nil ? host : "host") + ".\(getpid())"
  }
}

extension OwnFlags {
  /// The value of `--zookeeper`, checked.
  var zooKeeper: String {
    get throws(PlanError) {
      guard let text = self["zookeeper"] else { throw PlanError("--zookeeper is missing") }
      do throws(ZNodeError) { _ = try ZooKeeperConnect(text) } catch {
        throw LoadPlan.invalid("zookeeper", text, "host:port,host:port/chroot (\(error))")
      }
      return text
    }
  }
}
