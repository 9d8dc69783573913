import Base
import Cluster
import Glibc
import Model
import Testing
import Wire

@testable import Broker

/// What groups cost. Small with every test, so that it does not rot; `BENCH=1` for figures (release build).
@Suite("Benchmarks of groups", .serialized)
struct GroupBenchmarks {
  private static let isReal = getenv("BENCH") != nil

  private func report(_ what: String, _ count: Int, since wall: UInt64, _ cpu: UInt64) {
    let (wall, cpu) = (Clocks.monotonicNs() - wall, Clocks.threadCPUNs() - cpu)
    let line = "\(what): \(wall / 1_000_000) ms, \(cpu / 1_000_000) ms of CPU, \(Int(wall) / max(1, count)) ns each\n"
    var bytes = Array(line.utf8)
    _ = write(2, &bytes, bytes.count)
  }

  private func commit(
    _ partition: Int32, _ offset: Int64
  ) -> (partition: TopicPartition, commit: GroupOffsets.Commit) {
    (TopicPartition("topic", partition), .init(offset: Offset(offset), timestampMs: 0))
  }

  @Test("reading 10,000 groups with 100,000 committed offsets")
  func load() throws {
    let groups = Self.isReal ? 10_000 : 100
    let world = try GroupWorld()
    for index in 0..<groups {
      try world.stableGroup("group-\(index)")
      let commits = (0..<10 as Range<Int32>).map { commit($0, 5) }
      _ = world.commit(commits, "group-\(index)", by: .init("a", generation: 1))
    }
    let (wall, cpu) = (Clocks.monotonicNs(), Clocks.threadCPUNs())
    let read = try world.reread()
    report("load of \(groups) groups and \(groups * 10) offsets", groups * 11, since: wall, cpu)
    #expect(read.list(states: [], types: []).groups.count == groups)
    #expect(try read.offset(TopicPartition("topic", 9), of: "group-\(groups - 1)") == 5)
  }

  @Test("commits of one offset each, into a log on the disk")
  func commits() throws {
    let count = Self.isReal ? 200_000 : 200
    try withBroker(groupOverrides) { broker in
      let client = try broker.connect()
      _ = try client.findCoordinator("g")
      let shard = try #require(broker.broker.groups.shard(of: "g"))
      let committer = GroupShard.Committer(membership: .init("", generation: -1))
      let (wall, cpu) = (Clocks.monotonicNs(), Clocks.threadCPUNs())
      var stored = 0
      for index in 0..<count {
        let commits = [commit(Int32(index % 100), Int64(index))]
        if shard.commit("g", by: committer, commits, then: { _ in }) == .stored(.none) { stored += 1 }
      }
      report("\(count) commits", count, since: wall, cpu)
      #expect(stored == count)
    }
  }

  @Test("a rebalance of 1,000 members")
  func rebalance() throws {
    let members = Self.isReal ? 1000 : 20
    let world = try GroupWorld(["group.initial.rebalance.delay.ms": "3000"])
    let joins = Answers<Group.JoinAnswer>()
    for index in 0..<members { _ = world.shard.join("g", .client(new: "m\(index)"), then: joins.take) }
    world.pass(3000)
    world.pass(3000)
    func syncAll(_ answers: [Group.JoinAnswer]) {
      for answer in answers {
        var sync = Group.Sync(.init(answer.memberID, generation: answer.generation))
        for member in answer.members { sync.assignments[member.id] = [1, 2, 3, 4] }
        _ = world.shard.sync("g", sync, then: { _ in })
      }
    }
    syncAll(joins.all)
    let (wall, cpu) = (Clocks.monotonicNs(), Clocks.threadCPUNs())
    let again = Answers<Group.JoinAnswer>()
    for index in 0..<members {
      if case .now(let last) = world.shard.join("g", .client("m\(index)", topics: "u"), then: again.take) {
        again.take(last)
      }
    }
    syncAll(again.all)
    report("a rebalance of \(members) members", members, since: wall, cpu)
    #expect(again.all.count == members)
    #expect(world.coordinator.describe("g").groupState == "Stable")
  }
}
