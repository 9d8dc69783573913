import Model

extension HistoryFacts {
  /// Checks what groups committed against where their members began, and what they read.
  func groups() -> FindingList {
    var pass = GroupPass(facts: self)
    for (index, event) in history.events.enumerated() { pass.take(event, index) }
    pass.checkPassedOver()
    return pass.list
  }
}

/// A partition of a group.
private struct Source: Hashable, Comparable {
  var group: String
  var partition: Int32

  static func < (a: Source, b: Source) -> Bool { (a.group, a.partition) < (b.group, b.partition) }
}

/// Goes through a history once, for its groups.
///
/// A group's committed offset of a partition is a register. A commit writes it at some moment between its request and its
/// acknowledgement, or at any later one where there is none, and with its transaction where it is part of one; a look reads it.
/// What is found must be the offset of a commit that no other has surely followed:
///
///     commit 10 ok, commit 20 ok, look, found 10        stale: 20 was written after 10, and before the look
///     commit 10 ok, commit 20 …, look, found 10         nobody knows of 20 yet
private struct GroupPass {
  private struct Write {
    var offset: Offset
    var asked: Int
    /// The event that says it is done; nil while nobody knows.
    var done: Int?
  }

  private struct Asked {
    var group: String
    var positions: [History.Position]
    var transaction: Int?
    var event: Int
    /// The coordinator has taken it into its transaction.
    var isTaken = false
    /// The assignment that had taken a partition from the process by then, and the process's own.
    var lost: (partition: Int32, own: Assignment, later: Assignment)?
  }

  private struct Assignment {
    var process: Int
    var generation: Int32
    var event: Int
  }

  private struct Ownership: Hashable {
    var source: Source
    var generation: Int32
  }

  let facts: HistoryFacts
  var list = FindingList()
  private var commits: [OperationID: Asked] = [:]
  /// Of transactions that may commit: what is committed with them.
  private var prepared: [OperationID: [Asked]] = [:]
  private var writes: [Source: [Write]] = [:]
  /// What each process looks for, and the event.
  private var looks: [Int: (partitions: [Int32], event: Int)] = [:]
  private var owners: [Ownership: (process: Int, event: Int)] = [:]
  private var groupOf: [Int: String] = [:]
  /// The last assignment of each partition, and that of each process.
  private var latest: [Source: Assignment] = [:]
  private var own: [Int: [Source: Assignment]] = [:]
  /// Where the first member began, for each partition that a group's members have read.
  private var began: [Source: Offset] = [:]
  private var read: [Source: Set<Offset>] = [:]

  init(facts: HistoryFacts) { self.facts = facts }

  mutating func take(_ event: History.Event, _ index: Int) {
    switch event.action {
    case .look(_, let partitions): looks[event.process] = (partitions, index)
    case .found(let group, let positions): find(group, positions, event.process, index)
    case .assign(let positions, let membership?): assign(positions, membership, event.process, index)
    case .poll(let partition, let runs):
      guard let group = groupOf[event.process] else { return }
      for run in runs {
        for place in 0..<run.count {
          read[Source(group: group, partition: partition), default: []].insert(run.offset + place)
        }
      }
    case .commit(let number, let group, let positions, let transaction):
      ask(Asked(group: group, positions: positions, transaction: transaction, event: index), event.process, number)
    case .committed(let number, let outcome): finish(event.process, number, outcome, index)
    case .end(let transaction, true):
      for asked in prepared[OperationID(event.process, transaction)] ?? [] { write(asked, asked: index) }
    case .ended(let transaction, let outcome): finish(event.process, transaction, outcome, index)
    case .send, .sent, .end, .assign, .revoke: break
    }
  }

  // MARK: Commits

  private mutating func ask(_ asked: Asked, _ process: Int, _ number: Int) {
    var asked = asked
    asked.lost = loss(of: asked, process)
    commits[OperationID(process, number)] = asked
    if let transaction = asked.transaction {
      prepared[OperationID(process, transaction), default: []].append(asked)
    } else {
      write(asked, asked: asked.event)
    }
  }

  private mutating func write(_ asked: Asked, asked event: Int) {
    for position in asked.positions {
      writes[Source(group: asked.group, partition: position.partition), default: []]
        .append(Write(offset: position.offset, asked: event))
    }
  }

  private mutating func finish(
    _ process: Int, _ number: Int, _ outcome: History.CommitOutcome, _ event: Int
  ) {
    guard let asked = commits.removeValue(forKey: OperationID(process, number)) else { return }
    switch (asked.transaction, outcome) {
    case (_, .unknown): break
    case (let transaction?, .ok): take(asked, into: OperationID(process, transaction))
    case (let transaction?, .failed):
      prepared[OperationID(process, transaction)]?.removeAll { $0.event == asked.event }
    case (nil, .ok):
      end(asked, asked: asked.event, done: event)
      checkZombie(asked, process, event)
    case (nil, .failed): end(asked, asked: asked.event, done: nil)
    }
  }

  private mutating func take(_ asked: Asked, into transaction: OperationID) {
    guard let place = prepared[transaction]?.firstIndex(where: { $0.event == asked.event }) else { return }
    prepared[transaction]?[place].isTaken = true
  }

  private mutating func finish(
    _ process: Int, _ transaction: Int, _ outcome: History.TransactionOutcome, _ event: Int
  ) {
    guard outcome != .unknown, let all = prepared.removeValue(forKey: OperationID(process, transaction)) else { return }
    guard let commitEvent = facts.transaction(OperationID(process, transaction))?.commitEvent else { return }
    for asked in all where outcome == .aborted || asked.isTaken {
      end(asked, asked: commitEvent, done: outcome == .committed ? event : nil)
    }
  }

  /// - Parameter done: nil takes the writes back.
  private mutating func end(_ asked: Asked, asked event: Int, done: Int?) {
    for position in asked.positions {
      let source = Source(group: asked.group, partition: position.partition)
      guard let place = writes[source]?.lastIndex(where: { $0.asked == event && $0.offset == position.offset })
      else { continue }
      if let done { writes[source]?[place].done = done } else { writes[source]?.remove(at: place) }
    }
  }

  /// The first of the partitions that were another process's when a commit was sent.
  private func loss(of asked: Asked, _ process: Int) -> (partition: Int32, own: Assignment, later: Assignment)? {
    for position in asked.positions {
      let source = Source(group: asked.group, partition: position.partition)
      guard let mine = own[process]?[source], let last = latest[source], last.process != process,
        last.generation > mine.generation
      else { continue }
      return (position.partition, mine, last)
    }
    return nil
  }

  private mutating func checkZombie(_ asked: Asked, _ process: Int, _ event: Int) {
    guard let lost = asked.lost else { return }
    list.add(.zombieCommit, events: [lost.own.event, lost.later.event, asked.event, event]) {
      "process \(process) of group \(asked.group) was assigned partition \(lost.partition) in generation "
        + "\(lost.own.generation), process \(lost.later.process) in generation \(lost.later.generation), and then the first "
        + "could commit"
    }
  }

  // MARK: Looks

  private mutating func find(_ group: String, _ positions: [History.Position], _ process: Int, _ event: Int) {
    guard let look = looks.removeValue(forKey: process) else { return }
    for partition in look.partitions {
      let found = positions.first { $0.partition == partition }?.offset
      check(found, Source(group: group, partition: partition), looked: look.event, event)
    }
  }

  private mutating func check(_ found: Offset?, _ source: Source, looked: Int, _ event: Int) {
    let known = writes[source] ?? []
    // The last that was surely written before the look.
    let last = known.filter { $0.done ?? .max < looked }.max { $0.asked < $1.asked }
    let isCurrent =
      found.map { found in
        known.contains { $0.offset == found && $0.done ?? .max >= last?.asked ?? 0 && $0.asked < event }
      } ?? (last == nil)
    guard !isCurrent else { return }
    list.add(.staleOffset, events: [last?.asked, last?.done, looked, event]) {
      "the committed offset of group \(source.group) in partition \(source.partition) was found to be "
        + (found.map { "\($0)" } ?? "none")
        + (last.map { ", and \($0.offset) was committed" } ?? ", which nobody has committed")
    }
  }

  // MARK: Assignments

  private mutating func assign(
    _ positions: [History.Position], _ membership: History.Membership, _ process: Int, _ event: Int
  ) {
    groupOf[process] = membership.group
    for position in positions {
      let source = Source(group: membership.group, partition: position.partition)
      began[source] = min(began[source] ?? position.offset, position.offset)
      checkOwner(Ownership(source: source, generation: membership.generation), process, event)
      let assignment = Assignment(process: process, generation: membership.generation, event: event)
      own[process, default: [:]][source] = assignment
      if assignment.generation >= latest[source]?.generation ?? -1 { latest[source] = assignment }
    }
  }

  private mutating func checkOwner(_ ownership: Ownership, _ process: Int, _ event: Int) {
    guard let owner = owners[ownership], owner.process != process else {
      owners[ownership] = (process, event)
      return
    }
    let source = ownership.source
    list.add(.twoOwners, events: [owner.event, event]) {
      "in generation \(ownership.generation) of group \(source.group) partition \(source.partition) belongs to process "
        + "\(owner.process) and to process \(process)"
    }
  }

  /// What lies before an acknowledged commit, and none of the group's members has read.
  mutating func checkPassedOver() {
    for (source, start) in began.sorted(by: { $0.key < $1.key }) {
      let done = (writes[source] ?? []).filter { $0.done != nil }
      guard let furthest = done.max(by: { $0.offset < $1.offset }) else { continue }
      var next = start
      while let due = facts.firstDue(in: source.partition, from: next), due < furthest.offset {
        next = due + 1
        guard !(read[source]?.contains(due) ?? false) else { continue }
        let held = facts.logs[source.partition]?.records[due]
        list.add(.passedOver, events: [held?.event, furthest.asked, furthest.done]) {
          "group \(source.group) committed offset \(furthest.offset) of partition \(source.partition), and none of its members "
            + "has read offset \(due), record \(held.map { "\($0.record)" } ?? "?")"
        }
      }
    }
  }
}
