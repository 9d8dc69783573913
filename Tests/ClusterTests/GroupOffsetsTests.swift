import Model
import TestSupport
import Testing

@testable import Cluster

private func t(_ partition: Int32, _ topic: String = "t") -> TopicPartition { TopicPartition(topic, partition) }

private func commit(_ offset: Int64, at ms: Int64 = 0, expiry: Int64? = nil) -> GroupOffsets.Commit {
  GroupOffsets.Commit(offset: Offset(offset), leaderEpoch: 3, metadata: "m", timestampMs: ms, expiryMs: expiry)
}

@Suite("GroupOffsets")
struct GroupOffsetsTests {
  @Test("of two commits the one counts whose record comes later, whichever is replicated first")
  func order() {
    var offsets = GroupOffsets()
    #expect(offsets.fetch(t(0), stable: true) == .nothing)
    let first = offsets.began([t(0)])
    let second = offsets.began([t(0)])
    #expect(offsets.fetch(t(0), stable: false) == .nothing)
    #expect(offsets.fetch(t(0), stable: true) == .unstable)
    #expect(!offsets.isEmpty, "a group with a commit under way is not forgotten")
    offsets.appended([(t(0), commit(20))], at: 11, append: second)
    #expect(offsets.fetch(t(0), stable: true) == .unstable)
    offsets.appended([(t(0), commit(10))], at: 10, append: first)
    #expect(offsets.fetch(t(0), stable: true) == .committed(commit(20)))
  }

  @Test("a commit that cannot be appended leaves what was committed before")
  func failure() {
    var offsets = GroupOffsets()
    offsets.appended([(t(0), commit(10)), (t(1), commit(11))], at: 5)
    _ = offsets.began([t(0)])
    offsets.failed([t(0)])
    #expect(offsets.fetch(t(0), stable: true) == .committed(commit(10)))
    #expect(offsets.partitions == [t(0), t(1)])
  }

  @Test("what a transaction commits is hidden until it ends, and never counts when it aborts")
  func transactions() {
    var offsets = GroupOffsets()
    offsets.appended([(t(0), commit(10))], at: 5)
    offsets.appended([(t(0), commit(20))], at: 6, producerID: 7)
    offsets.appended([(t(1), commit(30))], at: 7, producerID: 8)
    #expect(offsets.openTransactions == [7, 8])
    #expect(offsets.fetch(t(0), stable: false) == .committed(commit(10)))
    #expect(offsets.fetch(t(0), stable: true) == .unstable)
    #expect(offsets.fetch(t(1), stable: false) == .nothing)
    offsets.transactionEnded(8, commits: false)
    #expect(offsets.fetch(t(1), stable: true) == .nothing)
    offsets.transactionEnded(7, commits: true)
    #expect(offsets.fetch(t(0), stable: true) == .committed(commit(20)))
    offsets.transactionEnded(9, commits: true)
    #expect(offsets.openTransactions == [])
  }

  @Test("a transaction that commits does not take back what was committed after its record")
  func olderTransaction() {
    var offsets = GroupOffsets()
    offsets.appended([(t(0), commit(100)), (t(1), commit(100))], at: 10, producerID: 7)
    offsets.appended([(t(0), commit(120))], at: 12)
    offsets.transactionEnded(7, commits: true)
    #expect(offsets.fetch(t(0), stable: true) == .committed(commit(120)))
    #expect(offsets.fetch(t(1), stable: true) == .committed(commit(100)))
  }

  @Test(
    "a transaction that ends before its append is known to be replicated counts as it ended", arguments: [true, false])
  func endsEarly(commits: Bool) {
    var offsets = GroupOffsets()
    let append = offsets.began([t(0)], producerID: 7)
    #expect(offsets.hasTransaction(of: 7))
    offsets.transactionEnded(7, commits: commits)
    offsets.appended([(t(0), commit(10))], at: 3, producerID: 7, append: append)
    #expect(offsets.fetch(t(0), stable: true) == (commits ? .committed(commit(10)) : .nothing))
    #expect(!offsets.hasTransaction(of: 7))
  }

  @Test("a commit whose append ends after its partition's removal does not bring the offset back")
  func removalDuringAppend() {
    var offsets = GroupOffsets()
    offsets.appended([(t(0), commit(5))], at: 1)
    let before = offsets.began([t(0)])
    #expect(offsets.remove { $0.topic == "t" } == [t(0)])
    let after = offsets.began([t(0)])
    offsets.appended([(t(0), commit(10))], at: 2, append: before)
    #expect(offsets.fetch(t(0), stable: false) == .nothing)
    offsets.appended([(t(0), commit(20))], at: 4, append: after)
    #expect(offsets.fetch(t(0), stable: true) == .committed(commit(20)))
  }

  @Test("removal forgets what is committed and what transactions would commit")
  func removal() {
    var offsets = GroupOffsets()
    offsets.appended([(t(1), commit(1)), (t(0), commit(0)), (t(0, "u"), commit(2))], at: 0)
    offsets.appended([(t(0), commit(9))], at: 3, producerID: 7)
    #expect(offsets.remove { $0.topic == "t" } == [t(0), t(1)])
    offsets.transactionEnded(7, commits: true)
    #expect(offsets.partitions == [t(0, "u")])
    #expect(offsets.remove { _ in true } == [t(0, "u")])
    #expect(offsets.isEmpty)
  }

  @Test("records read from the log give what was committed")
  func replay() {
    var offsets = GroupOffsets()
    offsets.replay(commit(1), of: t(0), at: 0)
    offsets.replay(commit(2), of: t(0), at: 1)
    offsets.replay(commit(3), of: t(1), at: 2)
    offsets.replay(nil, of: t(1), at: 3)
    offsets.replay(commit(4), of: t(2), at: 4, producerID: 7)
    offsets.replay(nil, of: t(2), at: 5, producerID: 7)
    #expect(offsets.openTransactions == [])
    offsets.replay(commit(5), of: t(2), at: 6, producerID: 7)
    #expect(offsets.openTransactions == [7])
    #expect(offsets.partitions == [t(0)])
    offsets.transactionEnded(7, commits: true)
    #expect(offsets.fetch(t(0), stable: true) == .committed(commit(2)))
    #expect(offsets.fetch(t(2), stable: true) == .committed(commit(5)))
  }

  @Test("offsets of an empty group expire together, the retention time after it was emptied")
  func expiryOfEmptyGroup() {
    var offsets = GroupOffsets()
    offsets.appended([(t(0), commit(1, at: 100)), (t(1), commit(1, at: 900))], at: 0)
    #expect(offsets.expire(.afterEmptied(ms: 1000), now: 1999, retentionMs: 1000) == [])
    #expect(offsets.expire(.never, now: .max, retentionMs: 0) == [])
    #expect(offsets.expire(.afterEmptied(ms: 1000), now: 2000, retentionMs: 1000) == [t(0), t(1)])
    #expect(offsets.isEmpty)
  }

  @Test("without the time at which a group was emptied each offset expires the retention time after its commit")
  func expiryOfOldRecord() {
    var offsets = GroupOffsets()
    offsets.appended([(t(0), commit(1, at: 100)), (t(1), commit(1, at: 900))], at: 0)
    #expect(offsets.expire(.afterEmptied(ms: nil), now: 1100, retentionMs: 1000) == [t(0)])
  }

  @Test("offsets of topics that are subscribed to stay, those of others expire after their commit")
  func expiryOfUnsubscribed() {
    var offsets = GroupOffsets()
    offsets.appended(
      [(t(0), commit(1, at: 100)), (t(0, "u"), commit(1, at: 100)), (t(1, "u"), commit(1, at: 200))], at: 0)
    _ = offsets.began([t(2, "u")])
    #expect(offsets.expire(.afterCommit(except: ["t"]), now: 1100, retentionMs: 1000) == [t(0, "u")])
    #expect(offsets.partitions == [t(0), t(1, "u")])
  }

  @Test("an offset that is being committed does not expire")
  func expiryDuringAppend() {
    var offsets = GroupOffsets()
    offsets.appended([(t(0), commit(1))], at: 0)
    _ = offsets.began([t(0)])
    #expect(offsets.expire(.afterCommit(except: []), now: 5000, retentionMs: 1000) == [])
  }

  @Test("an expiry that the client has given counts instead of the broker's")
  func ownExpiry() {
    var offsets = GroupOffsets()
    offsets.appended([(t(0), commit(1, expiry: 500)), (t(1), commit(1, expiry: 9000))], at: 0)
    #expect(offsets.expire(.afterCommit(except: []), now: 499, retentionMs: 1) == [])
    #expect(offsets.expire(.afterCommit(except: []), now: 5000, retentionMs: 1) == [t(0)])
  }

  @Test("timestamps at the ends of their range do not trap")
  func extremes() {
    for ms in [Int64.min, -1, 0, .max] {
      for now in [Int64.min, 0, Int64.max] {
        var offsets = GroupOffsets()
        offsets.appended([(t(0), commit(1, at: ms))], at: 0)
        let expired = offsets.expire(.afterCommit(except: []), now: now, retentionMs: 1000)
        #expect((expired == [t(0)]) == (now.subtractingClamped(ms) >= 1000))
      }
    }
  }
}
