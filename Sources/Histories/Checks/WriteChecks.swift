import Model

extension HistoryFacts {
  /// Lost writes and unseen records, by the offsets that were read: see `Anomaly`. A record whose offset the broker did not
  /// say can only be called unseen.
  func lostWrites() -> FindingList {
    var list = FindingList()
    for batch in batches where isPromised(batch) {
      let highest = logs[batch.partition]?.highest
      for (place, number) in batch.numbers.enumerated() {
        let record = RecordID(process: batch.process, number: number)
        guard sightings[record] == nil else { continue }
        let offset = batch.offset.map { $0 + place }
        let isPassed = offset.map { $0 < highest?.offset ?? -1 } ?? false
        let events = [batch.sendEvent, batch.sentEvent, transaction(of: batch)?.endedEvent]
        list.add(isPassed ? .lostWrite : .unseen, events: events + [isPassed ? highest?.event : nil]) {
          "record \(record) was acknowledged at \(offset.map { "offset \($0)" } ?? "an unknown offset") of partition "
            + "\(batch.partition)"
            + (transaction(of: batch).map { ", its transaction \($0.number) committed," } ?? "")
            + " and nobody has read it"
            + (isPassed ? ", but offset \(highest?.offset ?? -1)" : "")
        }
      }
    }
    return list
  }

  /// Of each producer and partition the batches that were acknowledged, which must lie in the order of their numbers.
  func nonmonotonicSends() -> FindingList {
    struct Stream: Hashable {
      var process: Int
      var partition: Int32
    }
    var list = FindingList()
    var last: [Stream: Batch] = [:]
    for batch in batches {
      guard let offset = batch.offset else { continue }
      let stream = Stream(process: batch.process, partition: batch.partition)
      if let before = last[stream], let first = before.offset, offset < first + before.numbers.count {
        list.add(.nonmonotonicSend, events: [before.sendEvent, before.sentEvent, batch.sendEvent, batch.sentEvent]) {
          "process \(batch.process) sent record \(batch.numbers.lowerBound) to partition \(batch.partition) after record "
            + "\(before.numbers.upperBound - 1), and its offset \(offset) is not behind that one's "
            + "\(first + (before.numbers.count - 1))"
        }
      }
      last[stream] = batch
    }
    return list
  }
}
