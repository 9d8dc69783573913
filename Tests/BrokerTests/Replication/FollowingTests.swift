import Cluster
import Model
import NIOCore
import Storage
import Testing

@testable import Broker

@Suite("A follower's log")
struct FollowingTests {
  @Test("has the leader's batches as they are, and its high watermark once everybody in sync has them")
  func replicates() throws {
    try withReplicas { one, two, three in
      one.lead(1)
      two.follow(1)
      three.follow(1)
      try one.append("a", "b")
      #expect(try two.pull(from: one) == .appended(2))
      #expect(one.partition.highWatermark == 0 && two.partition.highWatermark == 0)
      #expect(try three.pull(from: one) == .appended(2))
      #expect(try two.pull(from: one) == .nothing)
      #expect(one.partition.highWatermark == 0, "the leader does not know that replica 3 has them")
      #expect(try three.pull(from: one) == .nothing)
      #expect(one.partition.highWatermark == 2 && three.partition.highWatermark == 2)
      #expect(two.partition.highWatermark == 0)
      #expect(try two.pull(from: one) == .nothing)
      #expect(two.partition.highWatermark == 2)
      #expect(try two.batches == one.batches && three.batches == one.batches)
      #expect(try two.partition.withLog { log, _ in log.epochs.entries } == [.init(epoch: 1, startOffset: 0)])
    }
  }

  @Test("a new high watermark is told at once, and once")
  func newMark() throws {
    try withReplicas { one, two, _ in
      one.lead(1, inSync: [1, 2])
      two.follow(1)
      try one.append("a")
      try two.pull(from: one)
      let at = try two.partition.followerPosition(in: 1)
      let first = try ReplicaLog.fetch(by: 2, at, from: one).read
      #expect(first.hasNewMark && first.read.highWatermark == 1)
      #expect(try ReplicaLog.fetch(by: 2, at, from: one).read.hasNewMark == false)
    }
  }

  @Test("a broker that has no replica of the partition is refused")
  func unassigned() throws {
    try withReplicas { one, _, _ in
      one.lead(1)
      func code(_ epoch: LeaderEpoch) -> ErrorCode {
        let at = FollowerFetching.Position(leaderEpoch: epoch, offset: 0, lastEpoch: -1, logStart: 0)
        do throws(PartitionError) { _ = try ReplicaLog.fetch(by: 9, at, from: one) } catch { return ErrorCode(error) }
        return .none
      }
      #expect(code(1) == .unknownLeaderEpoch)
      #expect(code(-1) == .notLeaderOrFollower)
      #expect(code(0) == .fencedLeaderEpoch)
    }
  }

  // MARK: Divergence

  @Test("KIP-101, first case: a follower that restarts and then leads loses nothing that was acknowledged")
  func restartedFollower() throws {
    try withReplicas { one, two, _ in
      one.lead(1, inSync: [1, 2], replicas: [1, 2])
      two.follow(1)
      try one.append("a")
      try two.pullAll(from: one)
      try one.append("b")
      try two.pull(from: one)
      #expect(one.partition.highWatermark == 1)
      // The leader hears that replica 2 has b, and acknowledges it; replica 2 does not hear that.
      _ = try ReplicaLog.fetch(by: 2, two.partition.followerPosition(in: 1), from: one)
      #expect(one.partition.highWatermark == 2 && two.partition.highWatermark == 1)
      // Truncated to its high watermark, it would lead without b.
      two.follow(1)
      two.lead(2, inSync: [2], replicas: [1, 2])
      #expect(try two.end == 2)
      one.follow(2)
      try one.pullAll(from: two)
      #expect(try one.batches.map(\.next) == [1, 2])
    }
  }

  @Test("KIP-101, second case: of two logs that went apart, the follower's becomes the leader's")
  func divergence() throws {
    try withReplicas { one, two, _ in
      one.lead(1, inSync: [1], replicas: [1, 2])
      two.follow(1)
      try one.append("a")
      try two.pull(from: one)
      try one.append("lost")
      // Both stop; replica 2 comes back first, is elected and appends in another epoch at the same offset.
      two.lead(2, inSync: [2], replicas: [1, 2])
      try two.append("kept")
      one.follow(2)
      #expect(try one.pull(from: two) == .truncated(to: 1))
      #expect(try one.pull(from: two) == .appended(1))
      #expect(try one.batches == two.batches)
      #expect(
        try one.partition.withLog { log, _ in log.epochs.entries } == [
          .init(epoch: 1, startOffset: 0), .init(epoch: 2, startOffset: 1),
        ])
    }
  }

  @Test("KIP-279: after two quick elections the follower goes back by epochs until the logs agree")
  func quickElections() throws {
    try withReplicas { one, two, three in
      // Replica 1 has epochs 0 and 3, replica 2 epochs 0, 1 and 2, each of records that no other has.
      one.lead(0, inSync: [1])
      two.follow(0)
      three.follow(0)
      try one.append("0a")
      try two.pullAll(from: one)
      try three.pullAll(from: one)
      try one.append("0b")
      two.lead(1, inSync: [2])
      try two.append("1a", "1b")
      three.follow(1)
      try three.pullAll(from: two)
      three.lead(2, inSync: [3])
      two.follow(2)
      try three.append("2a")
      try two.pullAll(from: three)
      #expect(try two.batches.map(\.epoch) == [0, 1, 2])
      one.lead(3, inSync: [1])
      try one.append("3a", "3b", "3c", "3d")
      two.follow(3)
      // The leader's largest epoch not above 2 is 0, which ends at 2 there; replica 2 has one record of it.
      #expect(try two.pull(from: one) == .truncated(to: 1))
      try two.pullAll(from: one)
      three.follow(3)
      try three.pullAll(from: one)
      #expect(try two.batches == one.batches && three.batches == one.batches)
    }
  }

  @Test("a follower goes back over several epochs that the leader does not have")
  func severalSteps() throws {
    try withReplicas { one, two, _ in
      one.lead(0, inSync: [1])
      two.follow(0)
      for index in 0..<3 { try one.append("\(index)") }
      try two.pullAll(from: one)
      // Epochs 2 and 6 on replica 2, 4 and 8 on replica 1.
      two.lead(2, inSync: [2])
      try two.append("2")
      one.lead(4, inSync: [1])
      try one.append("4")
      two.lead(6, inSync: [2])
      try two.append("6")
      one.lead(8, inSync: [1])
      try one.append("8")
      two.follow(8)
      // The leader says epoch 4; the largest at replica 2 not above it is 2, which ends at 4. Then it says epoch 0, which ends at 3.
      #expect(try two.pull(from: one) == .truncated(to: 4))
      #expect(try two.pull(from: one) == .truncated(to: 3))
      try two.pullAll(from: one)
      #expect(try two.batches == one.batches && two.batches.map(\.epoch) == [0, 0, 0, 4, 8])
    }
  }

  @Test("a leader without a record of its own epoch finds divergence, too")
  func silentLeader() throws {
    try withReplicas { one, two, _ in
      one.lead(0, inSync: [1])
      two.follow(0)
      try one.append("a")
      try two.pullAll(from: one)
      two.lead(3, inSync: [2])
      try two.append("lost")
      one.lead(5, inSync: [1])
      two.follow(5)
      #expect(try two.pull(from: one) == .truncated(to: 1))
      #expect(try two.pull(from: one) == .nothing)
      #expect(try one.partition.endOffset(forEpoch: 4)?.endOffset == 1)
      #expect(try one.partition.endOffset(forEpoch: 4)?.epoch == 0)
      #expect(try one.partition.endOffset(forEpoch: 6) == nil)
    }
  }

  @Test("an uncleanly elected leader with fewer records takes the high watermark of its followers back")
  func unclean() throws {
    try withReplicas { one, two, _ in
      one.lead(1, inSync: [1, 2], replicas: [1, 2])
      two.follow(1)
      for value in ["a", "b", "c"] { try one.append(value) }
      try two.pullAll(from: one)
      #expect(two.partition.highWatermark == 3)
      // Replica 1 comes back with a new disk.
      try withDirectory { path in
        let other = try ReplicaLog(1, in: path)
        other.lead(2, inSync: [1], replicas: [1, 2])
        two.follow(2)
        let at = try two.partition.followerPosition(in: 2)
        let found = try ReplicaLog.fetch(by: 2, at, from: other).read
        let truncated = try two.partition.truncate(
          divergingAt: try #require(found.read.diverging), for: at, nowMs: 0)
        #expect(truncated?.isBelowMark == true && truncated?.position.offset == 0)
        #expect(two.partition.highWatermark == 0)
        try other.append("x")
        try two.pullAll(from: other)
        #expect(try two.batches == other.batches)
      }
    }
  }

  // MARK: Elections between a fetch and its response

  @Test("what was fetched in an earlier leader epoch changes nothing", arguments: [true, false])
  func late(becomesLeader: Bool) throws {
    try withReplicas { one, two, _ in
      one.lead(1)
      two.follow(1)
      try one.append("a")
      let at = try two.partition.followerPosition(in: 1)
      let fetched = try ReplicaLog.fetch(by: 2, at, from: one)
      if becomesLeader { two.lead(2) } else { two.follow(2) }
      #expect(throws: PartitionError.fencedLeaderEpoch) {
        _ = try two.partition.append(fetched: fetched.bytes, for: at, highWatermark: 1, logStart: 0, nowMs: 0)
      }
      #expect(throws: PartitionError.fencedLeaderEpoch) {
        _ = try two.partition.truncate(divergingAt: (0, 0), for: at, nowMs: 0)
      }
      #expect(throws: PartitionError.fencedLeaderEpoch) {
        _ = try two.partition.recover(leaderStart: 9, leaderEnd: 9, for: at, nowMs: 0)
      }
      #expect(try two.end == 0)
    }
  }

  @Test("what was fetched before a truncation is left out")
  func truncatedSince() throws {
    try withReplicas { one, two, _ in
      one.lead(1)
      two.follow(1)
      try one.append("a")
      try two.pullAll(from: one)
      try one.append("b")
      let at = try two.partition.followerPosition(in: 1)
      let fetched = try ReplicaLog.fetch(by: 2, at, from: one)
      try two.partition.withLog { log, _ throws(PartitionError) in
        do throws(DiskError) { try log.truncate(to: 0, nowMs: 0) } catch { throw .append(.diskFailed(error)) }
      }
      let followed = try two.partition.append(fetched: fetched.bytes, for: at, highWatermark: 1, logStart: 0, nowMs: 0)
      #expect(followed.position.offset == 0 && followed.failure == nil)
      #expect(try two.end == 0)
    }
  }

  @Test("batches of a later leader epoch than the fetch's, and of an earlier one than the log's, are not appended")
  func foreignEpochs() throws {
    try withReplicas { one, two, _ in
      one.lead(3)
      two.follow(3)
      try one.append("a")
      try two.pullAll(from: one)
      func batch(_ epoch: LeaderEpoch) throws -> ByteBuffer {
        try Batches.sealed(Batches.of(["x"])) {
          $0.baseOffset = 1
          $0.partitionLeaderEpoch = epoch
        }
      }
      let at = try two.partition.followerPosition(in: 3)
      let later = try two.partition.append(fetched: batch(4), for: at, highWatermark: 1, logStart: 0, nowMs: 0)
      #expect(later.position == at && later.failure == nil)
      let earlier = try two.partition.append(fetched: batch(2), for: at, highWatermark: 1, logStart: 0, nowMs: 0)
      #expect(earlier.position == at && earlier.failure == .append(.corrupt))
      let same = try two.partition.append(fetched: batch(3), for: at, highWatermark: 1, logStart: 0, nowMs: 0)
      #expect(same.position.offset == 2)
    }
  }

  @Test("damaged bytes are refused, and what came before them is kept")
  func damaged() throws {
    try withReplicas { one, two, _ in
      one.lead(1)
      two.follow(1)
      try one.append("a")
      try one.append("b")
      let at = try two.partition.followerPosition(in: 1)
      var bytes = try ReplicaLog.fetch(by: 2, at, from: one).bytes
      bytes.setInteger(UInt8(0xff), at: bytes.writerIndex - 1)
      let followed = try two.partition.append(fetched: bytes, for: at, highWatermark: 2, logStart: 0, nowMs: 0)
      #expect(followed.failure == .append(.corrupt) && followed.position.offset == 1)
      #expect(two.partition.highWatermark == 1, "not above the log's end")
      #expect(try two.pull(from: one) == .appended(1))
    }
  }

  // MARK: Where the logs begin

  @Test("the log start follows the leader's")
  func logStart() throws {
    try withReplicas { one, two, _ in
      one.lead(1, inSync: [1, 2], replicas: [1, 2])
      two.follow(1)
      for _ in 0..<5 { try one.append("a") }
      try two.pullAll(from: one)
      try one.partition.withLog { log, _ throws(PartitionError) in
        do throws(DiskError) { try log.deleteRecords(before: 3, nowMs: 0) } catch { throw .append(.diskFailed(error)) }
      }
      #expect(try one.partition.isTrimmed(to: 3) == (0, false))
      try two.pull(from: one)
      #expect(try two.ends.start == 3)
      #expect(try one.partition.isTrimmed(to: 3) == (0, false), "the leader does not know yet")
      try two.pull(from: one)
      #expect(try one.partition.isTrimmed(to: 3) == (3, true))
    }
  }

  @Test(
    "a follower whose end is before the leader's log begins anew there, within a batch too",
    arguments: [4, 5] as [Int64])
  func beforeTheStart(start: Int64) throws {
    try withReplicas { one, two, _ in
      one.lead(1, inSync: [1], replicas: [1, 2])
      two.follow(1)
      try one.append("a")
      try two.pull(from: one)
      for _ in 0..<5 { try one.append("x", "y", "z") }
      try one.partition.withLog { log, _ throws(PartitionError) in
        do throws(DiskError) { try log.deleteRecords(before: Offset(start), nowMs: 0) } catch {
          throw .append(.diskFailed(error))
        }
      }
      #expect(try two.pull(from: one) == .restarted(at: Offset(start)))
      #expect(two.partition.highWatermark == Offset(start))
      try two.pullAll(from: one)
      #expect(try two.ends == one.ends)
      #expect(try two.batches == one.batches)
      #expect(two.partition.highWatermark == 16)
    }
  }

  @Test("void records that end where the leader's log begins, within a batch, make room for that batch")
  func voidBeforeTheStart() throws {
    try withReplicas { one, two, _ in
      two.lead(0, inSync: [2], replicas: [1, 2])
      try two.append("a", "b")
      one.lead(1, inSync: [1], replicas: [1, 2])
      try one.append("x")
      try one.append("y", "z", "0")
      try one.partition.withLog { log, _ throws(PartitionError) in
        do throws(DiskError) { try log.deleteRecords(before: 2, nowMs: 0) } catch { throw .append(.diskFailed(error)) }
      }
      two.follow(1)
      try two.pullAll(from: one)
      #expect(try two.ends == (2, 4))
      #expect(try two.batches == one.batches && two.partition.highWatermark == 4)
    }
  }

  @Test("a follower that has more than a leader of which no epoch is known is cut to the leader's end")
  func beyondTheEnd() throws {
    try withReplicas { one, two, _ in
      // An empty log far ahead, as after a restart at a log start that the leader does not have any more.
      try two.partition.withLog { log, _ throws(PartitionError) in
        do throws(DiskError) { try log.truncateFullyAndStart(at: 50, nowMs: 0) } catch {
          throw .append(.diskFailed(error))
        }
      }
      one.lead(1, inSync: [1], replicas: [1, 2])
      two.follow(1)
      try one.append("a")
      #expect(try two.pull(from: one) == .truncated(to: 1))
      #expect(try two.pull(from: one) == .nothing)
      try one.append("b")
      try two.pullAll(from: one)
      #expect(try two.ends == (1, 2))
    }
  }

  @Test("gaps that compaction has left are gaps of the follower")
  func gaps() throws {
    try withReplicas { one, two, _ in
      one.lead(1, inSync: [1], replicas: [1, 2])
      two.follow(1)
      var bytes = ByteBuffer()
      for base in [0, 7, 3_000_000_000] as [Int64] {
        bytes.writeImmutableBuffer(
          try Batches.sealed(Batches.of(["x", "y"])) {
            $0.baseOffset = Offset(base)
            $0.partitionLeaderEpoch = 1
          })
      }
      let at = try two.partition.followerPosition(in: 1)
      let followed = try two.partition.append(fetched: bytes, for: at, highWatermark: 9, logStart: 0, nowMs: 0)
      #expect(followed.failure == nil && followed.position.offset == 3_000_000_002)
      #expect(try two.batches.map(\.base) == [0, 7, 3_000_000_000])
      #expect(two.partition.highWatermark == 9)
      let truncated = try two.partition.truncate(
        divergingAt: (1, 8), for: followed.position, nowMs: 0)
      #expect(truncated?.position.offset == 7, "a batch that holds the point goes whole")
    }
  }

  // MARK: Producers and transactions

  @Test("a new leader knows the producers and transactions of the old one")
  func transactions() throws {
    try withReplicas { one, two, _ in
      one.lead(1, inSync: [1, 2], replicas: [1, 2])
      two.follow(1)
      func records(_ value: String, _ sequence: Int32, producer: Int64 = 7) throws -> ByteBuffer {
        try Batches.sealed(Batches.of([value], producerID: producer, epoch: 0, sequence: sequence)) {
          $0.attributes.isTransactional = true
        }
      }
      func end(_ outcome: EndTransactionMarker.Outcome, producer: Int64 = 7) -> ByteBuffer {
        EndTransactionMarker(outcome, coordinatorEpoch: 4).batch(producerID: producer, producerEpoch: 0, timestamp: 1)
      }
      try one.append(records("aborted", 0))
      try one.append(end(.abort), from: .coordinator)
      try one.append(records("committed", 1))
      try one.append(end(.commit), from: .coordinator)
      try one.append(records("open", 0, producer: 8))
      try two.pullAll(from: one)
      two.lead(2, inSync: [2], replicas: [1, 2])
      one.follow(2)
      #expect(two.partition.highWatermark == 5)
      let found = try two.partition.read(
        Partition.Wanted(
          offset: 0, maxBytes: 1 << 20, atLeastOneBatch: true, isReadCommitted: true, currentLeaderEpoch: 2,
          lastFetchedEpoch: -1))
      #expect(found.lastStableOffset == 4)
      #expect(found.aborted.map(\.firstOffset) == [0] && found.aborted.map(\.lastOffset) == [1])
      let again = try two.append(records("committed", 1))
      #expect(again.isDuplicate && again.baseOffset == 2, "a retry over the election is recognized")
      #expect(throws: PartitionError.append(.outOfOrderSequence(producerID: 7, expected: 2, got: 5))) {
        _ = try two.append(records("gap", 5))
      }
      #expect(throws: PartitionError.append(.coordinatorFenced(producerID: 7, latest: 4, got: 3))) {
        _ = try two.append(
          EndTransactionMarker(.commit, coordinatorEpoch: 3).batch(producerID: 7, producerEpoch: 0, timestamp: 1),
          from: .coordinator)
      }
      try two.append(end(.commit, producer: 8), from: .coordinator)
      try one.pullAll(from: two)
      #expect(try one.batches == two.batches)
    }
  }

  @Test("a truncation takes producers and transactions back to what is left")
  func truncatedTransactions() throws {
    try withReplicas { one, two, _ in
      one.lead(1, inSync: [1], replicas: [1, 2])
      two.follow(1)
      let first = try Batches.of(["a"], producerID: 7, epoch: 0, sequence: 0)
      try one.append(first)
      try two.pullAll(from: one)
      // Only replica 1 has the second batch, and an open transaction.
      try one.append(Batches.of(["b"], producerID: 7, epoch: 0, sequence: 1))
      try one.append(
        Batches.sealed(Batches.of(["c"], producerID: 8, epoch: 0, sequence: 0)) { $0.attributes.isTransactional = true }
      )
      two.lead(2, inSync: [2], replicas: [1, 2])
      one.follow(2)
      #expect(try one.pull(from: two) == .truncated(to: 1))
      one.lead(3, inSync: [1], replicas: [1, 2])
      #expect(try one.append(first).isDuplicate)
      #expect(try one.append(Batches.of(["b"], producerID: 7, epoch: 0, sequence: 1)).isDuplicate == false)
      #expect(try one.partition.withLog { log, marks in log.lastStableOffset(highWatermark: marks.highWatermark) } == 2)
    }
  }

  @Test("a follower remembers no transactions that its high watermark has passed")
  func forgets() throws {
    try withReplicas { one, two, _ in
      one.lead(1, inSync: [1, 2], replicas: [1, 2])
      two.follow(1)
      for index in 0..<5 as Range<Int32> {
        try one.append(
          Batches.sealed(Batches.of(["x"], producerID: 7, epoch: 0, sequence: index)) {
            $0.attributes.isTransactional = true
          })
        try one.append(
          EndTransactionMarker(.commit, coordinatorEpoch: 0).batch(producerID: 7, producerEpoch: 0, timestamp: 1),
          from: .coordinator)
        try two.pullAll(from: one)
      }
      #expect(try two.partition.withLog { log, _ in log.undecidedCount } == 0)
    }
  }

  // MARK: Flushes

  @Test("a truncation takes the recovery point back, and what is appended after it is flushed anew")
  func flushes() throws {
    try withReplicas { one, two, _ in
      one.lead(1, inSync: [1], replicas: [1, 2])
      two.follow(1)
      try one.append("a")
      try two.pullAll(from: one)
      try one.append("b")
      #expect(one.partition.flush(nowMs: 0) == .durable)
      two.lead(2, inSync: [2], replicas: [1, 2])
      try two.append("c")
      one.follow(2)
      let ticket = try one.partition.withLog { log, _ in log.flushedOffset }
      #expect(ticket == 2)
      #expect(try one.pull(from: two) == .truncated(to: 1))
      #expect(try one.partition.withLog { log, _ in log.flushedOffset } == 1)
      try one.pullAll(from: two)
      #expect(try one.partition.withLog { log, _ in log.flushedOffset } == 1)
      #expect(one.partition.flush(nowMs: 0) == .durable)
      #expect(try one.partition.withLog { log, _ in log.flushedOffset } == 2)
    }
  }
}
