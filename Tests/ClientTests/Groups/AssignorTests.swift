import Base
import Model
import Testing

@testable import Client

@Suite("Assignor")
struct AssignorTests {
  private func members(_ ids: String..., topics: [String] = ["t"]) -> [GroupMember] {
    ids.map { GroupMember(id: $0, topics: topics) }
  }

  private func names(_ assigned: [String: [TopicPartition]]) -> [String: [String]] {
    assigned.mapValues { $0.map(\.description) }
  }

  @Test("range gives consecutive partitions of each topic, and one more to the first members")
  func range() {
    let assigned = Assignor.range.assign(members("b", "a", topics: ["t", "u"]), partitions: ["t": 3, "u": 3])
    #expect(names(assigned) == ["a": ["t-0", "t-1", "u-0", "u-1"], "b": ["t-2", "u-2"]])
    #expect(
      names(Assignor.range.assign(members("a", "b", "c"), partitions: ["t": 2])) == [
        "a": ["t-0"], "b": ["t-1"], "c": [],
      ])
  }

  @Test("round robin deals all partitions of all topics in turn")
  func roundRobin() {
    let assigned = Assignor.roundRobin.assign(members("a", "b", topics: ["t", "u"]), partitions: ["t": 3, "u": 3])
    #expect(names(assigned) == ["a": ["t-0", "t-2", "u-1"], "b": ["t-1", "u-0", "u-2"]])
  }

  /// The example of Kafka's documentation of the round-robin assignor: three topics of 1, 2 and 3 partitions, members subscribed to
  /// the first, the first two, and all.
  @Test("round robin passes over members that are not subscribed")
  func roundRobinSubscriptions() {
    let members = [
      GroupMember(id: "C0", topics: ["t0"]), GroupMember(id: "C1", topics: ["t0", "t1"]),
      GroupMember(id: "C2", topics: ["t0", "t1", "t2"]),
    ]
    let assigned = Assignor.roundRobin.assign(members, partitions: ["t0": 1, "t1": 2, "t2": 3])
    #expect(names(assigned) == ["C0": ["t0-0"], "C1": ["t1-0"], "C2": ["t1-1", "t2-0", "t2-1", "t2-2"]])
  }

  @Test("static members come first, by their instance ids")
  func staticMembers() {
    let members = [
      GroupMember(id: "a", topics: ["t"]), GroupMember(id: "z", instanceID: "2", topics: ["t"]),
      GroupMember(id: "y", instanceID: "1", topics: ["t"]),
    ]
    #expect(names(Assignor.range.assign(members, partitions: ["t": 3])) == ["y": ["t-0"], "z": ["t-1"], "a": ["t-2"]])
  }

  @Test("a topic that nobody reads, or that does not exist, is not assigned", arguments: Assignor.allCases)
  func missing(assignor: Assignor) {
    let assigned = assignor.assign(members("a", topics: ["t", "gone"]), partitions: ["t": 1, "other": 5])
    #expect(names(assigned) == ["a": ["t-0"]])
    #expect(assignor.assign([], partitions: ["t": 1]).isEmpty)
    #expect(names(assignor.assign(members("a", topics: []), partitions: ["t": 1])) == ["a": []])
  }

  // MARK: Sticky

  /// The members of the next generation, as each owns what it was assigned.
  private func next(_ members: [GroupMember], _ assigned: [String: [TopicPartition]], generation: Int32)
    -> [GroupMember]
  {
    members.map { member in
      var member = member
      member.owned = assigned[member.id] ?? []
      member.generation = generation
      return member
    }
  }

  @Test("a partition that changes its owner is nobody's for one generation")
  func cooperation() {
    let assignor = Assignor.cooperativeSticky
    var all = members("a", "b")
    let first = assignor.assign(all, partitions: ["t": 6])
    #expect(first.mapValues(\.count) == ["a": 3, "b": 3])
    all = next(all, first, generation: 1) + members("c")
    let second = assignor.assign(all, partitions: ["t": 6])
    #expect(second.mapValues(\.count) == ["a": 2, "b": 2, "c": 0], "what c is to get is still read by a and b")
    #expect(Set(second["a"] ?? []).isSubset(of: first["a"] ?? []))
    let third = assignor.assign(next(all, second, generation: 2), partitions: ["t": 6])
    #expect(third.mapValues(\.count) == ["a": 2, "b": 2, "c": 2])
    #expect(third["a"] == second["a"] && third["b"] == second["b"])
    #expect(assignor.assign(next(all, third, generation: 3), partitions: ["t": 6]) == third, "nothing moves any more")
  }

  @Test("what members that left owned goes to the others, and nothing else moves")
  func departure() {
    let assignor = Assignor.cooperativeSticky
    let all = members("a", "b", "c")
    let first = assignor.assign(all, partitions: ["t": 7])
    let rest = next(all, first, generation: 1).filter { $0.id != "b" }
    let second = assignor.assign(rest, partitions: ["t": 7])
    for member in rest { #expect(Set(first[member.id] ?? []).isSubset(of: second[member.id] ?? [])) }
    #expect(second.values.reduce(0) { $0 + $1.count } == 7)
  }

  @Test("of two members that claim a partition the later generation has it; of the same generation neither")
  func claims() {
    let partition = TopicPartition("t", 0)
    func owner(_ generations: [Int32]) -> [String: [TopicPartition]] {
      let members = zip(["a", "b"], generations).map {
        GroupMember(id: $0, topics: ["t"], owned: [partition], generation: $1)
      }
      return Assignor.cooperativeSticky.assign(members, partitions: ["t": 1])
    }
    #expect(owner([3, 4]) == ["a": [], "b": [partition]])
    #expect(owner([4, 3]) == ["a": [partition], "b": []])
    #expect(owner([4, 4]) == ["a": [partition], "b": []], "assigned anew")
  }

  @Test(
    "whatever members come and go, each partition has one reader that wants it, and equal members differ by one",
    arguments: UInt64(0)..<40)
  func seeded(seed: UInt64) {
    var random = SplitMix(seed: seed)
    for assignor in Assignor.allCases {
      var members: [GroupMember] = []
      for generation in 0..<12 {
        if members.count > 1, random.below(3) == 0 { members.remove(at: random.below(members.count)) }
        for _ in 0..<random.below(3) {
          members.append(GroupMember(id: "m\(random.below(1000))-\(generation)-\(members.count)", topics: ["t", "u"]))
        }
        let partitions = ["t": Int32(random.below(9)), "u": Int32(random.below(4))]
        // A cooperative group settles in a second generation.
        for step in 0..<2 {
          let assigned = assignor.assign(members.shuffled(using: &random), partitions: partitions)
          let all = assigned.values.flatMap { $0 }
          #expect(Set(all).count == all.count, "\(assignor): a partition has two readers")
          members = next(members, assigned, generation: Int32(generation * 2 + step))
          guard step == 1, !members.isEmpty else { continue }
          #expect(all.count == partitions.values.reduce(0) { $0 + Int($1) }, "\(assignor): a partition has no reader")
          guard assignor != .range else { continue }
          let counts = assigned.values.map(\.count)
          #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1, "\(assignor): \(counts)")
        }
      }
    }
  }
}
