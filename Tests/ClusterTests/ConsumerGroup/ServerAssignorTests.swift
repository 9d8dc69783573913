import Base
import Model
import Testing

@testable import Cluster

@Suite("Assignors of the coordinator")
struct ServerAssignorTests {
  private static func topic(_ number: UInt64, _ partitions: Int32) -> SubscribedTopic {
    SubscribedTopic(id: UUID128(high: 0, low: number), name: "t\(number)", partitionCount: partitions)
  }

  private func counts(_ assigned: [String: Set<GroupPartition>]) -> [Int] {
    assigned.sorted { $0.key < $1.key }.map(\.value.count)
  }

  @Test("range gives each topic in runs, the longer ones first")
  func range() {
    let topics = [Self.topic(1, 5), Self.topic(2, 2)]
    let both = Set(topics.map(\.id))
    let assigned = ServerAssignor.range.assign(
      topics, to: [.init(id: "b", topics: both), .init(id: "a", topics: both), .init(id: "c", topics: [topics[0].id])])
    func has(_ id: String, _ topic: Int) -> [Int32] {
      assigned[id]!.filter { $0.topic == topics[topic].id }.map(\.number).sorted()
    }
    #expect(has("a", 0) == [0, 1] && has("b", 0) == [2, 3] && has("c", 0) == [4])
    #expect(has("a", 1) == [0] && has("b", 1) == [1] && has("c", 1) == [])
  }

  @Test("static members are ordered by instance id")
  func instances() {
    let topic = Self.topic(1, 2)
    let assigned = ServerAssignor.range.assign(
      [topic],
      to: [.init(id: "z", instanceID: "1", topics: [topic.id]), .init(id: "a", instanceID: "2", topics: [topic.id])])
    #expect(assigned["z"] == [GroupPartition(topic.id, 0)])
  }

  @Test("uniform leaves partitions where they are, and moves no more than balance needs")
  func sticky() {
    let topic = Self.topic(1, 6)
    func all(_ numbers: Int32...) -> Set<GroupPartition> { Set(numbers.map { GroupPartition(topic.id, $0) }) }
    let assigned = ServerAssignor.uniform.assign(
      [topic],
      to: [
        .init(id: "a", topics: [topic.id], before: all(0, 1, 2)),
        .init(id: "b", topics: [topic.id], before: all(3, 4, 5)),
        .init(id: "c", topics: [topic.id]),
      ])
    #expect(counts(assigned) == [2, 2, 2])
    #expect(assigned["a"]!.isSubset(of: all(0, 1, 2)) && assigned["b"]!.isSubset(of: all(3, 4, 5)))
  }

  @Test("uniform gives each partition once, to a subscriber, as evenly as the subscriptions allow", arguments: 1...40)
  func uniform(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let topics = (1...UInt64.random(in: 1...5, using: &random)).map {
      Self.topic($0, Int32.random(in: 0...9, using: &random))
    }
    var members = (0..<Int.random(in: 1...7, using: &random)).map { number in
      ServerAssignor.Subscriber(
        id: "m\(number)", topics: Set(topics.map(\.id).filter { _ in Bool.random(using: &random) }))
    }
    for _ in 0..<3 {
      let assigned = ServerAssignor.uniform.assign(topics, to: members)
      #expect(ServerAssignor.uniform.assign(topics, to: members.reversed()) == assigned)
      for topic in topics {
        let subscribers = members.filter { $0.topics.contains(topic.id) }
        for number in 0..<topic.partitionCount {
          let owners = members.filter { assigned[$0.id]!.contains(GroupPartition(topic.id, number)) }
          #expect(owners.count == (subscribers.isEmpty ? 0 : 1))
          #expect(owners.allSatisfy { $0.topics.contains(topic.id) })
          guard let owner = owners.first else { continue }
          let least = subscribers.map { assigned[$0.id]!.count }.min()!
          #expect(
            assigned[owner.id]!.count <= least + 1, "seed \(seed): moving \(topic.name)-\(number) would be fairer")
        }
      }
      // What was assigned is the start of the next assignment, with another member gone or new.
      for index in members.indices { members[index].before = assigned[members[index].id]! }
      if Bool.random(using: &random), members.count > 1 { members.removeFirst() }
      members.append(.init(id: "n\(members.count)-\(seed)-\(random.next() % 1000)", topics: Set(topics.map(\.id))))
    }
  }
}
