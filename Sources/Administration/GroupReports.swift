import Base
import Client
import Model

/// What `groups describe` shows of a group.
package enum GroupView: Sendable {
  /// Committed offsets and lag, for each partition.
  case offsets
  case members(withAssignments: Bool)
  case state
}

/// Which groups a command is about.
package enum GroupChoice: Sendable {
  case all
  case named([String])
}

extension ClusterSession {
  /// - Parameters:
  ///   - states: only groups in one of these states; nil shows no states.
  ///   - types: only groups of these types; nil shows no types.
  package func listGroups(states: [String]?, types: [String]?) async throws -> Answer {
    let groups = try await groups(states: states ?? [], types: types ?? [])
    return GroupText.list(groups, withStates: states != nil, withTypes: types != nil)
  }

  package func describeGroups(_ choice: GroupChoice, _ view: GroupView) async throws -> Answer {
    var answer = Answer([], json: .null)
    var documents: [JSON] = []
    for id in try await ids(choice) {
      let one = try await describeGroup(id, view)
      if !answer.lines.isEmpty, !one.lines.isEmpty { answer.lines.append("") }
      answer.lines += one.lines
      answer.notes += one.notes
      answer.isRefused = answer.isRefused || one.isRefused
      documents.append(one.json)
    }
    answer.json = .array(documents)
    return answer
  }

  private func describeGroup(_ id: String, _ view: GroupView) async throws -> Answer {
    let group = try await describe(group: id)
    switch view {
    case .state: return GroupText.state(group)
    case .members(let withAssignments): return GroupText.members(group, withAssignments: withAssignments)
    case .offsets:
      let committed = try await committed(by: id)
      let assigned = group.members.flatMap { $0.assignment ?? [] }
      let ends = try await offsets(of: Set(committed.keys).union(assigned), at: .latest)
      return GroupText.offsets(GroupOffsets(group, committed: committed, ends: ends))
    }
  }

  package func deleteGroups(_ choice: GroupChoice) async throws -> Answer {
    var outcomes: [(id: String, refusal: ErrorCode?)] = []
    for id in try await ids(choice) { outcomes.append((id, try await delete(group: id))) }
    return GroupText.deleted(outcomes)
  }

  private func ids(_ choice: GroupChoice) async throws -> [String] {
    switch choice {
    case .named(let ids): return ids
    case .all: return try await groups(states: [], types: []).map(\.id)
    }
  }

  // MARK: Offsets

  /// - Parameters:
  ///   - isExecuted: false: show what would be committed, and commit nothing.
  ///   - isExported: show the offsets as a file that `ResetTarget(csv:)` reads.
  package func resetOffsets(
    of choice: GroupChoice, _ scope: OffsetScope, to target: ResetTarget, nowMs: Int64, isExecuted: Bool,
    isExported: Bool = false
  ) async throws -> Answer {
    var answer = Answer([], json: .null)
    var rows: [ResetOffset] = []
    for id in try await ids(choice) {
      let group = try await describe(group: id)
      guard group.isInactive else {
        answer.isRefused = true
        answer.notes.append(
          "offsets can only be reset while group '\(id)' is inactive, and its state is \(group.state): stop its "
            + "\(group.members.count) members first")
        continue
      }
      let plan = try await plan(of: id, scope, target, nowMs: nowMs)
      answer.notes += plan.warnings
      if isExecuted, !plan.offsets.isEmpty { try await commit(plan.offsets, for: id) }
      rows += plan.offsets.sorted { $0.key < $1.key }.map {
        ResetOffset(group: id, partition: $0.key, offset: $0.value)
      }
    }
    if !isExecuted, !isExported, !rows.isEmpty {
      answer.notes.append("nothing was changed: --execute commits these offsets")
    }
    answer.lines = isExported ? GroupText.exported(rows) : GroupText.reset(rows)
    answer.json = GroupText.resetJSON(rows, isExecuted: isExecuted)
    return answer
  }

  private func plan(
    of id: String, _ scope: OffsetScope, _ target: ResetTarget, nowMs: Int64
  ) async throws -> OffsetReset.Plan {
    let committed = try await committed(by: id)
    let partitions = try await partitions(in: scope, committed: committed)
    var reset = OffsetReset(
      target, nowMs: nowMs, earliest: try await offsets(of: partitions, at: .earliest),
      latest: try await offsets(of: partitions, at: .latest), committed: committed.mapValues(\.offset))
    if let timestamp = reset.timestampMs {
      reset.byTime = try await offsets(of: partitions, at: OffsetSpec(rawValue: timestamp))
    }
    return try reset.plan(for: partitions)
  }

  /// - Throws: for a topic or partition that does not exist.
  private func partitions(
    in scope: OffsetScope, committed: [TopicPartition: CommittedOffset]
  ) async throws -> [TopicPartition] {
    guard case .topics(let named) = scope else { return committed.keys.sorted() }
    var partitions: Set<TopicPartition> = []
    for topic in try await topics(Set(named.map(\.topic)).sorted()) {
      for wanted in named where wanted.topic == topic.name {
        let known = topic.partitions.map(\.index)
        let indexes = wanted.partitions ?? known
        if let absent = indexes.first(where: { !known.contains($0) }) {
          throw AdministrationError("topic '\(topic.name)' has \(known.count) partitions, and none is number \(absent)")
        }
        partitions.formUnion(indexes.map { TopicPartition(topic.name, $0) })
      }
    }
    return partitions.sorted()
  }

  package func deleteOffsets(of group: String, _ scope: OffsetScope) async throws -> Answer {
    let committed = try await committed(by: group)
    let partitions: [TopicPartition]
    switch scope {
    case .all: partitions = committed.keys.sorted()
    case .topics(let named):
      // A topic that was deleted may have offsets still.
      partitions = named.flatMap { wanted in
        wanted.partitions?.map { TopicPartition(wanted.topic, $0) }
          ?? committed.keys.filter { $0.topic == wanted.topic }
      }.sorted()
    }
    guard !partitions.isEmpty else {
      throw AdministrationError("group '\(group)' has no committed offsets of these topics")
    }
    return GroupText.deletedOffsets(of: group, try await deleteOffsets(partitions, of: group))
  }
}

/// Which partitions a command is about: `--all-topics`, or `--topic NAME` and `--topic NAME:0,1`.
package enum OffsetScope: Equatable, Sendable {
  package struct Topic: Equatable, Sendable {
    package var topic: String
    /// Nil: all of them.
    package var partitions: [Int32]?
  }

  /// Every partition with a committed offset.
  case all
  case topics([Topic])

  /// - Parameter names: NAME or NAME:PARTITION,PARTITION,…
  package init(all: Bool, topics names: [String]) throws {
    guard all != !names.isEmpty else {
      throw AdministrationError.argument("give either --all-topics or --topic NAME[:PARTITION,PARTITION,…]")
    }
    if all {
      self = .all
    } else {
      self = .topics(try names.map { (name) throws(AdministrationError) in try Self.topic(name) })
    }
  }

  private static func topic(_ text: String) throws(AdministrationError) -> Topic {
    // A topic's name has no colon.
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { return Topic(topic: text) }
    let numbers = parts[1].split(separator: ",", omittingEmptySubsequences: false).map { Int32($0) }
    let partitions = numbers.compactMap { $0 }.filter { $0 >= 0 }
    guard partitions.count == numbers.count, !parts[0].isEmpty else {
      throw .argument("--topic \(text): NAME or NAME:PARTITION,PARTITION,… is needed")
    }
    return Topic(topic: String(parts[0]), partitions: partitions)
  }
}

/// One line of what a reset commits.
struct ResetOffset: Equatable, Sendable {
  var group: String
  var partition: TopicPartition
  var offset: Offset
}
