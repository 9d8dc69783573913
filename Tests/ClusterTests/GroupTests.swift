import Foundation
import Model
import Testing

@testable import Cluster

/// The scripts of `Scripts/Groups`: what comes to a group, and beneath it the trace of what the group did. MILLRACE_REWRITE_SCRIPTS=1
/// writes the traces as they are now into the scripts, to be read in the diff.
@Suite("Group")
struct GroupTests {
  static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Scripts/Groups")
  static let names = ((try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? [])
    .filter { $0.hasSuffix(".txt") }.sorted()
  static let rewrites = ProcessInfo.processInfo.environment["MILLRACE_REWRITE_SCRIPTS"] == "1"

  @Test("a group's trace is what its script says", arguments: names)
  func script(name: String) throws {
    let file = Self.directory.appendingPathComponent(name)
    var steps = ControllerScript.steps(of: try String(contentsOf: file, encoding: .utf8))
    #expect(!steps.isEmpty, "\(name) has no steps")
    var script = GroupScript()
    for index in steps.indices {
      let trace = try script.trace(of: steps[index].commands)
      let commands = steps[index].commands.joined(separator: "\n")
      if !Self.rewrites { #expect(trace == steps[index].expected, "\(name), after\n\(commands)") }
      steps[index].expected = trace
    }
    if Self.rewrites { try ControllerScript.text(steps).write(to: file, atomically: true, encoding: .utf8) }
  }

  @Test("there are scripts")
  func scripts() { #expect(Self.names.count >= 6) }

  @Test("a record that names a member or an instance twice is read with the last of them")
  func doubledMembers() {
    func member(_ id: String, _ instance: String?) -> StoredGroup.Member {
      StoredGroup.Member(
        id: id, instanceID: instance, clientID: "c", clientHost: "/h", rebalanceTimeoutMs: -7, sessionTimeoutMs: -7,
        subscription: [], assignment: [1])
    }
    let stored = StoredGroup(
      protocolType: "consumer", generation: .max, protocolName: nil, leader: "nobody", stateTimestampMs: nil,
      members: [member("a", "i"), member("b", "i"), member("c", nil), member("c", nil)])
    let now = Group.Instant(ms: 0, wallMs: 0)
    var group = Group("g", reading: stored, rules: GroupScript.rules([:]), at: now)
    #expect(group.membersInOrder.map(\.id) == ["b", "c"])
    #expect(group.leader == "b")
    #expect(group.step(.loaded, at: now).count > 0, "sessions of a negative time have ended at once")
    #expect(group.state == .empty)
    #expect(group.generation == 1, "the number after the largest is 1")
  }

  @Test("an id is given to so many clients at a time, and then no more until one expires")
  func pendingLimit() {
    var now = Group.Instant(ms: 0, wallMs: 0)
    var group = Group("g", rules: GroupScript.rules([:]), at: now)
    var join = Group.Join()
    join.sessionTimeoutMs = 10_000
    join.protocolType = "consumer"
    join.protocols = [GroupProtocol("range")]
    join.requiresKnownID = true
    for index in 0..<GroupLimits.pendingMembers {
      join.newMemberID = "m\(index)"
      let expected = Group.JoinAnswer(error: .memberIdRequired, memberID: join.newMemberID)
      guard group.step(.join(1, join), at: now) == [.joined(1, expected)] else {
        Issue.record("client \(index) got no id")
        return
      }
    }
    join.newMemberID = "too many"
    let refused = Group.JoinAnswer(error: .coordinatorNotAvailable, memberID: "")
    #expect(group.step(.join(2, join), at: now) == [.joined(2, refused)])
    now.ms = 10_000
    #expect(group.step(.tick, at: now) == [])
    #expect(group.pendingMemberCount == 0)
    #expect(group.isUnused)
    #expect(group.nextDeadlineMs == nil)
  }

  @Test("a member with more metadata than can be stored is refused")
  func largeMetadata() {
    let now = Group.Instant(ms: 0, wallMs: 0)
    var group = Group("g", rules: GroupScript.rules([:]), at: now)
    var join = Group.Join()
    join.sessionTimeoutMs = 10_000
    join.protocolType = "consumer"
    join.newMemberID = "a"
    join.rebalanceTimeoutMs = 60_000
    let most = GroupLimits.memberProtocolBytes - "range".utf8.count
    join.protocols = [GroupProtocol("range", Array(repeating: 0, count: most + 1))]
    #expect(group.step(.join(1, join), at: now) == [.joined(1, .init(error: .unknownServerError, memberID: ""))])
    join.protocols = [GroupProtocol("range", Array(repeating: 0, count: most))]
    _ = group.step(.join(2, join), at: now)
    #expect(group.memberCount == 1)
  }
}
