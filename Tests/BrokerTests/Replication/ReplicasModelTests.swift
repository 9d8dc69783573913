import Base
import Cluster
import Glibc
import Model
import Storage
import TestSupport
import Testing

@testable import Broker

/// Three replicas, elections that some of them hear of late, leaders that go on after they were deposed, and a controller that grants
/// changes of the ISR at once. What follows from Kafka's protocol is checked after every event.
private final class ReplicasModel {
  let seed: Seed
  var random: Seed
  let replicas: [ReplicaLog]
  /// Whether any replica may be elected, not only those in sync.
  let isUnclean: Bool
  var now: Int64 = 0
  // The controller's state.
  var epoch: LeaderEpoch = 0
  var partitionEpoch: Int32 = 0
  var leader = 0
  var inSync: [BrokerID] = [1, 2, 3]
  /// The epoch of which each replica has heard.
  var known: [LeaderEpoch] = [0, 0, 0]
  /// The leader of each epoch.
  var leaders: [LeaderEpoch: Int] = [:]
  /// The batches below a high watermark of the leader that was the controller's: acknowledged.
  var acknowledged: Set<ReplicaLog.Batch> = []
  var trace: [String] = []
  var count = 0

  init(_ seed: Seed, in path: String, isUnclean: Bool) throws {
    self.seed = seed
    random = seed
    self.isUnclean = isUnclean
    var config = LogConfig()
    config.segmentBytes = 400
    replicas = try (1...3 as ClosedRange<BrokerID>).map { try ReplicaLog($0, in: path, config) }
    try elect(0)
  }

  func elect(_ index: Int) throws {
    epoch += 1
    partitionEpoch += 1
    leader = index
    leaders[epoch] = index
    if !inSync.contains(replicas[index].id) { inSync = [replicas[index].id] }
    trace.append("\(now) elect \(index + 1) in \(epoch), in sync \(inSync)")
    try hear(index)
    for other in 0..<3 where other != index && Int.random(in: 0..<3, using: &random) > 0 { try hear(other) }
  }

  func hear(_ index: Int) throws {
    guard known[index] < epoch else { return }
    known[index] = epoch
    trace.append("  \(index + 1) hears of \(epoch)")
    if index == leader {
      replicas[index].lead(epoch, inSync: inSync, partitionEpoch: partitionEpoch, nowMs: now)
    } else {
      replicas[index].follow(epoch)
    }
  }

  func step() throws {
    now += Int64.random(in: 0...10, using: &random)
    let index = Int.random(in: 0..<3, using: &random)
    switch Int.random(in: 0..<20, using: &random) {
    case 0..<5:
      // Deposed leaders that have not heard of it append too.
      guard leaders[known[index]] == index else { return }
      count += 1
      let values = (0..<Int.random(in: 1...3, using: &random)).map { "\(count).\($0)" }
      let appended = try replicas[index].append(Batches.of(values))
      trace.append("\(now) \(index + 1) appends to \(appended.lastOffset + 1)")
    case 5..<15: try pull(index)
    case 15: try hear(index)
    case 16:
      let chosen = isUnclean ? index : Int(inSync.randomElement(using: &random)!) - 1
      try elect(chosen)
    case 17:
      replicas[index].tick(nowMs: now, lagMsMax: 60)
      trace.append("\(now) tick of \(index + 1)")
    case 18:
      guard leaders[known[index]] == index else { return }
      try deleteRecords(index)
    default:
      try elect(leader)
    }
    grant()
    try check()
  }

  func pull(_ index: Int) throws {
    guard let from = leaders[known[index]], from != index else { return }
    let maxBytes = Int.random(in: 1...300, using: &random)
    let pulled: ReplicaLog.Pulled
    do {
      pulled = try replicas[index].pull(
        from: replicas[from], in: known[index], maxBytes: maxBytes, nowMs: now, lagMsMax: 60)
    } catch {
      let logs = try replicas.map { try "\($0.ends) \($0.batches)" }
      return try expect(
        false, "\(index + 1) cannot take what \(from + 1) has: \(error)\n\(logs.joined(separator: "\n"))")
    }
    trace.append(
      "\(now) \(index + 1) pulls from \(from + 1) in \(known[index]): \(pulled), ends at \(try replicas[index].end)")
  }

  func deleteRecords(_ index: Int) throws {
    let ahead = Int.random(in: 0..<4, using: &random)
    try replicas[index].partition.withLog { log, marks throws(PartitionError) in
      let reach = marks.highWatermark - log.logStartOffset
      guard reach > 0 else { return }
      do throws(DiskError) { try log.deleteRecords(before: log.logStartOffset + min(ahead, reach), nowMs: 0) } catch {
        throw .append(.diskFailed(error))
      }
    }
    trace.append("\(now) \(index + 1) deletes to \(try replicas[index].ends.start)")
  }

  /// The controller makes each change that the leader of its epoch asks for, from the state that it knows.
  func grant() {
    for (index, replica) in replicas.enumerated() {
      guard let change = replica.asked else { continue }
      replica.asked = nil
      guard index == leader, change.leaderEpoch == epoch, change.partitionEpoch == partitionEpoch else { continue }
      partitionEpoch += 1
      inSync = change.inSync
      trace.append("\(now) in sync \(inSync)")
      replica.confirmed(.init(leaderEpoch: epoch, partitionEpoch: partitionEpoch, inSync: inSync))
    }
  }

  func check() throws {
    let logs = try replicas.map { try $0.batches }
    for (index, replica) in replicas.enumerated() {
      let (start, end) = try replica.ends
      let mark = replica.partition.highWatermark
      try expect(
        start <= mark && mark <= end, "the high watermark of \(index + 1) is \(mark), its log \(start)..<\(end)")
    }
    // Log matching: two logs that have the same batch have the same batches before it, as far as both have any.
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
      guard let last = logs[a].lastIndex(where: { batch in logs[b].contains { $0 == batch } }) else { continue }
      let shared = max(logs[a][0].base, logs[b][0].base)...logs[a][last].base
      let (left, right) = (logs[a].filter { shared ~= $0.base }, logs[b].filter { shared ~= $0.base })
      try expect(left == right, "\(a + 1) and \(b + 1) agree at \(shared.upperBound), not before:\n\(left)\n\(right)")
    }
    guard !isUnclean else { return }
    // What the leader has acknowledged is in the log of every later leader, unless it was deleted.
    if known[leader] == epoch {
      let mark = replicas[leader].partition.highWatermark
      let start = try replicas[leader].ends.start
      for batch in acknowledged.sorted(by: { $0.base < $1.base }) where batch.base >= start {
        try expect(
          logs[leader].contains(batch), "\(batch) was acknowledged, and the leader \(leader + 1) has it no more")
      }
      acknowledged.formUnion(logs[leader].filter { $0.next <= mark })
      for id in inSync {
        let end = try replicas[Int(id) - 1].end
        try expect(end >= mark, "\(id) is in sync and ends at \(end), below \(mark)")
      }
    }
  }

  /// The last election, which everybody hears of: all logs become the leader's.
  func settle() throws {
    try elect(isUnclean ? Int.random(in: 0..<3, using: &random) : Int(inSync[0]) - 1)
    for index in 0..<3 { try hear(index) }
    for _ in 0..<400 {
      now += 1
      for index in 0..<3 { try pull(index) }
      for replica in replicas { replica.tick(nowMs: now, lagMsMax: 60) }
      grant()
    }
    try check()
    let end = try replicas[leader].end
    for (index, replica) in replicas.enumerated() {
      // A deposed leader may have deleted more than the last one.
      let start = try max(replica.ends.start, replicas[leader].ends.start)
      let (own, leaders) = try (replica.batches, replicas[leader].batches)
      try expect(
        own.filter { $0.base >= start } == leaders.filter { $0.base >= start },
        "\(index + 1) has \(own), and not \(leaders)")
      try expect(
        replica.partition.highWatermark == end,
        "\(index + 1) has the mark \(replica.partition.highWatermark), not \(end)")
      let epochs = try [replica, replicas[leader]].map {
        try $0.partition.withLog { log, _ in log.epochs.entries.filter { $0.startOffset > start } }
      }
      try expect(epochs[0] == epochs[1], "\(index + 1) has epochs \(epochs[0]), not \(epochs[1])")
    }
    try expect(Set(inSync) == [1, 2, 3], "in sync are \(inSync)")
  }

  func expect(_ condition: Bool, _ what: String) throws {
    try #require(condition, "\(seed): \(what)\n\(trace.suffix(40).joined(separator: "\n"))")
  }
}

@Suite("Replicas, against what the protocol promises")
struct ReplicasModelTests {
  private func run(_ seed: Seed, isUnclean: Bool, steps: Int) throws {
    try withDirectory { path in
      let model = try ReplicasModel(seed, in: path, isUnclean: isUnclean)
      for _ in 0..<steps { try model.step() }
      try model.settle()
    }
  }

  @Test(
    "with clean elections nothing acknowledged is lost, and logs agree up to where they part", arguments: Seed.some(40))
  func clean(seed: Seed) throws { try run(seed, isUnclean: false, steps: 150) }

  @Test("with unclean elections logs agree up to where they part, and become one in the end", arguments: Seed.some(40))
  func unclean(seed: Seed) throws { try run(seed, isUnclean: true, steps: 150) }

  @Test("nor does a seed that no run had before", arguments: [true, false])
  func fresh(isUnclean: Bool) throws { try run(.fresh, isUnclean: isUnclean, steps: 300) }
}
