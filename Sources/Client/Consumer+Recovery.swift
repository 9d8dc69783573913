import NIOCore

/// Reconnects to a leader after its connection was lost, and continues at the offsets reached.
extension Consumer {
  func adopt(_ connection: BrokerConnection, _ leader: Leader) {
    leader.connection = connection
    leader.lostNs = nil
    connection.onEnd = { [weak self, weak connection] error in
      // A connection that was already abandoned may end later.
      guard let self, leader.connection === connection else { return }
      self.lost(leader, error)
    }
  }

  /// Abandons a connection that ended or timed out, with every request on it.
  func lost(_ leader: Leader, _ error: ClientError) {
    guard !isClosed, !hasFailed, leader.lostNs == nil else { return }
    guard error.isRetriable else { return fail(error) }
    leader.lostNs = now()
    leader.epoch += 1
    leader.outstanding = 0
    leader.idle = []
    if let connection = leader.connection {
      leader.pastBytes.sent += connection.bytesSent
      leader.pastBytes.received += connection.bytesReceived
      leader.connection = nil
      connection.close()
    }
    reconnect(leader, after: error)
  }

  /// Connects to a broker that leads a newly assigned partition.
  func connectAnew(_ leader: Leader) {
    leader.lostNs = now()
    reconnect(leader, after: .closed(leader.broker.endpoint, reason: "not connected yet"), pauseMs: 0)
  }

  private func reconnect(
    _ leader: Leader, after error: ClientError, pauseMs: Int = ClientLimits.reconnectBackoffMs
  ) {
    guard let lostNs = leader.lostNs else { return }
    guard now() - min(now(), lostNs) <= UInt64(settings.reconnectTimeoutMs) * 1_000_000 else { return fail(error) }
    let backoff = TimeAmount.milliseconds(Int64(pauseMs))
    let epoch = leader.epoch
    eventLoop.assumeIsolated().scheduleTask(in: backoff) { [weak self] in
      guard let self, !self.isClosed, epoch == leader.epoch else { return }
      self.connect(leader.broker) { [weak self] result in
        switch (result, self) {
        case (.success(let connection), let self?) where !self.isClosed && epoch == leader.epoch:
          self.adopt(connection, leader)
          self.fetchAll(of: leader)
        case (.success(let connection), _):
          connection.close()
        case (.failure(let error), let self?) where !self.isClosed && epoch == leader.epoch:
          self.lookForLeaders()
          self.reconnect(leader, after: error)
        case (.failure, _):
          break
        }
      }
    }
  }
}
