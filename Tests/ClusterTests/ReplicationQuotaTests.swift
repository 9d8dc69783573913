import Model
import Testing

@testable import Cluster

@Suite("Quotas of replication")
struct ReplicationQuotaTests {
  @Test("the rate is that of the last samples, and at least of all samples but one")
  func rate() {
    var rate = ReplicationRate(samples: 11, sampleMs: 1000)
    #expect(rate.bytesPerSecond(nowMs: 0) == 0)
    rate.record(bytes: 5_000, nowMs: 100)
    rate.record(bytes: 5_000, nowMs: 900)
    #expect(rate.bytesPerSecond(nowMs: 900) == 1_000, "as if in ten seconds")
    for second in 1...10 { rate.record(bytes: 1_000, nowMs: Int64(second) * 1000 + 100) }
    #expect(rate.bytesPerSecond(nowMs: 10_100) == 2_000, "20,000 bytes in ten seconds")
    #expect(rate.bytesPerSecond(nowMs: 11_100) == 1_000, "the first sample is forgotten")
    #expect(rate.bytesPerSecond(nowMs: 100_000) == 0)
  }

  @Test("bytes at the quota for an hour are not above it, and twice as many are")
  func steady() {
    for (bytes, isAbove) in [(1_000, false), (2_000, true)] {
      var rate = ReplicationRate(samples: 11, sampleMs: 1000)
      for tenth in 0..<36_000 { rate.record(bytes: bytes / 10, nowMs: Int64(tenth) * 100) }
      #expect((rate.bytesPerSecond(nowMs: 3_599_900) > 1_100) == isAbove)
    }
  }

  @Test("numbers at their bounds end nothing")
  func extremes() {
    var rate = ReplicationRate(samples: .min, sampleMs: .max)
    rate.record(bytes: .max, nowMs: 0)
    rate.record(bytes: .max, nowMs: .max)
    #expect(rate.bytesPerSecond(nowMs: .max) >= 0)
  }

  @Test("the throttled replicas of a topic are all, some or none")
  func replicas() {
    #expect(ThrottledReplicas([]) == .none)
    #expect(ThrottledReplicas(["*"]).contains(7, on: 9))
    let some = ThrottledReplicas(["0:1", "0:2", "3:1"])
    #expect(some.contains(0, on: 2) && some.contains(3, on: 1))
    #expect(!some.contains(3, on: 2) && !some.contains(1, on: 1))
    #expect(ThrottledReplicas(["99999999999:1", "x", "1:", "1:2:3"]) == .none)
    for element in ["0:1", "10:20"] { #expect(ThrottledReplicas.allows(element), "\(element)") }
    for element in ["", ":", "1", "1:", ":1", "-1:1", "1:2:3", "*", "a:1"] {
      #expect(!ThrottledReplicas.allows(element), "\(element)")
    }
  }

  @Test("a throttled follower that lags is left out while the quota is exceeded, and fetched again after")
  func follower() throws {
    func at(_ offset: Int64) -> FollowerFetching.Position {
      FollowerFetching.Position(leaderEpoch: 1, offset: Offset(offset), lastEpoch: 0, logStart: 0)
    }
    let names = [TopicPartition("a", 0), TopicPartition("b", 0)]
    let wanted = names.map { FollowerFetching.Wanted($0, topicID: .zero, at: at(0)) }
    var following = FollowerFetching(backoffMs: 10, backoffMsMax: 100)
    #expect(following.step(.follow(wanted[0], isThrottled: true), nowMs: 0, isOverQuota: true) == [.wake(atMs: 250)])
    guard case .fetch(let first)? = following.step(.follow(wanted[1]), nowMs: 1, isOverQuota: true).first else {
      throw Missing()
    }
    #expect(first.partitions == [wanted[1]], "the other goes on")
    var lagging = FollowerFetching.Answer(names[1], in: 1, .goesOn(at(5)))
    lagging.isThrottled = true
    // The quota is no longer exceeded: both are fetched, and both lag.
    guard case .fetch(let both)? = following.step(.answered(sessionID: 7, [lagging]), nowMs: 300).first else {
      throw Missing()
    }
    #expect(both.partitions.map(\.name) == names)
    #expect(following.hasThrottled)
    let answers = names.map { name in
      var answer = FollowerFetching.Answer(name, in: 1, .goesOn(at(9)))
      answer.isThrottled = name == names[0]
      return answer
    }
    guard case .fetch(let left)? = following.step(.answered(sessionID: 7, answers), nowMs: 400, isOverQuota: true).first
    else { throw Missing() }
    #expect(left.forgotten.map(\.name) == [names[0]], "the one that lags waits, the one that has caught up does not")
    #expect(left.partitions.map(\.name) == [names[1]])
  }

  private struct Missing: Error {}
}
