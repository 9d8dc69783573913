import Model
import NIOCore
import Wire

/// Retries batches after an error code or a lost connection.
extension Producer {
  func failed(_ batch: Batch, _ leader: LeaderConnection, _ error: ClientError) {
    leaveFlight(batch, leader)
    let lane = batch.lane
    defer { if isRaisingEpoch { raiseEpochWhenQuiet() } }
    if !isTooOld(batch), meansNewEpoch(error, in: lane) { return needEpoch(lane) }
    guard isRetriable(error, in: lane), !isTooOld(batch) else {
      finish(batch, .failure(error))
      if lanes[lane].isRecovering { recoverWhenQuiet(lane) }
      return
    }
    lanes[lane].isRecovering = true
    if case .refused(_, _, let code, _) = error, code.meansOldMetadata { lookForLeaders() }
    recoverWhenQuiet(lane)
  }

  /// OUT_OF_ORDER_SEQUENCE passes where it follows from the failure of an earlier batch of the partition.
  private func isRetriable(_ error: ClientError, in lane: Int) -> Bool {
    if case .refused(_, _, .outOfOrderSequenceNumber, _) = error { return lanes[lane].isRecovering }
    return error.isRetriable
  }

  private func isTooOld(_ batch: Batch) -> Bool {
    now() - batch.sealedNs > UInt64(settings.deliveryTimeoutMs) * 1_000_000
  }

  /// Queues the partition's batches again, after a pause, when none of them is in flight.
  func recoverWhenQuiet(_ lane: Int) {
    guard !lanes[lane].unacknowledged.contains(where: { $0.isInFlight }) else { return }
    // Without a connection, `reconnect` queues them again.
    guard leaders[lanes[lane].leader].connection?.isOpen == true else { return }
    let backoff = TimeAmount.milliseconds(Int64(ClientLimits.retryBackoffMs))
    eventLoop.assumeIsolated().scheduleTask(in: backoff) { [weak self] in self?.recover(lane) }
  }

  private func recover(_ lane: Int) {
    guard lanes[lane].isRecovering, !lanes[lane].needsEpoch else { return }
    guard leaders[lanes[lane].leader].connection?.isOpen == true else { return }
    lanes[lane].isRecovering = false
    queueAgain(lane)
  }

  /// Queues the partition's batches that are not in flight, in order, and sends what the limit on requests in flight allows.
  func queueAgain(_ lane: Int) {
    guard !lanes[lane].isHeld else { return }
    let leader = leaders[lanes[lane].leader]
    // Batches queued before a failure are queued again behind the failed ones.
    leader.ready.removeAll { $0.lane == lane }
    for batch in lanes[lane].unacknowledged where !batch.isInFlight && (!isRaisingEpoch || batch.attempts > 0) {
      leader.ready.append(batch)
    }
    send(leader)
  }

  /// Handles the end of a connection, whose batches have failed and wait in their partitions' queues.
  func lost(_ leader: LeaderConnection, _ error: ClientError) {
    guard !leader.isConnecting else { return }
    leader.isConnecting = true
    leader.connection = nil
    for lane in lanes.indices where leaders[lanes[lane].leader] === leader { lanes[lane].isRecovering = true }
    leader.ready.removeAll()
    reconnect(leader, after: error)
  }

  private func reconnect(_ leader: LeaderConnection, after error: ClientError) {
    for lane in lanes.indices where leaders[lanes[lane].leader] === leader {
      for batch in lanes[lane].unacknowledged where isTooOld(batch) { finish(batch, .failure(error)) }
    }
    if isRaisingEpoch { raiseEpochWhenQuiet() }
    let backoff = TimeAmount.milliseconds(Int64(ClientLimits.reconnectBackoffMs))
    eventLoop.assumeIsolated().scheduleTask(in: backoff) { [weak self] in
      guard let self, !self.isClosed else { return }
      self.connect(leader.broker) { [weak self] result in
        guard let self, !self.isClosed else {
          if case .success(let connection) = result { connection.close() }
          return
        }
        switch result {
        case .failure(let error):
          self.lookForLeaders()
          self.reconnect(leader, after: error)
        case .success(let connection):
          self.adopt(connection, leader)
          self.lookForLeaders()
          for lane in self.lanes.indices where self.leaders[self.lanes[lane].leader] === leader { self.recover(lane) }
          self.resumed()
        }
      }
    }
  }

  /// Asks for the partitions' present leaders, and moves partitions to those.
  private func lookForLeaders() {
    guard !isLookingForLeaders else { return }
    isLookingForLeaders = true
    leaderLookups += 1
    LeaderLookup.ask(settings.topic, metadata.brokers(from: leaderLookups), by: connect) { [weak self] found in
      guard let self else { return }
      self.isLookingForLeaders = false
      guard !self.isClosed, let found else { return }
      self.metadata = found
      for partition in found.partitions { self.move(partition) }
    }
  }

  private func move(_ partition: Metadata.Partition) {
    guard let lane = lanes.firstIndex(where: { $0.partition == partition.index }) else { return }
    let index = leaderIndex(of: partition.leader)
    guard lanes[lane].leader != index else { return }
    lanes[lane].leader = index
    lanes[lane].isRecovering = true
    let leader = leaders[index]
    guard leader.connection == nil else { return recoverWhenQuiet(lane) }
    guard !leader.isConnecting else { return }
    leader.isConnecting = true
    reconnect(leader, after: .closed(leader.broker.endpoint, reason: "not connected yet"))
  }
}
