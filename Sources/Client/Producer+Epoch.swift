import Model
import NIOCore
import Wire

/// Raises the epoch of an idempotent producer whose sequences a broker does not know any more (KIP-360), and sends its batches
/// again with new sequences, which begin at 0 in every partition.
///
/// Worked case: partition 0 has batches a b in flight, partition 1 has c. The broker refuses a with UNKNOWN_PRODUCER_ID. No new
/// batch is sent until b and c are answered; c must be acknowledged first, however often it is sent, because with another
/// sequence the broker would not know it again. Then the epoch is raised, and a b are sent as 0 1.
extension Producer {
  /// Returns whether an error says that the broker does not know the producer's sequences. OUT_OF_ORDER_SEQUENCE says so unless
  /// it follows from the failure of an earlier batch of the partition. In a transaction such an error ends the transaction.
  func meansNewEpoch(_ error: ClientError, in lane: Int) -> Bool {
    guard identity != nil, settings.transactionalID == nil, case .refused(_, _, let code, _) = error else {
      return false
    }
    switch code {
    case .unknownProducerId: return true
    case .outOfOrderSequenceNumber: return !lanes[lane].isRecovering || lanes[lane].needsEpoch
    default: return false
    }
  }

  func needEpoch(_ lane: Int) {
    lanes[lane].needsEpoch = true
    lanes[lane].isRecovering = true
    guard !isRaisingEpoch else { return }
    isRaisingEpoch = true
    for leader in leaders { leader.ready.removeAll { $0.attempts == 0 || $0.lane == lane } }
  }

  /// Raises the epoch when no batch is in flight, and those of other partitions that were sent are acknowledged.
  func raiseEpochWhenQuiet() {
    let isQuiet = lanes.allSatisfy { lane in
      lane.unacknowledged.allSatisfy { !$0.isInFlight && ($0.attempts == 0 || lane.needsEpoch) }
    }
    guard isRaisingEpoch, isQuiet, let identity else { return }
    guard identity.epoch == .max else {
      return begin(ProducerIdentity(id: identity.id, epoch: identity.epoch + 1))
    }
    askForIdentity()
  }

  /// The last epoch was used: another producer id is needed.
  private func askForIdentity() {
    guard let connection = leaders.lazy.compactMap(\.connection).first(where: \.isOpen) else { return askLater() }
    var request = InitProducerIdRequest()
    request.transactionTimeoutMs = Int32(settings.transactionTimeoutMs)
    connection.send(request) { [weak self] result in
      guard let self else { return }
      guard case .success(let answer) = result, answer.errorCode == .none else { return self.askLater() }
      self.begin(ProducerIdentity(id: answer.producerID, epoch: answer.producerEpoch))
    }
    connection.flush()
  }

  private func askLater() {
    let backoff = TimeAmount.milliseconds(Int64(ClientLimits.retryBackoffMs))
    eventLoop.assumeIsolated().scheduleTask(in: backoff) { [weak self] in self?.raiseEpochWhenQuiet() }
  }

  /// Sends what is unacknowledged again, as `identity` and with new sequences.
  private func begin(_ identity: ProducerIdentity) {
    guard isRaisingEpoch else { return }
    epochRises += 1
    renumber(as: identity)
    isRaisingEpoch = false
    for lane in lanes.indices {
      let isConnected = leaders[lanes[lane].leader].connection?.isOpen == true
      lanes[lane].needsEpoch = false
      // Without a connection, `reconnect` queues them.
      lanes[lane].isRecovering = !isConnected
      if isConnected { queueAgain(lane) }
    }
    resumed()
  }

  /// Takes another identity: the sequences of every partition begin at 0, those of unacknowledged batches included.
  func renumber(as identity: ProducerIdentity) {
    self.identity = identity
    for lane in lanes.indices {
      var sequence: Int32 = 0
      for batch in lanes[lane].unacknowledged {
        batch.rewrite(as: identity, baseSequence: sequence)
        sequence = Self.sequence(sequence, after: batch.records)
      }
      lanes[lane].nextSequence = sequence
    }
  }
}

/// Partitions enter a transaction before their first batches are sent.
extension Producer {
  /// Begins a transaction: no lane is sent before it is released.
  func hold() {
    for lane in lanes.indices { lanes[lane].isHeld = true }
  }

  func release(_ lane: Int) {
    lanes[lane].isHeld = false
    if !lanes[lane].isRecovering { queueAgain(lane) }
  }

  /// Gives up the batches of lanes that cannot enter the transaction.
  func giveUpHeld(_ error: ClientError) {
    for lane in lanes.indices where lanes[lane].isHeld {
      for batch in lanes[lane].unacknowledged { finish(batch, .failure(error)) }
    }
  }
}
