import Cluster
import Model
import Storage
import Synchronization

/// What has gone through a partition on this broker. Plain numbers in the partition's state, changed in critical sections that there are
/// anyway.
struct Traffic: Sendable, Equatable {
  /// Of producers and coordinators.
  var bytesIn: Int64 = 0
  var messagesIn: Int64 = 0
  /// To consumers.
  var bytesOut: Int64 = 0
  /// From leaders, and to followers.
  var replicationBytesIn: Int64 = 0
  var replicationBytesOut: Int64 = 0

  mutating func appended(bytes: Int, from start: Offset, to end: Offset) {
    bytesIn &+= Int64(bytes)
    messagesIn &+= end.rawValue &- start.rawValue
  }

  static func += (sum: inout Traffic, other: Traffic) {
    sum.bytesIn &+= other.bytesIn
    sum.messagesIn &+= other.messagesIn
    sum.bytesOut &+= other.bytesOut
    sum.replicationBytesIn &+= other.replicationBytesIn
    sum.replicationBytesOut &+= other.replicationBytesOut
  }
}

/// The traffic of replicas that this broker has no more, by topic, until the topic is deleted: a counter that falls would look like a broker
/// that was started again.
final class PastTraffic: Sendable {
  private let topics = Mutex<[String: Traffic]>([:])

  func add(_ traffic: Traffic, of topic: String) {
    topics.withLock { $0[topic, default: Traffic()] += traffic }
  }

  /// Forgets the topics that are not there any more. A topic's replicas may stop after it has gone from the metadata, so that those of an
  /// earlier deletion are looked for, too.
  func forget(unless isThere: (String) -> Bool) {
    topics.withLock { topics in topics = topics.filter { isThere($0.key) } }
  }

  var all: [String: Traffic] { topics.withLock { $0 } }
}

/// A partition as a scrape sees it.
struct PartitionFigures: Sendable {
  var name: TopicPartition
  var traffic: Traffic
  var size: Int
  var start: Offset
  var end: Offset
  /// The end of what consumers may read.
  var highWatermark: Offset
  var isOnline: Bool
  var isLeader: Bool
  var isUnderReplicated: Bool
  var isUnderMin: Bool
  var isAtMin: Bool
  var places: WaitingPlaces
}

/// How many requests wait in a partition, by kind.
package struct WaitingPlaces: Sendable, Equatable {
  package var fetches = 0
  package var produces = 0
  package var deletions = 0

  package init() {}

  static func += (sum: inout WaitingPlaces, other: WaitingPlaces) {
    sum.fetches += other.fetches
    sum.produces += other.produces
    sum.deletions += other.deletions
  }
}

extension Partition {
  var traffic: Traffic { state.withLock { $0.traffic } }

  /// What a read has returned was not sent: the fetch waits for more, and reads again.
  func unread(bytes: Int, byFollower: Bool = false) {
    state.withLock { state in
      if byFollower {
        state.traffic.replicationBytesOut &-= Int64(bytes)
      } else {
        state.traffic.bytesOut &-= Int64(bytes)
      }
    }
  }

  /// All that a scrape wants to know, under one lock.
  var figures: PartitionFigures {
    state.withLock { state in
      let (log, replication) = (state.log, state.replication)
      return PartitionFigures(
        name: name, traffic: state.traffic, size: log?.sizeInBytes ?? 0, start: log?.logStartOffset ?? 0,
        end: log?.logEndOffset ?? 0, highWatermark: replication.highWatermark,
        isOnline: log != nil && log?.failure == nil, isLeader: replication.isLeader,
        isUnderReplicated: replication.isLeader && replication.inSync.count <= replication.followerIDs.count,
        isUnderMin: replication.isLeader && replication.isBelowMin,
        isAtMin: replication.isLeader && replication.inSync.count == replication.inSyncMin,
        places: state.waiters.isEmpty ? WaitingPlaces() : state.waiters.places)
    }
  }
}
