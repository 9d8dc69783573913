import Model

extension HistoryFacts {
  /// Records that were read, and of which it was or became sure that nobody should: see `Anomaly.abortedRead`. What was read
  /// before anybody had asked for a commit is an uncommitted read as well.
  func abortedReads() -> FindingList {
    var list = FindingList()
    for batch in batches {
      guard let reason = reasonNotToRead(batch) else { continue }
      for number in batch.numbers {
        let record = RecordID(process: batch.process, number: number)
        guard let seen = sightings[record] else { continue }
        let transaction = transaction(of: batch)
        let events = [batch.sendEvent, batch.sentEvent, transaction?.endedEvent, seen.event]
        list.add(.abortedRead, events: events) {
          "record \(record) was read at offset \(seen.offset) of partition \(seen.partition), and \(reason)"
        }
      }
    }
    return list
  }

  private func reasonNotToRead(_ batch: Batch) -> String? {
    if batch.outcome == .failed { return "its batch was refused" }
    guard let transaction = transaction(of: batch), !transaction.mayCommit else { return nil }
    let name = "its transaction \(transaction.number) of process \(transaction.process)"
    return transaction.outcome == .aborted ? "\(name) was aborted" : "\(name) was never asked to be committed"
  }

  /// Transactions of which a part was read.
  func tornTransactions() -> FindingList {
    var list = FindingList()
    for transaction in transactions where transaction.commitEvent != nil {
      let acknowledged = transaction.batches.map { batches[$0] }.filter(\.isAcknowledged)
      let (read, missing) = split(acknowledged)
      guard let seen = read.first, let unseen = missing.first else { continue }
      let events = acknowledged.map { Optional($0.sendEvent) } + [transaction.commitEvent, transaction.endedEvent]
      list.add(.tornTransaction, events: events + [sightings[seen]?.event]) {
        "of transaction \(transaction.number) of process \(transaction.process) \(read.count) records have been read, "
          + "\(seen) for one, and \(missing.count) have not, \(unseen) for one"
      }
    }
    return list
  }

  private func split(_ batches: [Batch]) -> (read: [RecordID], missing: [RecordID]) {
    var read: [RecordID] = [], missing: [RecordID] = []
    for batch in batches {
      for number in batch.numbers {
        let record = RecordID(process: batch.process, number: number)
        if sightings[record] != nil { read.append(record) } else { missing.append(record) }
      }
    }
    return (read, missing)
  }

  /// Ranges of a group's partition that two committed transactions have consumed: exactly once is not kept.
  func consumedTwice() -> FindingList {
    struct Source: Hashable {
      var group: String
      var partition: Int32
    }
    var ranges: [Source: [(from: Offset, to: Offset, events: [Int?])]] = [:]
    for transaction in transactions where transaction.outcome == .committed {
      for event in transaction.consumed {
        guard case .commit(_, let group, let positions, _) = history.events[event].action else { continue }
        for position in positions {
          guard let from = position.from, from < position.offset else { continue }
          ranges[Source(group: group, partition: position.partition), default: []]
            .append((from, position.offset, [event, transaction.endedEvent]))
        }
      }
    }
    var list = FindingList()
    for (source, consumed) in ranges.sorted(by: { ($0.key.group, $0.key.partition) < ($1.key.group, $1.key.partition) })
    {
      let inOrder = consumed.sorted { $0.from < $1.from }
      for (one, next) in zip(inOrder, inOrder.dropFirst()) where next.from < one.to {
        list.add(.consumedTwice, events: one.events + next.events) {
          "two committed transactions of group \(source.group) consumed offset \(next.from) of partition \(source.partition)"
        }
      }
    }
    return list
  }
}
