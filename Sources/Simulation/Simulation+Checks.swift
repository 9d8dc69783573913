import Base
import Broker
import Model
import NIOCore
import NIOEmbedded
import Wire

/// Checks the node from outside: the ends of its partitions after a restart, all its records at the end of the run, and the files that it
/// leaves behind.
extension Simulation {
  /// Reads the ends of every partition over a separate connection.
  func ends() -> [(TopicPartition, Range<Int64>)] {
    let partitions = ledgers.keys.sorted()
    let client = SimulatedClient("census", self)
    var starts: [TopicPartition: Int64] = [:]
    var ends: [TopicPartition: Int64] = [:]
    advance(seconds: 10, until: { client.connect() }, orElse: "nobody can connect")
    for (timestamp, isStart) in [(Int64(-2), true), (-1, false)] {
      client.ask(ListOffsetsRequest.of(partitions, at: timestamp), version: 5) { result in
        guard case .success(let answer) = result else {
          return self.violation("ListOffsets after restart got no response")
        }
        for topic in answer.topics {
          for found in topic.partitions {
            let partition = TopicPartition(topic.name, found.partitionIndex)
            guard found.errorCode == .none else {
              self.violation("ListOffsets of \(partition) is answered with \(found.errorCode)")
              continue
            }
            if isStart { starts[partition] = found.offset.rawValue } else { ends[partition] = found.offset.rawValue }
          }
        }
      }
    }
    advance(
      seconds: 20, until: { starts.count == partitions.count && ends.count == partitions.count },
      orElse: "ListOffsets after restart got no response")
    client.leave()
    return partitions.compactMap { partition in
      guard let start = starts[partition], let end = ends[partition] else { return nil }
      guard start <= end else {
        violation("\(partition) starts at \(start) and ends at \(end)")
        return nil
      }
      return (partition, start..<end)
    }
  }

  /// Ends all faults, and checks that every batch is then acknowledged and every acknowledged record read.
  func heal() {
    guard violations.isEmpty else { return }
    trace.note("no more faults")
    isHealing = true
    coldOneIn = 0
    offload.delayMicrosecondsMax = 2_000
    network.delayMicrosecondsMax = 500
    // A log stays offline after a failed write or flush until a restart.
    if diskMayFail { crash() }
    for producer in producers { producer.isStopping = true }
    for consumer in consumers { consumer.isCatchingUp = true }
    advance(
      seconds: Self.healingSeconds, until: { self.producers.allSatisfy(\.isIdle) },
      orElse: "after the faults, not every batch is acknowledged")
    settleTransactions()
    advance(
      seconds: Self.healingSeconds, until: { self.consumers.allSatisfy(\.isAtEnd) },
      orElse: "after the faults, not every record is read")
    settleGroups()
  }

  /// Reads all records, stops in order, starts again, and reads all records once more.
  func finish() {
    guard violations.isEmpty else { return }
    for client in clients { client.leave() }
    admin?.client.leave()
    isOver = true
    readEverything()
    if violations.isEmpty, let running = node?.running {
      advance(
        seconds: 60, until: { running.server.connectionCount == 0 },
        orElse: "connections remain after their clients have closed them")
      checkNothingIsHeld(by: running)
    }
    stop(restarting: true)
    guard violations.isEmpty else { return }
    readEverything()
    checkCommittedOffsets()
    checkTransactionalOffsets()
    stop(restarting: false)
  }

  /// Checks that without connections no request, delayed fetch or response holds memory.
  private func checkNothingIsHeld(by running: RunningNode) {
    guard violations.isEmpty else { return }
    if let held = outcome(of: running.server.heldByRequests(), "the look at the receive buffers"),
      held != ReceiveMemory()
    {
      violation(
        "with no connection left, \(held.sharedBuffers) buffers and \(held.largeFrameBytes) bytes of frames are held")
    }
    let delayed = running.broker.delayedFetches
    if delayed != (0, 0) {
      violation("with no connection left, \(delayed.fetches) fetches wait, in \(delayed.places) places")
    }
  }

  /// Checks that the memory held for clients stays within its limits.
  func checkMemory() {
    let most = Limits.responseBytesWaiting + Self.responseBytesMax
    if network.mostWaitingInMemory > most {
      violation("\(network.mostWaitingInMemory) bytes of answers waited in memory for one client; \(most) are allowed")
    }
    guard let delayed = node?.running?.broker.delayedFetches else { return }
    // The node notices a broken connection a moment later.
    let fetches = 2 * (consumers.count + members.count)
    let partitions = scenario.consumers.map(\.partitions.count) + scenario.groups.map(\.partitions.count)
    let places = fetches * (partitions.max() ?? 0)
    if delayed.fetches > fetches || delayed.places > places {
      violation(
        "\(delayed.fetches) fetches wait in \(delayed.places) places, of \(consumers.count + members.count) consumers")
    }
  }

  private func readEverything() {
    let client = SimulatedClient("reader", self)
    advance(seconds: 10, until: { client.connect() }, orElse: "nobody can connect")
    for (partition, range) in ends() {
      let ledger = ledger(partition)
      var seen = Ledger.Seen()
      ledger.saw(highWatermark: range.upperBound, logStart: range.lowerBound, by: &seen)
      var whole = WholeReading(partition, transactions)
      ledger.beginWhole()
      guard
        readAll(
          range, client, partition,
          each: { batch, id in
            if let wrong = whole.take(batch, id) { self.violation("\(partition): \(wrong)") }
          })
      else { return }
      for transaction in whole.left { violation("\(partition): \(transaction) has no marker") }
      ledger.finish(end: range.upperBound)
    }
    readCommitted(client)
    client.leave()
  }

  /// Reads a partition from start to end; returns false after a violation.
  private func readAll(
    _ range: Range<Int64>, _ client: SimulatedClient, _ partition: TopicPartition,
    each: @escaping (RecordBatch, Ledger.BatchID?) -> Void
  ) -> Bool {
    let ledger = ledger(partition)
    var position = range.lowerBound
    while position < range.upperBound, violations.isEmpty {
      guard let next = read(client, partition, from: position, each: each) else { return false }
      // Retention may remove the next records.
      if next < 0, mayShrink(partition), let now = ends().first(where: { $0.0 == partition })?.1 {
        ledger.saw(logStart: now.lowerBound)
        position = now.lowerBound
        continue
      }
      guard next > position else {
        violation("\(partition): nothing can be read at \(position) of \(range)")
        return false
      }
      position = next
    }
    return violations.isEmpty
  }

  /// Reads once; returns the next offset, or -1 when `position` is out of range.
  private func read(
    _ client: SimulatedClient, _ partition: TopicPartition, from position: Int64,
    each: @escaping (RecordBatch, Ledger.BatchID?) -> Void
  ) -> Int64? {
    guard let found = fetch(client, partition, from: position) else { return nil }
    if found.errorCode == .offsetOutOfRange { return -1 }
    guard found.errorCode == .none else {
      violation("\(partition) at \(position): \(found.errorCode)")
      return nil
    }
    return found.records.bytes.map { ledger(partition).read($0, from: position, each: each) } ?? position
  }

  private func fetch(
    _ client: SimulatedClient, _ partition: TopicPartition, from position: Int64, isReadCommitted: Bool = false
  ) -> FetchResponse.Partition? {
    var request = FetchRequest()
    request.maxWaitMs = 0
    request.maxBytes = 1 << 20
    request.isolationLevel = isReadCommitted ? 1 : 0
    request.want(partition, from: position, maxBytes: 1 << 20)
    var found: FetchResponse.Partition?
    client.ask(request, version: 11) { result in
      guard case .success(let answer) = result, let only = answer.responses.first?.partitions.first else {
        return self.violation("a fetch of \(partition) is not answered")
      }
      found = only
    }
    advance(seconds: 20, until: { found != nil }, orElse: "a fetch of \(partition) is not answered")
    return found
  }

  /// Reads the partitions that have transactions as a reader of committed records.
  private func readCommitted(_ client: SimulatedClient) {
    guard violations.isEmpty, !transactionalProducers.isEmpty else { return }
    var reader = SimulatedReader("the last reader", isReadCommitted: true)
    let partitions = Set(transactionalProducers.flatMap { $0.settings.targets.map(\.partition) })
    for (partition, range) in ends() where partitions.contains(partition) {
      var position = range.lowerBound
      while position < range.upperBound, violations.isEmpty {
        guard let found = fetch(client, partition, from: position, isReadCommitted: true) else { return }
        guard case .next(let next) = reader.take(found, of: partition, from: position, in: self), next > position else {
          return violation("\(partition): nothing committed can be read at \(position) of \(range)")
        }
        position = next
      }
    }
  }

  /// Checks the disk after an orderly stop.
  func checkAfterStop() {
    guard violations.isEmpty else { return }
    if disk.openFiles != 0 { violation("\(disk.openFiles) files stay open when the node has stopped") }
    let names = disk.list("/data")
    if !diskMayFail, !names.contains(".kafka_cleanshutdown") {
      violation("no .kafka_cleanshutdown after an orderly stop")
    }
    for (name, checkpoint) in [
      ("replication-offset-checkpoint", { (ledger: Ledger) in ledger.highWatermark }),
      ("log-start-offset-checkpoint", { (ledger: Ledger) in ledger.logStart }),
    ] where !diskMayFail {
      let lines = String(decoding: disk.contents("/data/\(name)") ?? [], as: UTF8.self).split(separator: "\n")
      var marks: [String: Int64] = [:]
      for line in lines.dropFirst(2) {
        let words = line.split(separator: " ")
        if words.count == 3, let offset = Int64(words[2]) { marks["\(words[0])-\(words[1])"] = offset }
      }
      for partition in ledgers.keys.sorted() {
        let known = checkpoint(ledger(partition))
        if marks["\(partition)"] ?? 0 < known {
          violation("\(name) has \(marks["\(partition)"] ?? 0) for \(partition), and clients have seen \(known)")
        }
      }
    }
  }
}
