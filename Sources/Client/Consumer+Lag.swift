import Model
import NIOCore
import Wire

/// Keeps a distance behind each partition's end.
///
/// A partition within `lagRecords` of its end is paused. A paused partition's end is polled by ListOffsets, since only fetch
/// responses carry it. The distance is kept to within one fetch response, which may hold many records.
extension Consumer {
  /// Returns the group's partitions that are further than `lagRecords` behind; none before their ends are known.
  func readable(_ group: FetchGroup, of leader: Leader) -> [Int] {
    group.members.filter { at in
      let position = leader.partitions[at]
      guard position.highWatermark != .unknown else { return false }
      return position.offset.rawValue + settings.lagRecords < position.highWatermark.rawValue
    }
  }

  /// Polls the group's ends, at once when they are unknown, and then fetches.
  func awaitEnds(_ group: FetchGroup, of leader: Leader) {
    let isFirst = group.members.allSatisfy { leader.partitions[$0].highWatermark == .unknown }
    let pause = TimeAmount.milliseconds(isFirst ? 0 : Int64(ClientLimits.endPollMs))
    let epoch = leader.epoch
    eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] in
      guard epoch == leader.epoch else { return }
      self?.askForEnds(of: group.members, of: leader) { [weak self] refusal in
        guard let self else { return }
        if let refusal { return self.refuse(group, of: leader, refusal.code, refusal.what) }
        self.fetch(group, of: leader)
      }
    }
  }

  /// Polls the ends of the group's paused partitions while its others are fetched. The request is sent before the fetch, so
  /// its response arrives first.
  func pollPausedEnds(_ group: FetchGroup, beside read: [Int], of leader: Leader) {
    let nowNs = now()
    guard read.count < group.members.count, nowNs >= group.nextPollNs else { return }
    group.nextPollNs = nowNs + UInt64(ClientLimits.endPollMs) * 1_000_000
    let isRead = Set(read)
    askForEnds(of: group.members.filter { !isRead.contains($0) }, of: leader) { [weak self] refusal in
      guard let self, let refusal, !refusal.code.isRetriable else { return }
      // After a retriable error the group polls again with its next fetch.
      self.refuse(group, of: leader, refusal.code, refusal.what)
    }
  }

  private func askForEnds(
    of members: [Int], of leader: Leader, then: @escaping (_ refusal: (code: ErrorCode, what: String)?) -> Void
  ) {
    guard !isClosed, let connection = leader.connection, connection.isOpen else { return }
    var request = ListOffsetsRequest()
    request.replicaID = -1
    request.isolationLevel = settings.readsCommitted ? 1 : 0
    request.topics = [
      .with {
        $0.name = settings.topic
        $0.partitions = members.map { at in
          .with {
            $0.partitionIndex = leader.partitions[at].partition
            $0.timestamp = -1
          }
        }
      }
    ]
    requests += 1
    let epoch = leader.epoch
    connection.send(request) { [self] result in
      guard !isClosed, epoch == leader.epoch else { return }
      switch result {
      case .failure(let error): lost(leader, error)
      case .success(let response): then(take(response.topics.flatMap(\.partitions), of: leader))
      }
    }
    connection.flush()
  }

  private func take(
    _ ends: [ListOffsetsResponse.Partition], of leader: Leader
  ) -> (code: ErrorCode, what: String)? {
    for end in ends {
      guard let at = leader.partitions.firstIndex(where: { $0.partition == end.partitionIndex }) else { continue }
      guard end.errorCode == .none else {
        return (end.errorCode, "the end of \(settings.topic)-\(end.partitionIndex)")
      }
      leader.partitions[at].highWatermark = end.offset
    }
    return nil
  }
}
