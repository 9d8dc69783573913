import Model

extension HistoryFacts {
  /// Follows each reader from its assignments through its polls, for polls that go back and polls that leave records out.
  ///
  /// Worked case: the log is 0 1 2 4 5, where 3 is a transaction's marker. A reader that polls 0 1 and then 4 has skipped 2, one
  /// that polls 0 1 2 and then 4 has not; one that polls 1 again, without a seek, has gone back.
  func polls() -> FindingList {
    var list = FindingList()
    var readers: [Int: [Int32: Reading]] = [:]
    for (index, event) in history.events.enumerated() {
      switch event.action {
      case .assign(let positions, _):
        for position in positions {
          readers[event.process, default: [:]][position.partition] = Reading(next: position.offset, event: index)
        }
      case .revoke(let partitions):
        for partition in partitions { readers[event.process]?[partition] = nil }
      case .poll(let partition, let runs):
        for run in runs {
          let reading = readers[event.process]?[partition] ?? Reading(next: run.offset, event: index)
          check(run, of: partition, after: reading, event.process, index, &list)
          readers[event.process, default: [:]][partition] = Reading(next: run.end, event: index)
        }
      case .send, .sent, .end, .ended, .look, .found, .commit, .committed: break
      }
    }
    return list
  }

  /// Where a reader goes on in a partition, and the event that brought it there.
  private struct Reading {
    var next: Offset
    var event: Int
  }

  private func check(
    _ run: RecordRun, of partition: Int32, after reading: Reading, _ process: Int, _ event: Int,
    _ list: inout FindingList
  ) {
    if run.offset < reading.next {
      return list.add(.nonmonotonicPoll, events: [reading.event, event]) {
        "process \(process) was to go on at offset \(reading.next) of partition \(partition), and read \(run.offset)"
      }
    }
    guard let skipped = firstDue(in: partition, from: reading.next), skipped < run.offset else { return }
    let held = logs[partition]?.records[skipped]
    list.add(.skippedPoll, events: [held?.event, reading.event, event]) {
      "process \(process) was to go on at offset \(reading.next) of partition \(partition), and read \(run.offset) without "
        + "offset \(skipped), record \(held.map { "\($0.record)" } ?? "?")"
    }
  }

  /// The first offset from `offset` on that a reader must not leave out.
  func firstDue(in partition: Int32, from offset: Offset) -> Offset? {
    guard let due = logs[partition]?.due else { return nil }
    var low = 0, high = due.count
    while low < high {
      let middle = (low + high) / 2
      if due[middle] < offset { low = middle + 1 } else { high = middle }
    }
    return low < due.count ? due[low] : nil
  }
}
