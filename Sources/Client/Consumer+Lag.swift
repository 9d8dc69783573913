import Model
import NIOCore
import Wire

/// Keeps a distance behind a partition's end.
///
/// A partition is asked for while it is further behind than `lagRecords`, and rests when it is not, until the end has moved on.
/// Only its own answers carry a partition's end, so the end of a resting one is asked for by ListOffsets: by a route that rests
/// as a whole, and beside the fetches of one that does not. Answers come whole: one may bring its partition nearer by as many records
/// as it holds.
extension Consumer {
  /// Returns the route's partitions that are further behind than `lagRecords`; none before their ends are known.
  func readable(_ route: Route, of leader: Leader) -> [Int] {
    route.members.filter { at in
      let position = leader.partitions[at]
      guard position.highWatermark != .unknown else { return false }
      return position.offset.rawValue + settings.lagRecords < position.highWatermark.rawValue
    }
  }

  /// Asks for the ends, at once when they are unknown, and continues with what may be read then.
  func awaitEnds(_ route: Route, of leader: Leader) {
    let isFirst = route.members.allSatisfy { leader.partitions[$0].highWatermark == .unknown }
    let pause = TimeAmount.milliseconds(isFirst ? 0 : Int64(ClientLimits.endPollMs))
    let epoch = leader.epoch
    eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] in
      guard epoch == leader.epoch else { return }
      self?.askForEnds(of: route.members, of: leader) { [weak self] refusal in
        guard let self else { return }
        if let refusal { return self.refuse(route, of: leader, refusal.code, refusal.what) }
        self.fetch(route, of: leader)
      }
    }
  }

  /// Asks for the ends of the route's resting partitions while others are read. The request is sent before their fetch, so its
  /// answer has come when the route continues.
  func lookAtResting(_ route: Route, beside read: [Int], of leader: Leader) {
    let nowNs = now()
    guard read.count < route.members.count, nowNs >= route.nextLookNs else { return }
    route.nextLookNs = nowNs + UInt64(ClientLimits.endPollMs) * 1_000_000
    let isRead = Set(read)
    askForEnds(of: route.members.filter { !isRead.contains($0) }, of: leader) { [weak self] refusal in
      guard let self, let refusal, !refusal.code.isRetriable else { return }
      // One that may pass: the route is under way, and looks again.
      self.refuse(route, of: leader, refusal.code, refusal.what)
    }
  }

  private func askForEnds(
    of members: [Int], of leader: Leader, then: @escaping (_ refusal: (code: ErrorCode, what: String)?) -> Void
  ) {
    guard !isClosed, let connection = leader.connection, connection.isOpen else { return }
    var request = ListOffsetsRequest()
    request.replicaID = -1
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
