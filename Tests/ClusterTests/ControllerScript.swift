import Foundation
import Model

@testable import Cluster

/// A controller driven by the lines of a script, and what it has done as text.
///
///     create 1 t 2x1        commands, one a line
///     ----
///     write                 the trace of them all, until an empty line
///       check /controller_epoch 0
///
/// A command that is no event begins with a word of its own: `controller` makes a new one from what the tree has.
struct ControllerScript {
  struct Step {
    var commands: [String]
    var expected: [String]
  }

  struct Malformed: Error, CustomStringConvertible {
    var description: String
  }

  private var controller: Controller
  private var created = 0

  init() {
    controller = Self.controller(ClusterState())
  }

  private static func controller(_ cluster: ClusterState) -> Controller {
    Controller(
      id: 1, epoch: 1, epochVersion: 0, cluster: cluster,
      rules: Controller.Rules { values in
        Controller.Rules.Settings(
          partitionCountDefault: values.defaults["num.partitions"].flatMap { Int32($0) } ?? 1,
          replicationFactorDefault: 1, deletesTopics: values.defaults["delete.topic.enable"] != "false",
          electsInSeries: values.defaults["millrace.election"] == "serial",
          imbalancePercentMax: values.defaults["auto.leader.rebalance.enable"] == "false"
            ? nil : values.defaults["leader.imbalance.per.broker.percentage"].flatMap { Int($0) } ?? 10)
      })
  }

  static func steps(of text: String) -> [Step] {
    var steps: [Step] = []
    var commands: [String] = []
    var expected: [String]?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
      if line == "----" {
        expected = []
      } else if expected != nil {
        if line.isEmpty {
          steps.append(Step(commands: commands, expected: expected ?? []))
          commands = []
          expected = nil
        } else {
          expected?.append(line)
        }
      } else {
        commands.append(line)
      }
    }
    if let expected { steps.append(Step(commands: commands, expected: expected)) }
    return steps
  }

  /// What a script's text would be if its traces were these.
  static func text(_ steps: [Step]) -> String {
    steps.map { ($0.commands + ["----"] + $0.expected).joined(separator: "\n") + "\n" }.joined(separator: "\n")
  }

  /// Runs a step's commands; comments and empty lines are none.
  mutating func trace(of commands: [String]) throws -> [String] {
    var lines: [String] = []
    for command in commands where !command.isEmpty && !command.hasPrefix("#") {
      if command == "controller" {
        var cluster = controller.cluster
        cluster.brokers = [:]
        controller = Self.controller(cluster)
        continue
      }
      for effect in controller.step(try event(command)) { lines += Self.lines(effect) }
    }
    return lines.isEmpty ? ["nothing"] : lines
  }

  private func event(_ command: String) throws -> Controller.Event {
    let words = command.split(separator: " ").map(String.init)
    func word(_ index: Int) throws -> String {
      guard index < words.count else { throw Malformed(description: "\(command): too short") }
      return words[index]
    }
    func number<Number: FixedWidthInteger>(_ index: Int) throws -> Number {
      guard let value = Number(try word(index)) else { throw Malformed(description: "\(command): no number") }
      return value
    }
    switch words[0] {
    case "came": return .brokerCame(LiveBroker(id: try number(1), epoch: try number(2)))
    case "began": return try Self.began(words.dropFirst())
    case "went": return .brokerWent(try number(1))
    case "made":
      let reason = words.count > 3 ? words[3...].joined(separator: " ") : nil
      return .replicasMade(by: try number(1), [try word(2): reason])
    case "stopped": return .replicasStopped(by: try number(1), topic: try word(2), isGone: true)
    case "kept": return .replicasStopped(by: try number(1), topic: try word(2), isGone: false)
    case "unreachable": return .unreachable(try number(1))
    case "directory-failed": return .directoriesFailed(at: try number(1))
    case "offline": return .replicasFailed(at: try number(1), try words.dropFirst(2).map(Self.partition))
    case "tick": return .retryDue
    case "rebalance": return .rebalanceDue
    case "settled": return .settled
    case "session-lost": return .sessionLost
    case "written": return .writeFinished(created: Array(words.dropFirst()))
    case "failed": return .writeFailed(.failed(words.dropFirst().joined(separator: " ")))
    case "fenced": return .writeFailed(.fenced)
    default: return .asked(try number(1), try request(words, word))
    }
  }

  /// `1:100` is broker 1, registered at zxid 100; `t-0=90` is a partition whose state was written at zxid 90.
  private static func began(_ words: some Sequence<String>) throws -> Controller.Event {
    var brokers: [LiveBroker] = []
    var writtenAt: [TopicPartition: Int64] = [:]
    for word in words {
      let (broker, state) = (word.split(separator: ":"), word.split(separator: "="))
      if broker.count == 2, let id = BrokerID(broker[0]), let epoch = Int64(broker[1]) {
        brokers.append(LiveBroker(id: id, epoch: epoch))
      } else if state.count == 2, let zxid = Int64(state[1]) {
        writtenAt[try partition(String(state[0]))] = zxid
      } else {
        throw Malformed(description: "\(word) is no broker and no partition")
      }
    }
    return .began(brokers, writtenAt: writtenAt)
  }

  private func request(_ words: [String], _ word: (Int) throws -> String) throws -> Controller.Request {
    let given = Array(words.dropFirst(2))
    let validateOnly = given.last == "validate"
    let arguments = validateOnly ? Array(given.dropLast()) : given
    switch words[0] {
    case "create": return .create(try arguments.map(Self.creation), validateOnly: validateOnly)
    case "grow":
      return .grow([.init(try word(2), to: Int32(try word(3)) ?? 0)], validateOnly: validateOnly)
    case "delete": return .delete(arguments.map { Controller.Deletion($0) })
    case "delete-id": return .delete([.init(try word(2), id: Self.id(of: try word(3)))])
    case "config":
      let now = Int64(try word(2)) ?? 0
      return .alterConfigs([Self.change(try word(3), arguments.dropFirst(2))], validateOnly: validateOnly, nowMs: now)
    case "isr":
      // `2,1` or, with the epochs of registrations, `2:200,1:100`.
      let members = try word(7).split(separator: ",").map { $0.split(separator: ":") }
      var change = Controller.ISRChange(
        try Self.partition(try word(4)), leaderEpoch: Int32(try word(5)) ?? 0,
        partitionEpoch: Int32(try word(6)) ?? 0, inSyncReplicas: members.compactMap { BrokerID($0[0]) })
      for member in members where member.count > 1 {
        change.brokerEpochs[BrokerID(member[0]) ?? 0] = Int64(member[1])
      }
      return .changeISR(by: BrokerID(try word(2)) ?? 0, brokerEpoch: Int64(try word(3)) ?? 0, [change])
    case "reassign":
      let target = try word(3)
      return .reassign([.init(try Self.partition(try word(2)), to: target == "cancel" ? nil : Self.brokers(target))])
    case "elect": return .elect(try arguments.map { .init(try Self.partition($0), isUnclean: false) })
    case "elect-unclean": return .elect(try arguments.map { .init(try Self.partition($0), isUnclean: true) })
    case "shutdown": return .shutDown(BrokerID(try word(2)) ?? 0, brokerEpoch: Int64(try word(3)) ?? 0)
    case "producer-ids": return .producerIDs(for: BrokerID(try word(2)) ?? 0)
    default: throw Malformed(description: "\(words[0]) is no command")
    }
  }

  /// `t:2x3` is topic t with 2 partitions of 3 replicas; `t:2x3:bad` has a configuration that is refused.
  private static func creation(_ text: String) throws -> Controller.Creation {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count >= 2 else { throw Malformed(description: "\(text) is no topic") }
    let counts = parts[1].split(separator: "x")
    guard counts.count == 2, let partitions = Int32(counts[0]), let factor = Int16(counts[1]) else {
      throw Malformed(description: "\(text) has no size")
    }
    return Controller.Creation(
      NewTopic(name: parts[0], partitionCount: partitions, replicationFactor: factor), id: id(of: parts[0]),
      configs: parts.count > 2
        ? .failure(ApiError(.invalidConfig, "Unknown topic config name: \(parts[2])")) : .success([:]))
  }

  private static func id(of name: String) -> TopicID {
    TopicID(high: 0, low: UInt64(name.utf8.reduce(0) { $0 + Int($1) }))
  }

  private static func partition(_ text: String) throws -> TopicPartition {
    guard let dash = text.lastIndex(of: "-"), let number = Int32(text[text.index(after: dash)...]) else {
      throw Malformed(description: "\(text) is no partition")
    }
    return TopicPartition(String(text[..<dash]), number)
  }

  private static func brokers(_ text: String) -> [BrokerID] { text.split(separator: ",").compactMap { BrokerID($0) } }

  private static func change(_ entity: String, _ pairs: some Sequence<String>) -> Controller.ConfigChange {
    let values = pairs.map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
    let named: ConfigZNode.Entity =
      entity == "brokers" ? .brokerDefault : BrokerID(entity).map { .broker($0) } ?? .topic(entity)
    return Controller.ConfigChange(named) { before, _ throws(ApiError) in
      var after = before
      for pair in values {
        guard pair.count == 2 else { throw ApiError(.invalidConfig, "Unknown topic config name: \(pair[0])") }
        after[pair[0]] = pair[1]
      }
      return after
    }
  }
}

// MARK: Traces

extension ControllerScript {
  static func lines(_ effect: Controller.Effect) -> [String] {
    switch effect {
    case .write(let operations): ["write"] + operations.map { "  " + line($0) }
    case .leaderAndISR(let broker, let replicas): ["lead and follow on \(broker)"] + replicas.map { "  " + line($0) }
    case .configure(let entity, let values):
      [
        "configure \(ConfigZNode.entityPath(entity)) \(values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })"
      ]
    case .updateMetadata(let brokers, let changed, let removed):
      ["metadata to \(brokers) changed \(changed.flatMap(names)) removed \(removed)"]
    case .stopReplicas(let broker, let replicas):
      ["stop on \(broker)"] + replicas.map { "  \($0.name)" + ($0.isDeleted ? " delete" : "") }
    case .settle: ["settle"]
    case .response(let request, let outcomes): ["response \(request)"] + outcomes.map { "  " + line($0) }
    case .resigned: ["resigned"]
    }
  }

  /// The topic, or those of its partitions that have changed.
  private static func names(_ change: Controller.TopicChange) -> [String] {
    change.partitions.map { $0.map { "\(change.name)-\($0)" } } ?? [change.name]
  }

  private static func line(_ operation: TreeOperation) -> String {
    switch operation {
    case .create(let path, let data): "create \(path) \(String(decoding: data, as: UTF8.self))".trimmed
    case .createSequential(let path, let data): "create sequential \(path) \(String(decoding: data, as: UTF8.self))"
    case .set(let path, let data, let version):
      "set \(path)\(version.map { " at \($0)" } ?? "") \(String(decoding: data, as: UTF8.self))"
    case .delete(let path): "delete \(path)"
    case .check(let path, let version): "check \(path) \(version)"
    }
  }

  private static func line(_ state: Controller.ReplicaState) -> String {
    "\(state.name) \(line(state.partition))\(state.isNew ? " new" : "")"
  }

  private static func line(_ partition: PartitionDescription) -> String {
    var text = "leader \(partition.leader) epoch \(partition.leaderEpoch) isr \(partition.inSyncReplicas)"
    text += " replicas \(partition.replicas) version \(partition.partitionEpoch)"
    if !partition.addingReplicas.isEmpty { text += " adding \(partition.addingReplicas)" }
    if !partition.removingReplicas.isEmpty { text += " removing \(partition.removingReplicas)" }
    return text
  }

  private static func line(_ outcome: Controller.Outcome) -> String {
    switch outcome {
    case .topic(let topic): "topic \(topic.name) \(topic.partitions.count)x\(topic.replicationFactor)"
    case .done: "done"
    case .partition(let partition): line(partition)
    case .remaining(let partitions): "still leads \(partitions)"
    case .producerIDs(let ids): "producer ids \(ids)"
    case .refused(let refusal): "refused \(refusal)"
    }
  }
}

extension String {
  fileprivate var trimmed: String { hasSuffix(" ") ? String(dropLast()) : self }
}
