import Base
import Broker
import Cluster
import Model
import NIOCore
import NIOEmbedded
import Wire

/// Groups and transactions in a cluster: their clients, and what must hold of them when the faults have ended.
extension ClusterSimulation {
  var hasCoordinators: Bool { !scenario.groups.isEmpty || !scenario.transactionalProducers.isEmpty }
  var mayConnect: Bool { true }
  var diskMayFail: Bool { false }
  var movesLeaders: Bool { true }
  var clientMs: Int64 { wallMs }

  var hasDeposedCoordinator: Bool {
    partitions.contains { name in
      name.topic == TopicName.transactionState && nodes.count { $0.replica(of: name)?.leadership.isLeader == true } > 1
    }
  }

  /// A node whose clock has jumped may time any transaction out.
  var timeoutClockMs: Int64? { counts.faults["clock"] == nil ? wallMs : nil }

  func ledger(_ partition: TopicPartition) -> Ledger {
    guard let ledger = ledgers[partition] else { preconditionFailure("\(partition) is none of the scenario's") }
    return ledger
  }

  func mayShrink(_ partition: TopicPartition) -> Bool { false }

  func makeClient(_ name: String, waitsMs: Int) -> any RequestSender {
    let sender = ClusterSender(name, self, seed: random.next(), timeoutMs: Int64(waitsMs) + 4_000)
    senders.append(sender)
    return sender
  }

  func makeGroups() {
    for group in scenario.groups {
      let ledger = GroupLedger(group.name) { [unowned self] in violation($0) }
      groupLedgers[group.name] = ledger
      for settings in group.members {
        let member = SimulatedGroupMember(settings, ledger, self, seed: random.next())
        trace.note(
          "\(member.client.name) is of \(group.name), which reads \(group.partitions), session \(settings.sessionTimeoutMs) ms, "
            + "rebalance \(settings.rebalanceTimeoutMs) ms\(settings.instanceID.map { ", as \($0)" } ?? "")")
        members.append(member)
        member.start()
      }
    }
  }

  func makeTransactionalProducers() {
    guard !scenario.transactionalProducers.isEmpty else { return }
    for ledger in ledgers.values { ledger.transactions = transactions }
    for settings in scenario.transactionalProducers {
      let producer = SimulatedTransactionalProducer(settings, self, seed: random.next())
      trace.note(
        "\(producer.client.name) writes to \(settings.targets.map(\.partition)), transaction timeout "
          + "\(settings.timeoutMs) ms\(settings.isVersion2 ? ", version 2" : "")"
          + "\(settings.offsetsOf == nil ? "" : ", commits offsets")"
          + "\(settings.copies.map { ", copies \($0.source)" } ?? "")")
      transactionalProducers.append(producer)
      producer.start()
    }
  }

  func countCoordinated() {
    counts.assignments = members.reduce(0) { $0 + $1.rebalances }
    counts.transactions = transactionalProducers.reduce(0) { $0 + $1.ended }
    counts.offsetCommits = members.reduce(0) { $0 + $1.commits }
  }

  // MARK: After the faults

  /// Lets the producers finish, and then waits until no partition has an open transaction: those that were left must time out.
  func settleTransactions() {
    guard !transactionalProducers.isEmpty, violations.isEmpty else { return }
    // Timeouts are of the wall clocks, which are set right.
    let most = nodes.map(\.clockOffsetMsMost).max() ?? 0
    for node in nodes { node.clockOffsetMs = most }
    for producer in transactionalProducers { producer.isStopping = true }
    // A copier has much to copy: what must not be long is the time from one transaction to the next.
    while violations.isEmpty, !transactionalProducers.allSatisfy(\.isAtRest) {
      let ended = transactionalProducers.map(\.ended)
      advance(
        seconds: Self.healingSeconds,
        until: {
          self.transactionalProducers.allSatisfy(\.isAtRest) || self.transactionalProducers.map(\.ended) != ended
        },
        orElse: "after the faults, not every transaction is ended by its producer: "
          + "\(transactionalProducers.filter { !$0.isAtRest }.map { "\($0.client.name): \($0.lastFailure)" })")
    }
    advance(
      seconds: Self.healingSeconds, until: { self.unstable.isEmpty },
      orElse: "after the faults, a transaction hangs in \(unstable)")
  }

  /// The partitions in whose leaders' logs a transaction is open.
  private var unstable: [TopicPartition] {
    partitions.filter { name in
      let leader = nodes.compactMap { $0.replica(of: name) }.first { $0.leadership.isLeader }
      return leader?.isStable != true
    }
  }

  /// Waits until every group is stable, and has read and committed everything.
  func settleGroups() {
    for member in members { member.isSettling = true }
    for group in scenario.groups {
      // A slow member may have much to read: what must not be long is the time from one commit to the next.
      while violations.isEmpty, !isSettled(group) {
        let committed = committedRecords(of: group)
        advance(
          seconds: max(Self.healingSeconds, group.settlingMs / 1_000 + 1),
          until: { self.isSettled(group) || self.committedRecords(of: group) > committed },
          orElse: "after the faults, \(group.name) does not become stable, with all partitions owned and read: "
            + "\(self.members(of: group).map { "\($0.client.name) \($0.phase) in \($0.generation) has \($0.owned)" })")
      }
    }
  }

  private func members(of group: Scenario.Group) -> [SimulatedGroupMember] {
    members.filter { $0.settings.group == group.name }
  }

  private func committedRecords(of group: Scenario.Group) -> Int64 {
    groupLedgers[group.name]?.committed.values.reduce(0, +) ?? 0
  }

  /// Whether all members are in one generation, own every partition, and have committed all that is acknowledged.
  private func isSettled(_ group: Scenario.Group) -> Bool {
    let present = members(of: group)
    guard let generation = present.first?.generation,
      present.allSatisfy({ $0.generation == generation && $0.isCaughtUp })
    else { return false }
    return present.flatMap(\.owned).sorted() == group.partitions
  }

  // MARK: At the end

  /// Checks that every committed offset is still there.
  func checkCommittedOffsets() {
    for group in scenario.groups {
      guard let ledger = groupLedgers[group.name] else { continue }
      for (partition, offset) in fetchOffsets(of: group.name, group.partitions) {
        ledger.fetched(offset, of: partition, floor: ledger.committed[partition])
      }
    }
  }

  /// Checks the offsets that transactions have committed, and that copies are whole.
  func checkTransactionalOffsets() {
    for producer in transactionalProducers {
      if let copies = producer.settings.copies {
        transactions.finishCopies(for: producer.settings.group, end: ledger(copies.source).acknowledgedEnd)
      }
      guard let partition = producer.settings.offsetsOf else { continue }
      let floor = transactions.committedOffset(of: producer.settings.number)
      for (_, offset) in fetchOffsets(of: producer.settings.group, [partition]) {
        transactions.fetchedOffset(offset, of: producer.settings.number, floor: floor)
      }
    }
  }

  /// Fetches a group's offsets, as often as the coordinator asks for patience.
  private func fetchOffsets(of group: String, _ partitions: [TopicPartition]) -> [(TopicPartition, Int64)] {
    guard violations.isEmpty else { return [] }
    let sender = makeClient("offsets of \(group)", waitsMs: 0)
    var found: [(TopicPartition, Int64)]?
    var isAsking = false
    var last = "no response"
    advance(
      seconds: 30,
      until: {
        if found != nil || isAsking { return found != nil }
        isAsking = true
        sender.ask(OffsetFetchRequest.of(partitions, group: group), version: 7) { result in
          self.after(microseconds: 50_000) { isAsking = false }
          guard case .success(let answer) = result else { return }
          let codes = [answer.errorCode] + answer.offsets.map(\.error)
          last = "\(codes)"
          guard codes.allSatisfy({ $0 == .none }) else { return sender.coordinatorIsLost() }
          found = answer.offsets.map { ($0.partition, $0.offset) }
        }
        return false
      }, orElse: "the offsets of \(group) cannot be fetched: \(last)")
    sender.leave()
    return found ?? []
  }
}
