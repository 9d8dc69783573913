import Model
import Testing

@testable import Client

@Suite("GroupMembership")
struct GroupMembershipTests {
  private let t0 = TopicPartition("t", 0)
  private let t1 = TopicPartition("t", 1)

  /// A member that was assigned partitions in generation 1.
  private func member(_ assigned: [TopicPartition], cooperative: Bool = false, isStatic: Bool = false)
    -> GroupMembership
  {
    var membership = GroupMembership(isCooperative: cooperative, isStatic: isStatic)
    _ = membership.step(.connected)
    _ = membership.step(.joined(memberID: "m", generation: 1))
    _ = membership.step(.synchronised(assigned))
    return membership
  }

  @Test("a member joins, takes the id it is given, synchronises, and reads what it is assigned")
  func joining() {
    var membership = GroupMembership(isCooperative: false, isStatic: false)
    #expect(membership.step(.connected) == [.join(isDelayed: false)])
    #expect(membership.step(.memberIDGiven("m")) == [.join(isDelayed: false)])
    #expect(membership.memberID == "m")
    #expect(membership.step(.joined(memberID: "m", generation: 4)) == [.synchronise])
    #expect(membership.step(.synchronised([t1, t0])) == [.assign([t0, t1])])
    #expect(membership.phase == .member && membership.generation == 4 && membership.owned == [t0, t1])
  }

  @Test("an eager member gives up everything before it joins again")
  func eager() {
    var membership = member([t0, t1])
    #expect(
      membership.step(.refused(.heartbeat, .rebalanceInProgress)) == [.revoke([t0, t1]), .join(isDelayed: false)])
    #expect(membership.owned.isEmpty)
    #expect(membership.step(.joined(memberID: "m", generation: 2)) == [.synchronise])
    #expect(membership.step(.synchronised([t0])) == [.assign([t0])])
  }

  @Test("a cooperative member reads on, gives up what others are to have, and joins once more")
  func cooperative() {
    var membership = member([t0, t1], cooperative: true)
    #expect(membership.step(.refused(.heartbeat, .rebalanceInProgress)) == [.join(isDelayed: false)])
    #expect(membership.owned == [t0, t1])
    _ = membership.step(.joined(memberID: "m", generation: 2))
    #expect(membership.step(.synchronised([t0])) == [.revoke([t1]), .assign([]), .join(isDelayed: false)])
    _ = membership.step(.joined(memberID: "m", generation: 3))
    #expect(membership.step(.synchronised([t0])) == [.assign([])])
    #expect(membership.phase == .member && membership.owned == [t0])
  }

  @Test("a commit refused because of a rebalance has the member join, once")
  func commitRefused() {
    var membership = member([t0])
    #expect(membership.step(.refused(.commit, .rebalanceInProgress)) == [.revoke([t0]), .join(isDelayed: false)])
    #expect(membership.step(.refused(.heartbeat, .rebalanceInProgress)) == [], "it joins already")
  }

  @Test("a member that the group has put out loses its partitions without a commit, and joins as a new one")
  func putOut() {
    for request in [GroupMembership.Request.heartbeat, .commit] {
      var membership = member([t0])
      #expect(membership.step(.refused(request, .unknownMemberId)) == [.lose([t0]), .join(isDelayed: false)])
      #expect(membership.memberID == "" && membership.generation == -1)
      var late = member([t0])
      #expect(late.step(.refused(request, .illegalGeneration)) == [.lose([t0]), .join(isDelayed: false)])
      #expect(late.memberID == "m" && late.generation == -1)
    }
    var membership = GroupMembership(isCooperative: false, isStatic: false)
    _ = membership.step(.connected)
    _ = membership.step(.memberIDGiven("old"))
    #expect(membership.step(.refused(.join, .unknownMemberId)) == [.join(isDelayed: false)])
    #expect(membership.memberID == "")
  }

  @Test("a rebalance that begins while the member synchronises has it join again")
  func synchronising() {
    var membership = GroupMembership(isCooperative: false, isStatic: false)
    _ = membership.step(.connected)
    _ = membership.step(.joined(memberID: "m", generation: 1))
    #expect(membership.step(.refused(.synchronise, .rebalanceInProgress)) == [.join(isDelayed: false)])
  }

  @Test("a coordinator that is lost is looked for; a member stays one, and one that was joining begins again")
  func coordinator() {
    var membership = member([t0])
    #expect(membership.step(.disconnected) == [.connect])
    #expect(membership.phase == .member && membership.owned == [t0])
    #expect(membership.step(.connected) == [])
    #expect(membership.step(.refused(.heartbeat, .notCoordinator)) == [.connect])
    var joining = GroupMembership(isCooperative: false, isStatic: false)
    _ = joining.step(.connected)
    #expect(joining.step(.refused(.join, .coordinatorNotAvailable)) == [.connect])
    #expect(joining.step(.connected) == [.join(isDelayed: false)])
    #expect(joining.step(.refused(.join, .coordinatorLoadInProgress)) == [.join(isDelayed: true)])
    #expect(joining.step(.refused(.join, .rebalanceInProgress)) == [.join(isDelayed: true)])
  }

  @Test("what may pass is tried again: heartbeats and commits with the next, joining after a pause")
  func passing() {
    var membership = member([t0])
    #expect(membership.step(.refused(.commit, .coordinatorLoadInProgress)) == [])
    #expect(membership.step(.refused(.heartbeat, .requestTimedOut)) == [])
    var joining = GroupMembership(isCooperative: false, isStatic: false)
    _ = joining.step(.connected)
    #expect(joining.step(.refused(.join, .requestTimedOut)) == [.join(isDelayed: true)])
  }

  @Test(
    "what will not pass ends the membership",
    arguments: [
      ErrorCode.fencedInstanceId, .groupMaxSizeReached, .inconsistentGroupProtocol, .invalidSessionTimeout,
      .groupAuthorizationFailed,
    ])
  func fatal(code: ErrorCode) {
    var membership = member([t0], isStatic: true)
    #expect(membership.step(.refused(.heartbeat, code)) == [.lose([t0]), .fail(code)])
    #expect(membership.phase == .failed(code))
    #expect(membership.step(.connected) == [] && membership.step(.leave) == [])
  }

  @Test("a member commits and leaves; a static one keeps its place")
  func leaving() {
    var membership = member([t0])
    #expect(membership.step(.leave) == [.revoke([t0]), .leave(memberID: "m")])
    #expect(membership.step(.refused(.commit, .unknownMemberId)) == [])
    var still = member([t0], isStatic: true)
    #expect(still.step(.leave) == [.revoke([t0])])
    var unknown = GroupMembership(isCooperative: false, isStatic: false)
    _ = unknown.step(.connected)
    #expect(unknown.step(.leave) == [], "no id, nobody to put out")
  }
}
