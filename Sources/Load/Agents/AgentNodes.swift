import Base
import Coordination

/// The z-nodes over which `millrace-load spread` and its agents meet, below ZooKeeper's root or a chroot:
///
///     /millrace-load/agents/NAME            ephemeral: an agent that waits; its data says where it is
///     /millrace-load/runs/run-0000000001    a run
///       /owner                              ephemeral: the `spread` that began it
///       /plan                               which agents take part, and what they do; the last node that `spread` makes before it waits
///       /ready/NAME                         ephemeral: the agent is connected to the cluster; its data is its clock
///       /start                              when all begin, in nanoseconds since 1970 of ZooKeeper's clock
///       /results/NAME                       how many pieces the agent's result has
///       /results/NAME-0, NAME-1, …          the pieces: zstd over JSON
enum AgentNodes {
  static let root = "/millrace-load"
  static let agents = root + "/agents"
  static let runs = root + "/runs"

  static func agent(_ name: String) -> String { agents + "/" + name }
  static func owner(_ run: String) -> String { run + "/owner" }
  static func plan(_ run: String) -> String { run + "/plan" }
  static func ready(_ run: String) -> String { run + "/ready" }
  static func ready(_ run: String, _ agent: String) -> String { ready(run) + "/" + agent }
  static func start(_ run: String) -> String { run + "/start" }
  static func results(_ run: String) -> String { run + "/results" }
  static func result(_ run: String, _ agent: String) -> String { results(run) + "/" + agent }
  static func piece(_ number: Int, of result: String) -> String { "\(result)-\(number)" }

  /// What is wrong with an agent's name; nil for a good one. A `-` with digits at the end would look like a piece.
  static func problem(withName name: String) -> String? {
    guard !name.isEmpty, name.utf8.count <= Limits.agentNameBytesMax else {
      return "a name has 1 to \(Limits.agentNameBytesMax) characters"
    }
    let isPlain = name.utf8.allSatisfy { byte in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
        || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
    }
    guard isPlain, name != ".", name != ".." else { return "a name has letters, digits, `-`, `_` and `.` alone" }
    return nil
  }
}

extension ZNodeTree {
  /// Creates persistent nodes that are not there yet.
  func ensure(_ paths: String...) throws(ZNodeError) {
    for path in paths {
      do { try create(path) } catch {
        guard error.code == .nodeExists else { throw error }
      }
    }
  }

  /// The names of a node's children; none where there is no such node.
  func names(in path: String) throws(ZNodeError) -> [String] {
    do { return try children(of: path) } catch {
      guard error.code == .noNode else { throw error }
      return []
    }
  }

  /// Deletes a node and all below it, as far as it is there.
  func deleteAll(_ path: String) throws(ZNodeError) {
    for name in try names(in: path) { try deleteAll(path + "/" + name) }
    do { try delete(path) } catch {
      guard error.code == .noNode else { throw error }
    }
  }

  /// Measures how far this machine's clock is from the one of the server that stamps changes, by changing a node of this session.
  func clockOffset(_ path: String, readings: Int) throws(ZNodeError) -> ClockOffset {
    let data = try get(path).data
    var offset = ClockOffset()
    for _ in 0..<readings {
      let sentNs = Clocks.wallNs()
      let stat = try set(path, data)
      offset.take(sentNs: sentNs, stampMs: stat.mtime, receivedNs: Clocks.wallNs())
    }
    return offset
  }
}
