import Model
import NIOCore
import Wire

/// Keeping a distance behind a partition's end.
///
/// A partition is asked for while it is further behind than `lagRecords`, and rests when it is not, until the end has moved on.
/// Answers tell of the end only while they bring records, so a resting route asks for it (ListOffsets). Answers come whole: one may
/// bring its partition nearer by as many records as it holds.
extension Consumer {
  /// The route's partitions that are further behind than they are to be; none before their ends are known.
  func readable(_ route: Route, of leader: Leader) -> [Int] {
    route.members.filter { at in
      let position = leader.partitions[at]
      guard position.highWatermark != .unknown else { return false }
      return position.offset.rawValue + settings.lagRecords < position.highWatermark.rawValue
    }
  }

  /// Looks at the ends, at once when they were never seen, and goes on with what may be read then.
  func awaitEnds(_ route: Route, of leader: Leader) {
    let isFirst = route.members.allSatisfy { leader.partitions[$0].highWatermark == .unknown }
    let pause = TimeAmount.milliseconds(isFirst ? 0 : Int64(ClientLimits.endPollMs))
    eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self] in self?.askForEnds(route, of: leader) }
  }

  private func askForEnds(_ route: Route, of leader: Leader) {
    guard !isClosed, let connection = leader.connection, connection.isOpen else { return }
    var request = ListOffsetsRequest()
    request.replicaID = -1
    request.topics = [
      .with {
        $0.name = settings.topic
        $0.partitions = route.members.map { at in
          .with {
            $0.partitionIndex = leader.partitions[at].partition
            $0.timestamp = -1
          }
        }
      }
    ]
    requests += 1
    connection.send(request) { [self] result in
      guard !isClosed else { return }
      switch result {
      case .failure(let error): failed(error)
      case .success(let response): take(response.topics.flatMap(\.partitions), route, of: leader)
      }
    }
    connection.flush()
  }

  private func take(_ ends: [ListOffsetsResponse.Partition], _ route: Route, of leader: Leader) {
    for end in ends {
      guard let at = leader.partitions.firstIndex(where: { $0.partition == end.partitionIndex }) else { continue }
      guard end.errorCode == .none else {
        return refuse(route, of: leader, end.errorCode, "the end of \(settings.topic)-\(end.partitionIndex)")
      }
      leader.partitions[at].highWatermark = end.offset
    }
    fetch(route, of: leader)
  }
}
