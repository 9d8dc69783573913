import Model
import NIOCore
import Testing
import Wire

@testable import Broker

@Suite("A fetch session")
struct FetchSessionTests {
  private func topic(_ name: String, _ partitions: [Int32], offset: Offset = 0) -> FetchRequest.Topic {
    var topic = FetchRequest.Topic()
    topic.topic = name
    topic.partitions = partitions.map { number in
      var partition = FetchRequest.Partition()
      partition.partition = number
      partition.fetchOffset = offset
      return partition
    }
    return topic
  }

  private func forgotten(_ name: String, _ partitions: [Int32]) -> FetchRequest.ForgottenTopic {
    var topic = FetchRequest.ForgottenTopic()
    (topic.topic, topic.partitions) = (name, partitions)
    return topic
  }

  /// A response to the session's partitions; each has the mark, and those of `full` have records.
  private func response(
    to session: FetchSession, mark: Offset = 5, start: Offset = 0, full: Set<Int32> = [], failed: Set<Int32> = []
  ) -> FetchResponse {
    var response = FetchResponse()
    response.responses = session.topics.map { asked in
      var topic = FetchResponse.Topic()
      topic.topic = asked.topic
      topic.partitions = asked.partitions.map { wanted in
        var partition = FetchResponse.Partition()
        partition.partitionIndex = wanted.partition
        partition.highWatermark = mark
        partition.logStartOffset = start
        if full.contains(wanted.partition) { partition.records = .spliced(byteCount: 10) }
        if failed.contains(wanted.partition) {
          (partition.errorCode, partition.highWatermark) = (.notLeaderOrFollower, .unknown)
        }
        return partition
      }
      return topic
    }
    return response
  }

  private func session(_ topics: [FetchRequest.Topic]) -> FetchSession {
    var session = FetchSession(id: 7, isPrivileged: false, usesTopicIDs: false, nowMs: 0)
    session.update(topics)
    return session
  }

  private func order(_ session: FetchSession) -> [String] {
    session.topics.flatMap { topic in topic.partitions.map { "\(topic.topic)\($0.partition)" } }
  }

  private func numbers(_ response: FetchResponse) -> [Int32] {
    response.responses.flatMap { $0.partitions.map(\.partitionIndex) }
  }

  @Test("takes in what is new, what is wanted otherwise, and what to forget")
  func update() {
    var session = session([topic("a", [0, 1]), topic("b", [0])])
    session.update([topic("a", [1, 2], offset: 9)], forgetting: [forgotten("a", [0]), forgotten("c", [5])])
    #expect(order(session) == ["a1", "b0", "a2"] && session.count == 3)
    #expect(session.topics[0].partitions[0].fetchOffset == 9)
  }

  @Test("reports a partition with records, another mark, another start or an error, and once more after an error")
  func news() {
    var session = session([topic("a", [0, 1, 2])])
    func answered(_ response: FetchResponse) -> [Int32] {
      var response = response
      session.answer(&response)
      #expect(response.sessionID == 7)
      return numbers(response)
    }
    #expect(answered(response(to: session)) == [0, 1, 2], "the marks are new")
    #expect(answered(response(to: session)) == [])
    #expect(answered(response(to: session, full: [1])) == [1])
    #expect(answered(response(to: session, mark: 6)).sorted() == [0, 1, 2])
    #expect(answered(response(to: session, mark: 6, start: 3)).sorted() == [0, 1, 2])
    #expect(answered(response(to: session, mark: 6, start: 3, failed: [2])) == [2])
    #expect(answered(response(to: session, mark: 6, start: 3, failed: [2])) == [2])
    #expect(answered(response(to: session, mark: 6, start: 3)) == [2])
    #expect(answered(response(to: session, mark: 6, start: 3)) == [])
  }

  @Test("its first response has every partition, and the marks count as told")
  func full() {
    var session = session([topic("a", [0, 1])])
    var first = response(to: session, mark: .unknown, start: .unknown)
    session.answer(&first, isFull: true)
    #expect(numbers(first) == [0, 1])
  }

  @Test("moves a partition whose records were sent to the end, so that each has its turn")
  func rotation() {
    var session = session([topic("a", [0, 1, 2, 3])])
    var served: [Int32] = []
    for _ in 0..<8 {
      // Room for one partition.
      let next = session.topics[0].partitions[0].partition
      var response = response(to: session, full: [next])
      session.answer(&response)
      served.append(next)
    }
    #expect(served == [0, 1, 2, 3, 0, 1, 2, 3])
    #expect(order(session) == ["a0", "a1", "a2", "a3"])
  }

  @Test("keeps its order and its memory over many moves")
  func moves() {
    var session = session([topic("a", Array(0..<100))])
    for round in 0..<1_000 {
      var response = response(to: session, full: [Int32(round * 37 % 100)])
      session.answer(&response)
    }
    #expect(session.count == 100 && Set(order(session)).count == 100)
    #expect(order(session).last == "a\(999 * 37 % 100)")
  }

  @Test("epochs rise, and begin at 1 again behind the largest")
  func epochs() {
    #expect(
      FetchSession.next(after: 1) == 2 && FetchSession.next(after: .max) == 1 && FetchSession.next(after: -1) == -1)
  }
}

@Suite("The cache of fetch sessions")
struct FetchSessionCacheTests {
  private func request(_ partitions: Int, session: Int32 = 0, epoch: Int32 = 0, replica: Int32 = -1) -> FetchRequest {
    var topic = FetchRequest.Topic()
    topic.topic = "t"
    topic.partitions = (0..<partitions).map { number in
      var partition = FetchRequest.Partition()
      partition.partition = Int32(number)
      return partition
    }
    var request = FetchRequest()
    request.topics = partitions == 0 ? [] : [topic]
    (request.sessionID, request.sessionEpoch, request.replicaID) = (session, epoch, replica)
    return request
  }

  /// Begins a session; 0 when none is granted.
  private func open(
    _ cache: inout FetchSessionCache, _ partitions: Int, id: Int32, nowMs: Int64 = 0, replica: Int32 = -1
  ) -> Int32 {
    var request = request(partitions, replica: replica)
    let context = cache.begin(&request, version: 12, nowMs: nowMs)
    #expect(context == .mayBegin)
    var response = FetchResponse()
    let isServed = cache.finish(context, request, version: 12, &response, nowMs: nowMs) { id }
    #expect(isServed)
    return response.sessionID
  }

  @Test("grants a session to a full request of epoch 0, and serves its epochs one after the other")
  func epochs() {
    var cache = FetchSessionCache(slots: 2)
    #expect(open(&cache, 3, id: 9) == 9)
    var next = request(0, session: 9, epoch: 1)
    let context = cache.begin(&next, version: 12, nowMs: 1)
    #expect(context == .of(session: 9, epoch: 2))
    #expect(next.topics[0].partitions.count == 3, "the session's partitions")
    var response = FetchResponse()
    let isServed = cache.finish(context, next, version: 12, &response, nowMs: 1) { 1 }
    #expect(isServed && response.sessionID == 9)
    var again = request(0, session: 9, epoch: 1)
    #expect(cache.begin(&again, version: 12, nowMs: 1) == .refused(.invalidFetchSessionEpoch))
    var other = request(0, session: 8, epoch: 1)
    #expect(cache.begin(&other, version: 12, nowMs: 1) == .refused(.fetchSessionIdNotFound))
    var byID = request(0, session: 9, epoch: 2)
    #expect(cache.begin(&byID, version: 13, nowMs: 1) == .refused(.fetchSessionTopicIdError))
  }

  @Test("ends a session that a full request names, and one that has forgotten all its partitions")
  func ends() {
    var cache = FetchSessionCache(slots: 2)
    #expect(open(&cache, 3, id: 9) == 9)
    var last = request(1, session: 9, epoch: -1)
    #expect(cache.begin(&last, version: 12, nowMs: 0) == .sessionless && cache.count == 0)
    #expect(open(&cache, 1, id: 9) == 9)
    var empty = request(0, session: 9, epoch: 1)
    var topic = FetchRequest.ForgottenTopic()
    (topic.topic, topic.partitions) = ("t", [0])
    empty.forgottenTopicsData = [topic]
    #expect(cache.begin(&empty, version: 12, nowMs: 0) == .sessionless && cache.count == 0)
    #expect(open(&cache, 1, id: 9) == 9)
    var renewed = request(1, session: 9, epoch: 0)
    #expect(cache.begin(&renewed, version: 12, nowMs: 0) == .mayBegin && cache.count == 0)
  }

  @Test("answers with an error when the session has gone on or is gone when the response is there")
  func overtaken() {
    var cache = FetchSessionCache(slots: 2)
    #expect(open(&cache, 1, id: 9) == 9)
    var first = request(0, session: 9, epoch: 1), second = request(0, session: 9, epoch: 2)
    let slow = cache.begin(&first, version: 12, nowMs: 0)
    _ = cache.begin(&second, version: 12, nowMs: 0)
    var response = FetchResponse()
    var isServed = cache.finish(slow, first, version: 12, &response, nowMs: 0) { 1 }
    #expect(!isServed && response.errorCode == .invalidFetchSessionEpoch && response.responses.isEmpty)
    var last = request(0, session: 9, epoch: -1)
    _ = cache.begin(&last, version: 12, nowMs: 0)
    isServed = cache.finish(slow, first, version: 12, &response, nowMs: 0) { 1 }
    #expect(!isServed && response.errorCode == .fetchSessionIdNotFound)
  }

  @Test("grants no more than it has slots: a young session keeps its place, an unused one does not")
  func stale() {
    var cache = FetchSessionCache(slots: 1)
    #expect(open(&cache, 1, id: 1) == 1)
    #expect(open(&cache, 50, id: 2, nowMs: 120_000) == 0)
    #expect(open(&cache, 1, id: 3, nowMs: 120_001) == 3)
    #expect(cache.count == 1)
  }

  @Test("lets a larger session take the place of a smaller one that exists for two minutes")
  func larger() {
    var cache = FetchSessionCache(slots: 2)
    #expect(open(&cache, 5, id: 1) == 1 && open(&cache, 3, id: 2) == 2)
    for (id, epoch) in [(Int32(1), Int32(1)), (2, 1)] {
      var used = request(0, session: id, epoch: epoch)
      _ = cache.begin(&used, version: 12, nowMs: 100_000)
    }
    #expect(open(&cache, 2, id: 3, nowMs: 130_000) == 0, "both are worth more")
    #expect(open(&cache, 3, id: 4, nowMs: 130_000) == 4, "worth as much as the smaller one")
    var kept = request(0, session: 1, epoch: 2)
    #expect(cache.begin(&kept, version: 12, nowMs: 130_000) == .of(session: 1, epoch: 3))
  }

  @Test("lets a follower's session take a consumer's place at once, and no consumer's a young follower's")
  func privileged() {
    var cache = FetchSessionCache(slots: 1)
    #expect(open(&cache, 90, id: 1) == 1)
    #expect(open(&cache, 1, id: 2, replica: 4) == 2)
    #expect(open(&cache, 90, id: 3) == 0)
    #expect(open(&cache, 90, id: 4, replica: 5) == 0)
  }

  @Test("holds no more partitions than it may, and forgets those of sessions that end")
  func partitions() {
    var cache = FetchSessionCache(slots: 100, partitionsMax: 10)
    #expect(open(&cache, 6, id: 1) == 1)
    #expect(open(&cache, 5, id: 2) == 0)
    #expect(open(&cache, 4, id: 3) == 3)
    var last = request(0, session: 1, epoch: -1)
    _ = cache.begin(&last, version: 12, nowMs: 0)
    #expect(open(&cache, 6, id: 4) == 4)
  }

  @Test("is off without slots, and for versions that know of no session")
  func off() {
    var cache = FetchSessionCache(slots: 0)
    #expect(open(&cache, 1, id: 1) == 0)
    var old = request(1)
    #expect(cache.begin(&old, version: 6, nowMs: 0) == .sessionless)
    var without = request(1, epoch: -1)
    #expect(cache.begin(&without, version: 12, nowMs: 0) == .sessionless)
  }
}
