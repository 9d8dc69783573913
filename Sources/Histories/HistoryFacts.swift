import Model

/// Names a transaction or a commit: the process, and the number that it gave it.
struct OperationID: Hashable {
  var process: Int
  var number: Int

  init(_ process: Int, _ number: Int) {
    self.process = process
    self.number = number
  }
}

/// What a history says of batches, transactions and places, put together in one pass, for the checks to look up.
struct HistoryFacts {
  struct Batch {
    var process: Int
    var numbers: Range<Int>
    var partition: Int32
    /// The index of its transaction; nil without.
    var transaction: Int?
    var sendEvent: Int
    var sentEvent: Int?
    var outcome = History.SendOutcome.unknown

    /// The offset of its first record, once that was acknowledged with one.
    var offset: Offset? { if case .ok(let offset) = outcome { offset } else { nil } }
    var isAcknowledged: Bool { if case .ok = outcome { true } else { false } }
  }

  struct Transaction {
    var process: Int
    var number: Int
    /// Indices of its batches.
    var batches: [Int] = []
    /// The event that asked for its commit; nil where none did.
    var commitEvent: Int?
    var endedEvent: Int?
    var outcome = History.TransactionOutcome.unknown
    /// Offsets that are committed with it: the events, which were acknowledged.
    var consumed: [Int] = []

    /// Whether its records may be read some time.
    var mayCommit: Bool { commitEvent != nil && outcome != .aborted }
  }

  /// Where and when a record was first read.
  struct Sighting {
    var partition: Int32
    var offset: Offset
    var event: Int
  }

  /// A partition as readers have seen it.
  struct Log {
    var records: [Offset: (record: RecordID, event: Int)] = [:]
    /// Offsets at which two records were.
    var inconsistent: Set<Offset> = []
    /// The last offset that was read, and the event.
    var highest: (offset: Offset, event: Int)?
    /// The offsets of records that a reader must not leave out, in order.
    var due: [Offset] = []
  }

  let history: History
  private(set) var batches: [Batch] = []
  private(set) var transactions: [Transaction] = []
  private(set) var logs: [Int32: Log] = [:]
  private(set) var sightings: [RecordID: Sighting] = [:]
  /// What the pass itself meets.
  private(set) var findings = FindingList()
  /// Of each process the indices of its batches, in the order of their numbers.
  private var batchesOf: [Int: [Int]] = [:]
  private var transactionIndices: [OperationID: Int] = [:]
  private var commitsOfTransactions: [OperationID: (transaction: Int, event: Int)] = [:]

  init(_ history: History) {
    self.history = history
    for (index, event) in history.events.enumerated() { take(event, index) }
    for partition in Array(logs.keys) {
      let due = due(in: partition)
      logs[partition]?.due = due
    }
  }

  private mutating func take(_ event: History.Event, _ index: Int) {
    switch event.action {
    case .send(let numbers, let partition, let transaction):
      send(event.process, numbers, partition, transaction, index)
    case .sent(let number, let outcome): sent(event.process, number, outcome, index)
    case .end(let number, let commits):
      let place = transaction(event.process, number)
      if commits { transactions[place].commitEvent = transactions[place].commitEvent ?? index }
    case .ended(let number, let outcome):
      let place = transaction(event.process, number)
      transactions[place].outcome = outcome
      transactions[place].endedEvent = index
    case .poll(let partition, let runs):
      for run in runs { poll(run, partition, index) }
    case .commit(let number, _, _, let transaction?):
      commitsOfTransactions[OperationID(event.process, number)] = (self.transaction(event.process, transaction), index)
    case .committed(let number, .ok):
      if let commit = commitsOfTransactions[OperationID(event.process, number)] {
        transactions[commit.transaction].consumed.append(commit.event)
      }
    case .look, .found, .assign, .revoke, .commit, .committed: break
    }
  }

  /// Returns the index of a process's transaction.
  private mutating func transaction(_ process: Int, _ number: Int) -> Int {
    if let index = transactionIndices[OperationID(process, number)] { return index }
    transactionIndices[OperationID(process, number)] = transactions.count
    transactions.append(Transaction(process: process, number: number))
    return transactions.count - 1
  }

  // MARK: Sends

  private mutating func send(
    _ process: Int, _ numbers: Range<Int>, _ partition: Int32, _ transaction: Int?, _ event: Int
  ) {
    let transaction = transaction.map { self.transaction(process, $0) }
    if let transaction { transactions[transaction].batches.append(batches.count) }
    batchesOf[process, default: []].append(batches.count)
    batches.append(
      Batch(process: process, numbers: numbers, partition: partition, transaction: transaction, sendEvent: event))
    if logs[partition] == nil { logs[partition] = Log() }
  }

  private mutating func sent(_ process: Int, _ number: Int, _ outcome: History.SendOutcome, _ event: Int) {
    guard let index = batch(of: process, number), batches[index].numbers.lowerBound == number else { return }
    batches[index].outcome = outcome
    batches[index].sentEvent = event
    guard let offset = batches[index].offset else { return }
    let batch = batches[index]
    for (place, number) in batch.numbers.enumerated() {
      hold(RecordID(process: process, number: number), at: offset + place, of: batch.partition, event)
    }
  }

  private func batch(of process: Int, _ number: Int) -> Int? {
    guard let own = batchesOf[process] else { return nil }
    // The last batch that begins at or before the number.
    var low = 0, high = own.count
    while low < high {
      let middle = (low + high) / 2
      if batches[own[middle]].numbers.lowerBound <= number { low = middle + 1 } else { high = middle }
    }
    guard low > 0, batches[own[low - 1]].numbers.contains(number) else { return nil }
    return own[low - 1]
  }

  /// The batch that a record was sent in.
  func batch(of record: RecordID) -> Batch? { batch(of: record.process, record.number).map { batches[$0] } }

  func transaction(_ id: OperationID) -> Transaction? { transactionIndices[id].map { transactions[$0] } }

  func transaction(of batch: Batch) -> Transaction? { batch.transaction.map { transactions[$0] } }

  // MARK: Places

  private mutating func poll(_ run: RecordRun, _ partition: Int32, _ event: Int) {
    for index in 0..<run.count {
      let (record, offset) = (run.record(index), run.offset + index)
      hold(record, at: offset, of: partition, event)
      see(record, at: offset, of: partition, event)
    }
    let highest = logs[partition]?.highest?.offset ?? -1
    if run.end - 1 > highest { logs[partition, default: Log()].highest = (run.end - 1, event) }
  }

  /// A record is at a place, as a reader or an acknowledgement says.
  private mutating func hold(_ record: RecordID, at offset: Offset, of partition: Int32, _ event: Int) {
    guard let known = logs[partition, default: Log()].records[offset] else {
      logs[partition, default: Log()].records[offset] = (record, event)
      return
    }
    guard known.record != record, logs[partition]?.inconsistent.insert(offset).inserted == true else { return }
    findings.add(.inconsistentOffset, events: [known.event, event]) {
      "offset \(offset) of partition \(partition) holds record \(known.record), and record \(record)"
    }
  }

  private mutating func see(_ record: RecordID, at offset: Offset, of partition: Int32, _ event: Int) {
    guard let before = sightings[record] else {
      sightings[record] = Sighting(partition: partition, offset: offset, event: event)
      return judge(record, at: offset, of: partition, event)
    }
    guard before.partition != partition || before.offset != offset else { return }
    findings.add(.duplicate, events: [batch(of: record)?.sendEvent, before.event, event]) {
      "record \(record) is at offset \(before.offset) of partition \(before.partition), and at offset \(offset) of "
        + "partition \(partition)"
    }
  }

  /// Judges the first sight of a record by what is known of it by then.
  private mutating func judge(_ record: RecordID, at offset: Offset, of partition: Int32, _ event: Int) {
    guard let batch = batch(of: record), batch.partition == partition else {
      return findings.add(.phantom, events: [event, batch(of: record)?.sendEvent]) {
        "record \(record) was read at offset \(offset) of partition \(partition), and nobody had sent it there"
      }
    }
    guard let transaction = transaction(of: batch), transaction.commitEvent == nil else { return }
    findings.add(.uncommittedRead, events: [batch.sendEvent, transaction.endedEvent, event]) {
      "record \(record) was read at offset \(offset) of partition \(partition) before anybody asked to commit transaction "
        + "\(transaction.number) of process \(transaction.process)"
    }
  }

  /// Records that readers must not leave out: those that somebody has read, and those that were acknowledged and committed.
  private func due(in partition: Int32) -> [Offset] {
    guard let log = logs[partition] else { return [] }
    return log.records.filter { _, held in sightings[held.record] != nil || isPromised(held.record) }.keys.sorted()
  }

  /// Whether a record was acknowledged, and its transaction committed.
  func isPromised(_ record: RecordID) -> Bool {
    guard let batch = batch(of: record) else { return false }
    return isPromised(batch)
  }

  func isPromised(_ batch: Batch) -> Bool {
    batch.isAcknowledged && (transaction(of: batch).map { $0.outcome == .committed } ?? true)
  }
}
