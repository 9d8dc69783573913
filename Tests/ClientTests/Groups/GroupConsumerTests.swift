import ClientSupport
import Model
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Wire

@testable import Client

/// A coordinator of one group with one member, that answers as it is told to, and a partition's log beside it.
private final class FakeGroup: Sendable {
  struct State {
    /// What SyncGroup assigns, one generation after the other; the last one stays.
    var assignments: [[Int32]]
    var generation: Int32 = 0
    var committed: [Int32: Int64]
    /// What happened, in order.
    var events: [String] = []
    /// Answers to come of heartbeats; then they are well.
    var heartbeats: [ErrorCode] = []
  }

  private let state: Mutex<State>
  let endpoint = Mutex<Endpoint?>(nil)

  init(assignments: [[Int32]], committed: [Int32: Int64] = [:], heartbeats: [ErrorCode] = []) {
    state = Mutex(State(assignments: assignments, committed: committed, heartbeats: heartbeats))
  }

  var events: [String] { state.withLock { $0.events } }
  var committed: [Int32: Int64] { state.withLock { $0.committed } }

  /// The next heartbeat is told that the group rebalances.
  func rebalance() { state.withLock { $0.heartbeats.append(.rebalanceInProgress) } }

  func serve(_ header: RequestHeader, _ body: ByteBuffer) throws -> FakeBroker.Reply {
    var body = body
    switch header.apiKey {
    case FindCoordinatorRequest.api.key: return FakeBroker.reply(coordinator, to: header)
    case JoinGroupRequest.api.key:
      return FakeBroker.reply(join(try JoinGroupRequest(reading: &body, version: header.apiVersion)), to: header)
    case SyncGroupRequest.api.key:
      return FakeBroker.reply(sync(try SyncGroupRequest(reading: &body, version: header.apiVersion)), to: header)
    case ConsumerGroupHeartbeatRequest.api.key:
      return FakeBroker.reply(
        beat(try ConsumerGroupHeartbeatRequest(reading: &body, version: header.apiVersion)), to: header)
    case HeartbeatRequest.api.key: return FakeBroker.reply(heartbeat(), to: header)
    case OffsetFetchRequest.api.key:
      return FakeBroker.reply(offsets(try OffsetFetchRequest(reading: &body, version: header.apiVersion)), to: header)
    case OffsetCommitRequest.api.key:
      return FakeBroker.reply(commit(try OffsetCommitRequest(reading: &body, version: header.apiVersion)), to: header)
    case LeaveGroupRequest.api.key:
      state.withLock { $0.events.append("leave") }
      return FakeBroker.reply(LeaveGroupResponse(), to: header)
    case FetchRequest.api.key:
      return fetch(try FetchRequest(reading: &body, version: header.apiVersion), header)
    default: return FakeBroker.versions(header)
    }
  }

  private var coordinator: FindCoordinatorResponse {
    var response = FindCoordinatorResponse()
    response.coordinators = [
      .with {
        $0.nodeID = 1
        $0.host = "127.0.0.1"
        $0.port = Int32(endpoint.withLock { $0?.port ?? 0 })
      }
    ]
    return response
  }

  private func join(_ request: JoinGroupRequest) -> JoinGroupResponse {
    state.withLock { state in
      var response = JoinGroupResponse()
      if request.memberID.isEmpty, request.groupInstanceID == nil {
        state.events.append("join")
        response.errorCode = .memberIdRequired
        response.memberID = "m"
        return response
      }
      state.generation += 1
      state.events.append("join \(request.memberID)")
      response.generationID = state.generation
      response.memberID = "m"
      response.leader = "m"
      response.protocolType = "consumer"
      response.protocolName = request.protocols.first?.name
      response.members = [
        .with {
          $0.memberID = "m"
          $0.metadata = request.protocols.first?.metadata ?? ByteBuffer()
        }
      ]
      return response
    }
  }

  private func sync(_ request: SyncGroupRequest) -> SyncGroupResponse {
    state.withLock { state in
      // What the leader assigned itself: everything.
      let own = request.assignments.first { $0.memberID == "m" }?.assignment
      let proposed = own.flatMap { ConsumerGroup.partitions(in: $0) }?.map(\.partition).sorted() ?? []
      state.events.append("sync \(request.generationID) \(proposed)")
      let given = state.assignments.count > 1 ? state.assignments.removeFirst() : state.assignments[0]
      var assignment = ConsumerProtocolAssignment()
      assignment.assignedPartitions = [
        .with {
          $0.topic = "t"
          $0.partitions = given
        }
      ]
      var response = SyncGroupResponse()
      response.assignment = assignment.prefixed(version: 0)
      return response
    }
  }

  /// The first heartbeat gets the first assignment; each that says what the member has, the next one, if there is one.
  private func beat(_ request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
    state.withLock { state in
      var response = ConsumerGroupHeartbeatResponse()
      let owned = request.topicPartitions.map { "\($0.flatMap(\.partitions))" } ?? "nothing new"
      if request.memberEpoch <= 0 || request.topicPartitions != nil {
        state.events.append("heartbeat of \(request.memberID) in \(request.memberEpoch) has \(owned)")
      }
      if !state.heartbeats.isEmpty { response.errorCode = state.heartbeats.removeFirst() }
      guard response.errorCode == .none else { return response }
      if request.topicPartitions != nil { state.generation += 1 }
      response.memberEpoch = state.generation
      response.heartbeatIntervalMs = 5
      guard request.topicPartitions != nil, !state.assignments.isEmpty else { return response }
      let given = state.assignments.removeFirst()
      response.assignment = .with { assignment in
        assignment.topicPartitions = [.with { $0.partitions = given }]
      }
      return response
    }
  }

  private func heartbeat() -> HeartbeatResponse {
    state.withLock { state in
      var response = HeartbeatResponse()
      if !state.heartbeats.isEmpty { response.errorCode = state.heartbeats.removeFirst() }
      return response
    }
  }

  private func offsets(_ request: OffsetFetchRequest) -> OffsetFetchResponse {
    state.withLock { state in
      var response = OffsetFetchResponse()
      response.groups = request.groups.map { group in
        .with {
          $0.groupID = group.groupID
          $0.topics = (group.topics ?? []).map { topic in
            .with {
              $0.name = topic.name
              $0.partitions = topic.partitionIndexes.map { index in
                .with {
                  $0.partitionIndex = index
                  $0.committedOffset = Offset(state.committed[index] ?? -1)
                }
              }
            }
          }
        }
      }
      return response
    }
  }

  private func commit(_ request: OffsetCommitRequest) -> OffsetCommitResponse {
    state.withLock { state in
      for partition in request.topics.flatMap(\.partitions) {
        state.committed[partition.partitionIndex] = partition.committedOffset.rawValue
        state.events.append(
          "commit \(partition.partitionIndex) at \(partition.committedOffset) in \(request.generationIDOrMemberEpoch)")
      }
      var response = OffsetCommitResponse()
      response.topics = request.topics.map { topic in
        .with {
          $0.name = topic.name
          $0.partitions = topic.partitions.map { partition in .with { $0.partitionIndex = partition.partitionIndex } }
        }
      }
      return response
    }
  }

  /// Each partition holds ten records.
  private func fetch(_ request: FetchRequest, _ header: RequestHeader) -> FakeBroker.Reply {
    let wanted = request.topics.flatMap(\.partitions).filter { $0.fetchOffset < 10 }
    var response = FetchResponse()
    response.responses = [
      .with {
        $0.topic = "t"
        $0.partitions = wanted.map { partition in
          .with {
            $0.partitionIndex = partition.partition
            $0.highWatermark = 10
            $0.records = .bytes(Self.batch)
          }
        }
      }
    ]
    return FakeBroker.reply(response, to: header)
  }

  private static let batch: ByteBuffer = {
    var builder = RecordBatchBuilder(capacity: 1024)
    for record in 0..<10 {
      Array("\(record)".utf8).withUnsafeBytes { builder.append(timestamp: 0, key: nil, value: $0) }
    }
    guard let batch = try? builder.finish() else { preconditionFailure("a batch without codec") }
    return batch
  }()
}

@Suite("GroupConsumer")
struct GroupConsumerTests {
  private struct Member {
    let group: NIOLoopBound<GroupConsumer>
    /// `assigned`, `revoked` and `read` in order.
    let events: Collected<String>
  }

  private func member(
    of fake: FakeGroup, on group: any EventLoopGroup,
    _ change: @escaping @Sendable (inout GroupSettings) -> Void = { _ in },
    watch: (@Sendable (Collected<String>) -> OffsetWatch)? = nil
  ) async throws -> Member {
    let broker = try await FakeBroker.start(on: group) { try fake.serve($0, $1) }
    fake.endpoint.withLock { $0 = broker.endpoint }
    let leader = Metadata.Broker(id: 1, endpoint: broker.endpoint)
    let metadata = Metadata(
      topic: "t", topicID: .zero, partitions: (0..<3).map { .init(index: $0, leader: leader, leaderEpoch: 0) })
    let eventLoop = group.next()
    let events = Collected<String>()
    let bound = try await eventLoop.submit {
      let connect = { (broker: Metadata.Broker, then: @escaping (Result<BrokerConnection, ClientError>) -> Void) in
        BrokerConnection.connect(to: broker.endpoint, on: eventLoop, TestClock.options(), then: then)
      }
      let consumer = Consumer(
        ConsumerSettings(topic: "t"), metadata, from: [:], on: eventLoop, now: TestClock.nowNs, connect: connect)
      consumer.received = { partition, batch, _ in
        events.add("read \(partition) to \(batch.header.lastOffset)")
      }
      var settings = GroupSettings(groupID: "g")
      settings.heartbeatIntervalMs = 5
      settings.commitIntervalMs = 0
      change(&settings)
      let member = GroupConsumer(
        settings, consumer, metadata, fallback: [0: 0, 1: 0, 2: 0], on: eventLoop, now: TestClock.nowNs,
        connect: connect)
      member.assigned = { offsets in
        events.add(
          "assigned " + offsets.sorted { $0.key < $1.key }.map { "\($0.key)@\($0.value)" }.joined(separator: " "))
      }
      member.revoked = { events.add("revoked \($0.keys.sorted())") }
      member.failed = { events.add("failed \($0)") }
      if let watch { member.watch = watch(events) }
      member.start()
      return NIOLoopBound(member, eventLoop: eventLoop)
    }.get()
    return Member(group: bound, events: events)
  }

  private func close(_ member: Member) async {
    await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
      member.group.eventLoop.execute { member.group.value.close { done.resume() } }
    }
  }

  @Test(
    "a member joins with the id it is given, assigns as the leader, reads from what is committed, commits and leaves")
  func whole() async throws {
    try await withGroup { group in
      let fake = FakeGroup(assignments: [[0, 1]], committed: [1: 4])
      let member = try await member(of: fake, on: group)
      let events = await member.events.first(3)
      #expect(events[0] == "assigned 0@0 1@4")
      #expect(Set(events[1...2]) == ["read 0 to 9", "read 1 to 9"])
      await close(member)
      #expect(
        fake.events == ["join", "join m", "sync 1 [0, 1, 2]", "commit 0 at 10 in 1", "commit 1 at 10 in 1", "leave"])
      #expect(fake.committed == [0: 10, 1: 10])
      let counts = try await member.group.eventLoop.submit { member.group.value.counts }.get()
      #expect(counts.commits == 1 && counts.rebalances == 1 && counts.pausesNs.isEmpty && counts.losses == 0)
    }
  }

  @Test("a member tells what it asks and learns of committed offsets")
  func watched() async throws {
    try await withGroup { group in
      let fake = FakeGroup(assignments: [[0, 1]], committed: [1: 4])
      let member = try await member(
        of: fake, on: group,
        watch: { events in
          var watch = OffsetWatch()
          watch.looking = { events.add("looking \($0)") }
          watch.found = { offsets in events.add("found \(offsets.map { "\($0.key)@\($0.value)" })") }
          watch.committing = { number, offsets in events.add("commit \(number) of \(offsets.keys.sorted())") }
          watch.committed = { number, refusal in events.add("committed \(number), \(refusal?.description ?? "taken")") }
          return watch
        })
      _ = await member.events.first(5)
      await close(member)
      let events = member.events.all
      #expect(events[..<3].elementsEqual(["looking [0, 1]", #"found ["1@4"]"#, "assigned 0@0 1@4"]))
      #expect(events[5...].elementsEqual(["commit 0 of [0, 1]", "revoked [0, 1]", "committed 0, taken"]))
    }
  }

  @Test("a member that is abandoned neither commits nor leaves")
  func abandoned() async throws {
    try await withGroup { group in
      let fake = FakeGroup(assignments: [[0]])
      let member = try await member(of: fake, on: group)
      _ = await member.events.first(2)
      try await member.group.eventLoop.submit { member.group.value.abandon() }.get()
      // A second member's answers come after whatever the first had sent.
      await close(try await self.member(of: fake, on: group))
      #expect(fake.events.prefix(3).elementsEqual(["join", "join m", "sync 1 [0, 1, 2]"]))
      #expect(!fake.events.contains { $0.hasPrefix("commit") && $0.hasSuffix("in 1") })
    }
  }

  @Test("a rebalance has an eager member commit and give up everything first, and read on where it was")
  func eager() async throws {
    try await withGroup { group in
      let fake = FakeGroup(assignments: [[0], [0, 2]])
      let member = try await member(of: fake, on: group)
      _ = await member.events.first(2)
      fake.rebalance()
      let events = await member.events.first(5)
      #expect(events == ["assigned 0@0", "read 0 to 9", "revoked [0]", "assigned 0@10 2@0", "read 2 to 9"])
      await close(member)
      let counts = try await member.group.eventLoop.submit { member.group.value.counts }.get()
      #expect(counts.rebalances == 2 && counts.pausesNs.count == 1)
      #expect(fake.events.contains("commit 0 at 10 in 1"))
    }
  }

  @Test("a cooperative member keeps what it has, gives up what it loses, and joins once more")
  func cooperative() async throws {
    try await withGroup { group in
      let fake = FakeGroup(assignments: [[0, 1], [0], [0, 2]])
      let member = try await member(of: fake, on: group) { $0.assignor = .cooperativeSticky }
      _ = await member.events.first(3)
      fake.rebalance()
      let events = await member.events.first(6)
      #expect(events[3...].elementsEqual(["revoked [1]", "assigned 2@0", "read 2 to 9"]))
      await close(member)
      let counts = try await member.group.eventLoop.submit { member.group.value.counts }.get()
      #expect(counts.pausesNs.isEmpty, "it read on")
      #expect(fake.events.contains("commit 1 at 10 in 2"))
    }
  }

  @Test("a member that was put out loses its partitions, commits nothing, and joins as a new one")
  func putOut() async throws {
    try await withGroup { group in
      let fake = FakeGroup(assignments: [[0]], heartbeats: [.unknownMemberId])
      let member = try await member(of: fake, on: group)
      // The first heartbeat may come before the first records: the second assignment begins at 0 again.
      while !fake.events.dropFirst(3).contains("join") { _ = await member.events.first(member.events.all.count + 1) }
      await close(member)
      let counts = try await member.group.eventLoop.submit { member.group.value.counts }.get()
      #expect(counts.losses == 1)
      #expect(!fake.events.contains { $0.hasPrefix("commit") && $0.hasSuffix("in 1") })
    }
  }

  @Test(
    "a member of the new protocol reads what its heartbeats' answers say, commits what it gives up in its epoch, and leaves"
  )
  func consumerProtocol() async throws {
    try await withGroup { group in
      let fake = FakeGroup(assignments: [[0, 1], [0], [0, 2]])
      let member = try await member(of: fake, on: group) { $0.membership = .consumer(memberID: "m") }
      // The answers may come before the first records: what was begun of partition 1 is given up wherever it is.
      while !member.events.all.contains("read 2 to 9") || !member.events.all.contains("read 0 to 9") {
        _ = await member.events.first(member.events.all.count + 1)
      }
      await close(member)
      let told = member.events.all.filter { !$0.hasPrefix("read") }
      #expect(told == ["assigned 0@0 1@0", "revoked [1]", "assigned 2@0", "revoked [0, 2]"])
      let beats = fake.events.filter { $0.hasPrefix("heartbeat") }
      #expect(
        beats == [
          "heartbeat of m in 0 has []", "heartbeat of m in 1 has [0, 1]", "heartbeat of m in 2 has [0]",
          "heartbeat of m in 3 has [0, 2]", "heartbeat of m in -1 has nothing new",
        ])
      let commits = fake.events.filter { $0.hasPrefix("commit") }
      #expect(commits.count == 3 && commits[0].hasPrefix("commit 1 at ") && commits[0].hasSuffix(" in 2"), "\(commits)")
      #expect(commits[1...] == ["commit 0 at 10 in 4", "commit 2 at 10 in 4"])
    }
  }

  @Test("a member of the new protocol that is fenced loses its partitions and joins again")
  func fencedMember() async throws {
    try await withGroup { group in
      let fake = FakeGroup(assignments: [[0], [1]], heartbeats: [.none, .fencedMemberEpoch])
      let member = try await member(of: fake, on: group) { $0.membership = .consumer(memberID: "m") }
      while !member.events.all.contains("assigned 1@0") {
        _ = await member.events.first(member.events.all.count + 1)
      }
      await close(member)
      let counts = try await member.group.eventLoop.submit { member.group.value.counts }.get()
      #expect(counts.losses == 1)
      #expect(
        fake.events.filter { $0.hasPrefix("heartbeat") }.prefix(3) == [
          "heartbeat of m in 0 has []", "heartbeat of m in 1 has [0]", "heartbeat of m in 0 has []",
        ])
    }
  }

  @Test("a static member joins by its instance id, and does not leave")
  func staticMember() async throws {
    try await withGroup { group in
      let fake = FakeGroup(assignments: [[0]])
      let member = try await member(of: fake, on: group) { $0.instanceID = "i" }
      _ = await member.events.first(2)
      await close(member)
      #expect(fake.events == ["join ", "sync 1 [0, 1, 2]", "commit 0 at 10 in 1"])
    }
  }

  @Test("an error that will not pass ends the membership, with its code")
  func fatal() async throws {
    try await withGroup { group in
      let fake = FakeGroup(assignments: [[0]], heartbeats: [.fencedInstanceId])
      let member = try await member(of: fake, on: group)
      while !member.events.all.contains(where: { $0.hasPrefix("failed") }) {
        _ = await member.events.first(member.events.all.count + 1)
      }
      #expect(member.events.all.last?.contains("FENCED_INSTANCE_ID") == true)
      await close(member)
    }
  }
}
