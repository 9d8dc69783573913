import Experiment
import Foundation
import Results

/// Arms with `security`: keys, the load's user, its rights and quotas before a run, and the proof that they were there after it.
extension ProcessRunner {
  private enum Idle {
    /// Bytes a second, and percent of an event loop: what no load comes near.
    static let bytesPerSecond = 1_000_000_000_000
    static let percent = 1_000_000
  }

  /// The rights that a load needs on each topic it uses (Write, Create, Read, Describe), and on groups (Read).
  private enum Own {
    static let aclsPerTopic = 4, ofGroups = 1
  }

  /// What a definition asks for at the values of a run; nil of an arm without security.
  static func security(of through: Arm.Broker, _ values: RunValues) throws(RunError) -> AskedSecurity? {
    guard let security = through.security else { return nil }
    do throws(Arm.Security.Fault) {
      return try security.asked { Placeholder.fill($0, from: values.values) ?? $0 }
    } catch { throw .failed("security.\(error.key): \(error.reason)") }
  }

  /// Why the arm's security cannot be had on this machine; nil when it can.
  func securityObstacle(to arm: Arm) -> String? {
    guard let through = arm.broker, through.security != nil else { return nil }
    let isEncrypted = Matrix(experiment).cells.contains { cell in
      guard cell.arm == arm.name else { return false }
      let values = RunValues(PlannedRun(order: 0, replicate: 1, cell: cell), of: experiment)
      return (try? Self.security(of: through, values))??.securityProtocol.isEncrypted ?? false
    }
    return isEncrypted ? SecurityKeys.obstacle : nil
  }

  /// The listener of the run's load, with its client properties written; nil of an arm without security.
  func securedListener(_ scene: Scene, _ through: Arm.Broker) throws(RunError) -> SecuredListener? {
    guard let asked = try Self.security(of: through, scene.values) else { return nil }
    let keys = asked.securityProtocol.isEncrypted ? try SecurityKeys(in: "\(scratch)/keys") : nil
    return SecuredListener(asked: asked, keys: keys, port: try ListeningPort.free())
  }

  /// What a broker's data keep of the security of the runs on them; empty where nothing is left that a later run would notice.
  static func trace(of through: Arm.Broker, _ values: RunValues) throws(RunError) -> String {
    guard let asked = try security(of: through, values), asked.acls != nil || asked.hasQuotas else { return "" }
    return asked.trace
  }

  // MARK: Before a run

  /// Makes the load's user, its ACLs, those of others, and its quotas.
  func admit(_ scene: Scene, to broker: BrokerProcess, by listener: SecuredListener) throws(RunError) {
    let asked = listener.asked
    if asked.securityProtocol.logsIn {
      let file = "\(scene.directory)/load.password"
      do { try SmallFile.replace(file, SecuredListener.Names.password + "\n") } catch { throw .failed("\(error)") }
      try administer(
        [
          "users", "set", SecuredListener.Names.user, "--mechanism", "SCRAM-SHA-256", "--iterations",
          "\(SecuredListener.Names.scramIterations)", "--password-file", file,
        ], broker, scene)
    }
    if let others = asked.acls {
      let topics = topics(of: scene).flatMap { ["--topic", $0] }
      try administer(
        ["acls", "add", "--allow-principal", "User:\(SecuredListener.Names.user)", "--producer", "--consumer"] + topics
          + ["--group", "*"], broker, scene)
      for call in ForeignAcls.calls(others) { try administer(call.arguments, broker, scene) }
    }
    if asked.hasQuotas {
      let quotas =
        "producer_byte_rate=\(Idle.bytesPerSecond),consumer_byte_rate=\(Idle.bytesPerSecond),"
        + "request_percentage=\(Idle.percent)"
      try administer(["quotas", "add", "--client-default", "--quota", quotas], broker, scene)
    }
  }

  /// Those that the arm's phases use.
  private func topics(of scene: Scene) -> [String] {
    let named = scene.arm.settings.filter { $0.name == "topic" }
    return Set(scene.values.filled(named).map(\.value.text) + [Self.topic]).sorted()
  }

  // MARK: After a run

  /// What the broker shows of its security, against what was asked for; empty when it was so, and of arms without security.
  func securityFaults(_ scene: Scene, _ broker: any RunningBrokers) throws(RunError) -> [String] {
    guard let broker = broker as? BrokerProcess, let listener = broker.secured else { return [] }
    let asked = listener.asked
    let question = ["topics", "list", "--bootstrap-server", listener.address]
    var proof = SecurityProof(
      asked: asked, ownAcls: topics(of: scene).count * Own.aclsPerTopic + Own.ofGroups,
      servesPlaintext: isServed(question, scene),
      servesLoad: isServed(question + (broker.commandConfig.map { ["--command-config", $0] } ?? []), scene))
    if asked.acls != nil { proof.acls = try list(["acls", "list"], broker, scene).count }
    if asked.hasQuotas {
      let entries = try list(["quotas", "list", "--client-default"], broker, scene)
      proof.quotas = entries.reduce(0) { $0 + (($1 as? [String: Any])?["quotas"] as? [String: Any] ?? [:]).count }
    }
    return proof.faults
  }

  private func administer(_ words: [String], _ broker: BrokerProcess, _ scene: Scene) throws(RunError) {
    do throws(RunError) {
      try Self.run(programs.millrace, words + ["--bootstrap-server", broker.adminAddress], in: scene.directory)
    } catch {
      guard case .failed(let reason) = error else { throw error }
      throw .failed("millrace \(words.prefix(2).joined(separator: " ")): \(reason)")
    }
  }

  private func isServed(_ words: [String], _ scene: Scene) -> Bool {
    do throws(RunError) { try Self.run(programs.millrace, words, in: scene.directory) } catch { return false }
    return true
  }

  /// The JSON array that a command of `millrace` answers with.
  private func list(_ words: [String], _ broker: BrokerProcess, _ scene: Scene) throws(RunError) -> [Any] {
    let out = "\(scene.directory)/listed.json"
    try Self.run(
      programs.millrace, words + ["--json", "--bootstrap-server", broker.adminAddress], in: scene.directory, out: out)
    guard let text = SmallFile.read(out),
      let listed = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [Any]
    else { throw .failed("millrace \(words.joined(separator: " ")) printed no list") }
    return listed
  }
}
