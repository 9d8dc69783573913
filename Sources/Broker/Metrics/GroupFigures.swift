import Cluster
import Model

/// The groups of this broker as a scrape sees them.
struct GroupFigures: Sendable {
  struct Member: Sendable {
    var id: String
    var state: String
    var offsets: [(partition: TopicPartition, offset: Offset)]
  }

  /// In the order of the groups' ids.
  var groups: [Member] = []
  /// Committed offsets of all groups.
  var offsetCount = 0
  /// Those that `groups` does not have.
  var leftOut = 0
}

extension GroupCoordinator {
  /// Looks at all groups, a shard at a time: a shard's requests wait while its numbers are copied.
  ///
  /// - Parameter offsetsMax: the most committed offsets of the answer; groups behind that have none in it.
  func figures(offsetsMax: Int) -> GroupFigures {
    var figures = GroupFigures()
    for shard in allShards {
      for (id, state, offsets) in shard.figures() {
        figures.groups.append(GroupFigures.Member(id: id, state: state, offsets: []))
        figures.offsetCount += offsets.count
        guard figures.offsetCount - figures.leftOut <= offsetsMax else {
          figures.leftOut += offsets.count
          continue
        }
        figures.groups[figures.groups.count - 1].offsets = offsets.all.map { ($0.partition, $0.commit.offset) }
      }
    }
    figures.groups.sort { $0.id < $1.id }
    return figures
  }
}

extension GroupShard {
  /// The groups with their states and offsets, which are copied when they are read, after the lock.
  fileprivate func figures() -> [(id: String, state: String, offsets: GroupOffsets)] {
    exclusively { state, _ in
      state.groups.map { id, entry in
        (id, entry.consumers?.phase.rawValue ?? entry.group.state.rawValue, entry.offsets)
      }.sorted { $0.0 < $1.0 }
    }
  }
}
