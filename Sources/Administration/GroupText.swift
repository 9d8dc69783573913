import Base
import Model

/// A group's committed offsets beside its members and the ends of the logs.
struct GroupOffsets: Equatable, Sendable {
  struct Row: Equatable, Sendable {
    var partition: TopicPartition
    /// Nil where none is committed.
    var committed: Offset?
    /// Nil where the partition has no leader.
    var end: Offset?
    /// Nil where no member is assigned the partition.
    var member: DescribedGroup.Member?

    /// Nil where an offset is unknown.
    var lag: Int? {
      guard let committed, let end else { return nil }
      return end - committed
    }
  }

  var group: DescribedGroup
  /// By partition.
  var rows: [Row]

  init(
    _ group: DescribedGroup, committed: [TopicPartition: CommittedOffset], ends: [TopicPartition: Offset]
  ) {
    self.group = group
    var owners: [TopicPartition: DescribedGroup.Member] = [:]
    for member in group.members {
      for partition in member.assignment ?? [] { owners[partition] = member }
    }
    rows = Set(committed.keys).union(owners.keys).sorted().map { partition in
      Row(
        partition: partition, committed: committed[partition]?.offset, end: ends[partition], member: owners[partition])
    }
  }
}

/// Groups as kafka-consumer-groups prints them, and as JSON.
enum GroupText {
  static func list(_ groups: [ListedGroup], withStates: Bool, withTypes: Bool) -> Answer {
    let json = JSON.array(
      groups.map { group in
        .object([
          "group": .string(group.id), "protocol_type": .string(group.protocolType), "state": .string(group.state),
          "type": .string(group.type),
        ])
      })
    guard withStates || withTypes else { return Answer(groups.map(\.id), json: json) }
    var table = TextTable(["GROUP"] + (withTypes ? ["TYPE"] : []) + (withStates ? ["STATE"] : []))
    for group in groups { table.add([group.id] + (withTypes ? [group.type] : []) + (withStates ? [group.state] : [])) }
    return Answer(table.lines, json: json)
  }

  // MARK: Describing

  static func offsets(_ offsets: GroupOffsets) -> Answer {
    let group = offsets.group
    var table = TextTable([
      "GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID",
    ])
    for row in offsets.rows {
      let numbers = [row.committed?.rawValue, row.end?.rawValue, row.lag.map { Int64($0) }].map { number in
        number.map { "\($0)" } ?? "-"
      }
      let member = [row.member?.id, row.member?.host, row.member?.clientID].map { $0 ?? "-" }
      table.add([group.id, row.partition.topic, "\(row.partition.partition)"] + numbers + member)
    }
    var answer = Answer(table.isEmpty ? [] : table.lines, json: json(offsets))
    tellState(of: group, in: &answer)
    return answer
  }

  private static func json(_ offsets: GroupOffsets) -> JSON {
    .object([
      "group": .string(offsets.group.id), "state": .string(offsets.group.state),
      "partitions": .array(offsets.rows.map { json($0) }),
    ])
  }

  private static func json(_ row: GroupOffsets.Row) -> JSON {
    func number(_ number: Int64?) -> JSON { number.map { .int($0) } ?? .null }
    return .object([
      "topic": .string(row.partition.topic), "partition": .number(row.partition.partition),
      "current_offset": number(row.committed?.rawValue), "log_end_offset": number(row.end?.rawValue),
      "lag": number(row.lag.map { Int64($0) }), "consumer_id": .text(row.member?.id), "host": .text(row.member?.host),
      "client_id": .text(row.member?.clientID),
    ])
  }

  /// Where a state explains what the table lacks, it is told.
  private static func tellState(of group: DescribedGroup, in answer: inout Answer) {
    switch group.state {
    case "Dead":
      answer.notes.append("Consumer group '\(group.id)' does not exist.")
      answer.isRefused = true
    case "Empty": answer.notes.append("Consumer group '\(group.id)' has no active members.")
    case "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling":
      answer.notes.append("Warning: Consumer group '\(group.id)' is rebalancing.")
    default: break
    }
  }

  static func members(_ group: DescribedGroup, withAssignments: Bool) -> Answer {
    let isStatic = group.members.contains { $0.instanceID != nil }
    var headings = ["GROUP", "CONSUMER-ID"]
    if isStatic { headings.append("GROUP-INSTANCE-ID") }
    headings += ["HOST", "CLIENT-ID", "#PARTITIONS"]
    if withAssignments { headings.append("ASSIGNMENT") }
    var table = TextTable(headings)
    for member in group.members {
      var row = [group.id, member.id]
      if isStatic { row.append(member.instanceID ?? "-") }
      row += [member.host, member.clientID, member.assignment.map { "\($0.count)" } ?? "-"]
      if withAssignments { row.append(assignment(member.assignment ?? [])) }
      table.add(row)
    }
    var answer = Answer(table.isEmpty ? [] : table.lines, json: membersJSON(group))
    tellState(of: group, in: &answer)
    return answer
  }

  /// `t(0,1), u(2)`.
  private static func assignment(_ partitions: [TopicPartition]) -> String {
    PartitionsByTopic(partitions).topics.map { topic, indexes in
      "\(topic)(\(indexes.map { "\($0)" }.joined(separator: ",")))"
    }.joined(separator: ", ")
  }

  private static func membersJSON(_ group: DescribedGroup) -> JSON {
    let members = group.members.map { member -> JSON in
      let assigned = (member.assignment ?? []).map { partition -> JSON in
        .object(["topic": .string(partition.topic), "partition": .number(partition.partition)])
      }
      return .object([
        "consumer_id": .string(member.id), "group_instance_id": .text(member.instanceID), "host": .string(member.host),
        "client_id": .string(member.clientID), "assignment": .array(assigned),
      ])
    }
    return .object(["group": .string(group.id), "state": .string(group.state), "members": .array(members)])
  }

  static func state(_ group: DescribedGroup) -> Answer {
    var table = TextTable(["GROUP", "COORDINATOR", "ID", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"])
    table.add([
      group.id, group.coordinator.address, "\(group.coordinator.id)", group.protocolName, group.state,
      "\(group.members.count)",
    ])
    var answer = Answer(
      group.state == "Dead" ? [] : table.lines,
      json: .object([
        "group": .string(group.id), "coordinator": .number(group.coordinator.id),
        "coordinator_address": .string(group.coordinator.address), "protocol_type": .string(group.protocolType),
        "assignment_strategy": .string(group.protocolName), "state": .string(group.state),
        "members": .number(group.members.count),
      ]))
    tellState(of: group, in: &answer)
    return answer
  }

  // MARK: Changing

  static func deleted(_ outcomes: [(id: String, refusal: ErrorCode?)]) -> Answer {
    let done = outcomes.filter { $0.refusal == nil }.map { "'\($0.id)'" }
    var answer = Answer(
      done.isEmpty ? [] : ["Deletion of requested consumer groups (\(done.joined(separator: ", "))) was successful."],
      json: .array(outcomes.map { .object(["group": .string($0.id), "error": .text($0.refusal?.name)]) }))
    for (id, refusal) in outcomes {
      guard let refusal else { continue }
      answer.isRefused = true
      answer.notes.append("group '\(id)' could not be deleted: \(refusal)\(remedy(refusal))")
    }
    return answer
  }

  private static func remedy(_ refusal: ErrorCode) -> String {
    switch refusal {
    case .nonEmptyGroup: "; stop its members first"
    case .groupIdNotFound: "; there is no such group"
    case .groupSubscribedToTopic: "; a member of the group is subscribed to the topic"
    default: ""
    }
  }

  static func reset(_ rows: [ResetOffset]) -> [String] {
    var table = TextTable(["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"])
    for row in rows { table.add([row.group, row.partition.topic, "\(row.partition.partition)", "\(row.offset)"]) }
    return table.isEmpty ? [] : table.lines
  }

  /// Lines of `topic,partition,offset`.
  static func exported(_ rows: [ResetOffset]) -> [String] {
    rows.map { "\($0.partition.topic),\($0.partition.partition),\($0.offset)" }
  }

  static func resetJSON(_ rows: [ResetOffset], isExecuted: Bool) -> JSON {
    let offsets = rows.map { row -> JSON in
      .object([
        "group": .string(row.group), "topic": .string(row.partition.topic),
        "partition": .number(row.partition.partition), "new_offset": .int(row.offset.rawValue),
      ])
    }
    return .object(["executed": .bool(isExecuted), "offsets": .array(offsets)])
  }

  static func deletedOffsets(of group: String, _ outcomes: [TopicPartition: ErrorCode]) -> Answer {
    var table = TextTable(["TOPIC", "PARTITION", "STATUS"])
    var answer = Answer([], json: .null)
    var documents: [JSON] = []
    for (partition, code) in outcomes.sorted(by: { $0.key < $1.key }) {
      table.add([
        partition.topic, "\(partition.partition)", code == .none ? "Successful" : "Error: \(code)\(remedy(code))",
      ])
      answer.isRefused = answer.isRefused || code != .none
      documents.append(
        .object([
          "group": .string(group), "topic": .string(partition.topic), "partition": .number(partition.partition),
          "error": code == .none ? .null : .string(code.name),
        ]))
    }
    answer.lines = table.lines
    answer.json = .array(documents)
    return answer
  }
}
