import Model
import NIOCore
import Wire

/// Retries batches after an error code or a lost connection.
extension Producer {
  func failed(_ batch: Batch, _ route: Route, _ error: ClientError) {
    leaveFlight(batch, route)
    let lane = batch.lane
    guard mayPass(error, in: lane), !isTooOld(batch) else {
      finish(batch, .failure(error))
      if lanes[lane].isRecovering { recoverWhenQuiet(lane) }
      return
    }
    lanes[lane].isRecovering = true
    if case .refused(_, _, let code, _) = error, Self.meansOldMetadata(code) {
      refreshMetadata(route)
    }
    recoverWhenQuiet(lane)
  }

  /// OUT_OF_ORDER_SEQUENCE is fatal, unless an earlier batch of the lane failed: then it follows from that.
  private func mayPass(_ error: ClientError, in lane: Int) -> Bool {
    if case .refused(_, _, .outOfOrderSequenceNumber, _) = error { return lanes[lane].isRecovering }
    return error.isRetriable
  }

  private func isTooOld(_ batch: Batch) -> Bool {
    now() - batch.sealedNs > UInt64(settings.deliveryTimeoutMs) * 1_000_000
  }

  private static func meansOldMetadata(_ code: ErrorCode) -> Bool {
    code == .notLeaderOrFollower || code == .unknownTopicOrPartition || code == .leaderNotAvailable
      || code == .fencedLeaderEpoch
  }

  /// Queues the lane's batches again, after a pause, when none of them is in flight.
  func recoverWhenQuiet(_ lane: Int) {
    guard !lanes[lane].unacknowledged.contains(where: { $0.isInFlight }) else { return }
    // While the route has no connection, `lost` queues them again when it has one.
    guard routes[lanes[lane].route].connection?.isOpen == true else { return }
    let backoff = TimeAmount.milliseconds(Int64(ClientLimits.retryBackoffMs))
    eventLoop.assumeIsolated().scheduleTask(in: backoff) { [weak self] in self?.recover(lane) }
  }

  private func recover(_ lane: Int) {
    guard lanes[lane].isRecovering else { return }
    let route = routes[lanes[lane].route]
    guard route.connection?.isOpen == true else { return }
    lanes[lane].isRecovering = false
    // Some may still be queued from before the trouble began: behind those that failed, all go in order.
    route.ready.removeAll { $0.lane == lane }
    for batch in lanes[lane].unacknowledged where !batch.isInFlight { route.ready.append(batch) }
    send(route)
  }

  /// Handles the end of a connection: its batches have failed and wait in their lanes.
  func lost(_ route: Route, _ error: ClientError) {
    guard !route.isConnecting else { return }
    route.isConnecting = true
    route.connection = nil
    for lane in lanes.indices where routes[lanes[lane].route] === route { lanes[lane].isRecovering = true }
    route.ready.removeAll()
    reconnect(route, after: error)
  }

  private func reconnect(_ route: Route, after error: ClientError) {
    for lane in lanes.indices where routes[lanes[lane].route] === route {
      for batch in lanes[lane].unacknowledged where isTooOld(batch) { finish(batch, .failure(error)) }
    }
    let backoff = TimeAmount.milliseconds(Int64(ClientLimits.reconnectBackoffMs))
    eventLoop.assumeIsolated().scheduleTask(in: backoff) { [weak self] in
      guard let self else { return }
      self.connect(route.broker) { [weak self] result in
        guard let self else { return }
        switch result {
        case .failure(let error):
          self.reconnect(route, after: error)
        case .success(let connection):
          self.adopt(connection, route)
          self.refreshMetadata(route)
          for lane in self.lanes.indices where self.routes[self.lanes[lane].route] === route { self.recover(lane) }
          self.resumed()
        }
      }
    }
  }

  /// Asks the route's broker for the partitions' leaders, and moves lanes to them.
  private func refreshMetadata(_ route: Route) {
    guard let connection = route.connection, connection.isOpen else { return }
    connection.send(Metadata.request(topic: settings.topic, autoCreate: false)) { [weak self] result in
      guard let self, case .success(let answer) = result,
        let metadata = try? Metadata(answer, topic: self.settings.topic, from: route.broker.endpoint)
      else { return }
      for partition in metadata.partitions { self.move(partition) }
    }
    connection.flush()
  }

  private func move(_ partition: Metadata.Partition) {
    guard let lane = lanes.firstIndex(where: { $0.partition == partition.index }) else { return }
    let index = routeIndex(of: partition.leader)
    guard lanes[lane].route != index else { return }
    lanes[lane].route = index
    lanes[lane].isRecovering = true
    let route = routes[index]
    guard route.connection == nil else { return recoverWhenQuiet(lane) }
    guard !route.isConnecting else { return }
    route.isConnecting = true
    reconnect(route, after: .closed(route.broker.endpoint, reason: "not connected yet"))
  }
}
