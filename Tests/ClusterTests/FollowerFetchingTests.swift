import Cluster
import Model
import TestSupport
import Testing

private let topic = TopicID(high: 0, low: 1)

private func at(_ offset: Offset, epoch: LeaderEpoch = 1) -> FollowerFetching.Position {
  FollowerFetching.Position(leaderEpoch: epoch, offset: offset, lastEpoch: offset > 0 ? 0 : -1, logStart: 0)
}

private func wanted(
  _ partition: Int32, at offset: Offset, epoch: LeaderEpoch = 1, id: TopicID = topic
) -> FollowerFetching.Wanted {
  FollowerFetching.Wanted(TopicPartition("t", partition), topicID: id, at: at(offset, epoch: epoch))
}

private func name(_ partition: Int32) -> TopicPartition { TopicPartition("t", partition) }

/// A follower whose clock stands at `now`.
private struct Follower {
  var fetching = FollowerFetching(backoffMs: 10, backoffMsMax: 100)
  var now: Int64 = 0

  mutating func step(_ event: FollowerFetching.Event) -> [FollowerFetching.Effect] {
    fetching.step(event, nowMs: now)
  }

  /// The fetch that follows from an event; nil when none does.
  mutating func fetch(after event: FollowerFetching.Event) -> FollowerFetching.Fetch? {
    for case .fetch(let fetch) in step(event) { return fetch }
    return nil
  }

  /// Answers with one outcome in leader epoch 1.
  mutating func answer(
    _ partition: Int32, _ outcome: FollowerFetching.Outcome, session: Int32 = 7
  ) -> [FollowerFetching.Effect] {
    step(.answered(sessionID: session, [.init(name(partition), in: 1, outcome)]))
  }
}

@Suite("What a follower fetches")
struct FollowerFetchingTests {
  @Test("the first fetch names what is followed and asks for a session; the next names what has changed")
  func session() {
    var follower = Follower()
    #expect(
      follower.step(.follow(wanted(0, at: 5)))
        == [.fetch(.init(sessionID: 0, sessionEpoch: 0, partitions: [wanted(0, at: 5)], forgotten: []))])
    #expect(follower.step(.follow(wanted(1, at: 9))) == [], "one fetch is in flight at a time")
    #expect(
      follower.answer(0, .goesOn(at(8)))
        == [
          .fetch(
            .init(sessionID: 7, sessionEpoch: 1, partitions: [wanted(0, at: 8), wanted(1, at: 9)], forgotten: []))
        ])
    #expect(
      follower.step(.answered(sessionID: 7, []))
        == [.fetch(.init(sessionID: 7, sessionEpoch: 2, partitions: [], forgotten: []))], "nothing is new")
    #expect(follower.step(.stopFollowing(name(1))) == [])
    #expect(
      follower.answer(0, .goesOn(at(8)))
        == [.fetch(.init(sessionID: 7, sessionEpoch: 3, partitions: [], forgotten: [wanted(1, at: 9)]))])
  }

  @Test("a leader that grants no session is asked for everything each time, and for another partition first")
  func sessionless() {
    var follower = Follower()
    _ = follower.step(.follow(wanted(0, at: 0)))
    _ = follower.step(.follow(wanted(1, at: 0)))
    let next = follower.fetch(after: .answered(sessionID: 0, [.init(name(0), in: 1, .goesOn(at(4)))]))
    #expect(next?.sessionEpoch == 0 && next?.sessionID == 0)
    #expect(next?.partitions == [wanted(1, at: 0), wanted(0, at: 4)])
    let third = follower.fetch(after: .answered(sessionID: 0, []))
    #expect(third?.partitions == [wanted(0, at: 4), wanted(1, at: 0)])
  }

  @Test(
    "a session that the leader has lost is replaced at once; one of another epoch is ended",
    arguments: [(ErrorCode.fetchSessionIdNotFound, Int32(0)), (.invalidFetchSessionEpoch, 7)])
  func lostSession(code: ErrorCode, id: Int32) {
    var follower = Follower()
    _ = follower.step(.follow(wanted(0, at: 0)))
    _ = follower.answer(0, .goesOn(at(4)))
    let again = follower.fetch(after: .refused(code))
    #expect(again == .init(sessionID: id, sessionEpoch: 0, partitions: [wanted(0, at: 4)], forgotten: []))
    #expect(follower.step(.refused(code)) == [.wake(atMs: 20)], "and then it has time")
  }

  @Test("a partition that fails is left out, longer each time, while the others go on")
  func backoff() {
    var follower = Follower()
    _ = follower.step(.follow(wanted(0, at: 0)))
    _ = follower.step(.follow(wanted(1, at: 0)))
    _ = follower.step(.answered(sessionID: 7, []))
    var waits: [Int64] = []
    for _ in 0..<6 {
      let left = follower.fetch(after: .answered(sessionID: 7, [.init(name(1), in: 1, .failed(at(0)))]))
      #expect(left?.forgotten == [wanted(1, at: 0)] && left?.partitions == [])
      let start = follower.now
      while true {
        follower.now += 1
        if follower.fetch(after: .answered(sessionID: 7, []))?.partitions == [wanted(1, at: 0)] { break }
      }
      waits.append(follower.now - start)
    }
    #expect(waits == [10, 20, 40, 80, 100, 100])
    _ = follower.answer(1, .goesOn(at(3)))
    _ = follower.answer(1, .failed(at(3)))
    follower.now += 10
    let next = follower.fetch(after: .answered(sessionID: 7, []))
    #expect(next?.partitions == [wanted(1, at: 3)], "after a success the wait is short again")
  }

  @Test("where every partition waits, the next fetch is sent when the first may be fetched")
  func wake() {
    var follower = Follower()
    _ = follower.step(.follow(wanted(0, at: 0)))
    #expect(follower.answer(0, .failed(at(0))) == [.wake(atMs: 10)])
    follower.now = 9
    #expect(follower.step(.due) == [.wake(atMs: 10)])
    follower.now = 10
    #expect(follower.fetch(after: .due) == .init(sessionID: 7, sessionEpoch: 1), "the session has it, as it was")
  }

  @Test("a leader that does not answer is asked again after a while, for everything and in another session")
  func silence() {
    var follower = Follower()
    _ = follower.step(.follow(wanted(0, at: 0)))
    _ = follower.answer(0, .goesOn(at(4)))
    #expect(follower.step(.failed) == [.wake(atMs: 10)])
    #expect(follower.step(.follow(wanted(1, at: 2))) == [.wake(atMs: 10)])
    follower.now = 10
    let again = follower.fetch(after: .due)
    #expect(
      again
        == .init(
          sessionID: 7, sessionEpoch: 0, partitions: [wanted(1, at: 2), wanted(0, at: 4)], forgotten: []))
    #expect(follower.step(.failed) == [.wake(atMs: 30)])
    follower.now = 30
    _ = follower.step(.due)
    _ = follower.answer(0, .goesOn(at(4)))
    #expect(follower.step(.failed) == [.wake(atMs: 40)])
  }

  @Test("an offset that the leader does not have is asked about once, and fetched again when that has an outcome")
  func outOfRange() {
    var follower = Follower()
    _ = follower.step(.follow(wanted(0, at: 50)))
    #expect(follower.answer(0, .outOfRange) == [.askEnds(wanted(0, at: 50))])
    #expect(follower.step(.due) == [])
    let next = follower.fetch(after: .recovered(.init(name(0), in: 1, .goesOn(at(30)))))
    #expect(next?.partitions == [wanted(0, at: 30)])
    #expect(follower.step(.recovered(.init(name(0), in: 1, .goesOn(at(20))))) == [], "nobody asked")
  }

  @Test("a fenced partition is fetched again in its next leader epoch, and in no earlier one")
  func fenced() {
    var follower = Follower()
    _ = follower.step(.follow(wanted(0, at: 5)))
    #expect(follower.answer(0, .stopped) == [])
    #expect(follower.step(.follow(wanted(0, at: 5))) == [])
    #expect(follower.step(.follow(wanted(0, at: 5, epoch: 0))) == [])
    #expect(follower.fetch(after: .follow(wanted(0, at: 5, epoch: 2)))?.partitions == [wanted(0, at: 5, epoch: 2)])
    #expect(
      follower.fetch(after: .answered(sessionID: 7, [.init(name(0), in: 1, .goesOn(at(9)))]))?.partitions == [],
      "an answer to the epoch before changes nothing")
    #expect(follower.fetching.asked(name(0))?.position == at(5, epoch: 2))
  }

  @Test("a topic that was made anew is another partition to the session")
  func recreated() {
    let other = TopicID(high: 0, low: 2)
    var follower = Follower()
    _ = follower.step(.follow(wanted(0, at: 5)))
    _ = follower.step(.answered(sessionID: 7, []))
    _ = follower.step(.follow(wanted(0, at: 0, epoch: 0, id: other)))
    let next = follower.fetch(after: .answered(sessionID: 7, []))
    #expect(next?.partitions == [wanted(0, at: 0, epoch: 0, id: other)])
    #expect(next?.forgotten == [wanted(0, at: 5)])
  }

  @Test("ten thousand idle partitions cost a fetch nothing")
  func idle() {
    var follower = Follower()
    for partition in 0..<10_000 { _ = follower.step(.follow(wanted(Int32(partition), at: 0))) }
    let rest = follower.fetch(after: .answered(sessionID: 7, []))
    #expect(rest?.partitions.count == 9_999)
    for epoch in 2..<100 as Range<Int32> {
      #expect(
        follower.fetch(after: .answered(sessionID: 7, []))
          == .init(sessionID: 7, sessionEpoch: epoch, partitions: [], forgotten: []))
    }
  }

  // MARK: Against a leader that keeps the session

  /// Random events; the leader's book of the session must always be what is followed and may be fetched.
  @Test("the leader's session has what is followed, whatever happens", arguments: Seed.some(60))
  func book(seed: Seed) {
    var random = seed
    var follower = Follower()
    var inFlight: FollowerFetching.Fetch?
    var book: [TopicPartition: FollowerFetching.Wanted] = [:]
    var session: (id: Int32, epoch: Int32) = (0, 0)
    var followed: [TopicPartition: LeaderEpoch] = [:]
    var trace: [String] = []
    func take(_ effects: [FollowerFetching.Effect]) {
      for case .fetch(let fetch) in effects {
        #expect(inFlight == nil, "\(seed): two fetches in flight\n\(trace.suffix(20).joined(separator: "\n"))")
        inFlight = fetch
        trace.append("\(fetch)")
      }
    }
    for _ in 0..<300 {
      follower.now += Int64.random(in: 0...8, using: &random)
      let partition = Int32.random(in: 0..<6, using: &random)
      switch Int.random(in: 0..<10, using: &random) {
      case 0...1:
        let epoch = (followed[name(partition)] ?? 0) + 1
        followed[name(partition)] = epoch
        trace.append("follow \(partition) in \(epoch)")
        take(follower.step(.follow(wanted(partition, at: 3, epoch: epoch))))
      case 2:
        followed[name(partition)] = nil
        trace.append("stop \(partition)")
        take(follower.step(.stopFollowing(name(partition))))
      case 3: take(follower.step(.due))
      case 4 where inFlight != nil:
        inFlight = nil
        trace.append("no answer")
        take(follower.step(.failed))
      default:
        guard let fetch = inFlight else { continue }
        inFlight = nil
        if fetch.sessionEpoch == 0 {
          session = Bool.random(using: &random) ? (session.id + 1, 1) : (0, 0)
          book = Dictionary(uniqueKeysWithValues: fetch.partitions.map { ($0.name, $0) })
        } else {
          #expect((fetch.sessionID, fetch.sessionEpoch) == session, "\(seed): \(trace.suffix(20))")
          session.epoch += 1
          for gone in fetch.forgotten where !fetch.partitions.contains(where: { $0.name == gone.name }) {
            book[gone.name] = nil
          }
          for wanted in fetch.partitions { book[wanted.name] = wanted }
        }
        var answers: [FollowerFetching.Answer] = []
        for one in book.values.sorted(by: { $0.name < $1.name }) {
          #expect(follower.fetching.asked(one.name) == one, "\(seed): \(trace.suffix(20))")
          switch Int.random(in: 0..<6, using: &random) {
          case 0:
            var position = one.position
            position.offset = position.offset + 1
            answers.append(.init(one.name, in: position.leaderEpoch, .goesOn(position)))
          case 1: answers.append(.init(one.name, in: one.position.leaderEpoch, .failed(one.position)))
          default: break
          }
        }
        trace.append("answer \(answers)")
        take(follower.step(.answered(sessionID: session.id, answers)))
      }
    }
    // When nothing fails any more, everything that is followed is asked for.
    for _ in 0..<4 {
      follower.now += 200
      if inFlight == nil { take(follower.step(.due)) }
      guard let fetch = inFlight else { continue }
      inFlight = nil
      if fetch.sessionEpoch == 0 { book = [:] }
      for gone in fetch.forgotten where !fetch.partitions.contains(where: { $0.name == gone.name }) {
        book[gone.name] = nil
      }
      for wanted in fetch.partitions { book[wanted.name] = wanted }
      take(follower.step(.answered(sessionID: fetch.sessionEpoch == 0 ? 999 : fetch.sessionID, [])))
    }
    #expect(
      book.mapValues(\.position.leaderEpoch) == followed, "\(seed)\n\(trace.suffix(30).joined(separator: "\n"))")
  }

  // MARK: Truncation

  @Test(
    "a log that has diverged is truncated to the common part, or nearer to it, and never to the high watermark",
    arguments: [
      // The leader's epoch and its end there, the follower's, the follower's log end; where it truncates.
      // KIP-101, second case: both have epoch 1, the follower one record more.
      (1, 1, (1, 2), 2, 1),
      // The follower has more records of the leader's epoch than the leader: the leader's end.
      (1, 10, (1, 15), 20, 10),
      // The leader has more of that epoch: the follower's end of it.
      (1, 18, (1, 15), 20, 15),
      // The follower has nothing of the leader's epoch 2: back to the end of its own epoch 1, and it asks again (KIP-279).
      (2, 30, (1, 15), 20, 15),
      // The follower's log begins in a later epoch than the leader means.
      (1, 7, (1, 12), 20, 7),
    ] as [(LeaderEpoch, Offset, (LeaderEpoch, Offset), Offset, Offset)])
  func truncation(epoch: LeaderEpoch, end: Offset, own: (LeaderEpoch, Offset), logEnd: Offset, point: Offset) {
    #expect(
      FollowerFetching.truncationPoint(
        diverging: (epoch, end), own: (epoch: own.0, endOffset: own.1), logEnd: logEnd) == point)
  }

  @Test("a follower that knows no epochs truncates to the leader's end of the epoch")
  func noEpochs() {
    #expect(FollowerFetching.truncationPoint(diverging: (3, 12), own: nil, logEnd: 20) == 12)
    #expect(FollowerFetching.truncationPoint(diverging: (3, 25), own: nil, logEnd: 20) == 20)
    #expect(FollowerFetching.truncationPoint(diverging: (3, -1), own: nil, logEnd: 20) == 0)
  }

  @Test("an end outside the leader's log becomes its end or its start")
  func recovery() {
    typealias Recovery = FollowerFetching.Recovery
    #expect(Recovery(logEnd: 50, leaderStart: 0, leaderEnd: 30) == .truncate(30))
    #expect(Recovery(logEnd: 50, leaderStart: 80, leaderEnd: 90) == .restart(80))
    #expect(Recovery(logEnd: 50, leaderStart: 50, leaderEnd: 50) == .none)
    #expect(Recovery(logEnd: 50, leaderStart: 0, leaderEnd: 60) == .none)
  }
}
