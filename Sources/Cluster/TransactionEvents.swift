package import Model

extension Transactions {
  /// Identifies a pending request. The caller chooses it.
  package typealias RequestID = UInt64
  /// Identifies an append to the log. The coordinator chooses it.
  package typealias Ticket = UInt64

  /// Describes an event that the coordinator handles.
  package enum Event: Equatable, Sendable {
    case initProducerID(RequestID, InitProducerID)
    case addPartitions(RequestID, AddPartitions)
    case end(RequestID, End)
    /// The append of that ticket is over; an error says that the log has not taken it, or may not have.
    case appended(Ticket, ErrorCode?)
    /// What became of an order's markers, of some partitions or all.
    case markersWritten(MarkerOrder, [MarkerResult])
    /// The timer of `transaction.abort.timed.out.transaction.cleanup.interval.ms` fired.
    case timeoutsDue
    /// The timer of `transaction.remove.expired.transaction.cleanup.interval.ms` fired.
    case expiryDue(afterMs: Int64)
    /// `nextRetryMs` has come.
    case retryDue
  }

  /// Describes an effect to carry out. Effects are carried out in order.
  package enum Effect: Equatable, Sendable {
    /// Append the changes to the log, as one batch; `appended` follows.
    case append(Ticket, [Change])
    /// Write the markers; `markersWritten` follows.
    case writeMarkers(MarkerOrder)
    /// Draw a producer id, and repeat the event with it (`Event.with(newProducerID:)`).
    case drawProducerID(Event)
    case respond(RequestID, Response)
    /// A partition has a newer epoch than the marker, or a newer coordinator has written to it: this coordinator does not go on with
    /// the transaction.
    case abandoned(MarkerOrder, ErrorCode)
  }

  /// Describes a record of the log.
  package struct Change: Equatable, Sendable {
    package var transactionalID: String
    /// Nil: a tombstone.
    package var state: TransactionState?

    package init(transactionalID: String, state: TransactionState? = nil) {
      self.transactionalID = transactionalID
      self.state = state
    }
  }

  /// The response to a request.
  package enum Response: Equatable, Sendable {
    case refused(ErrorCode)
    /// The id and epoch that the producer has from now on.
    case producer(id: Int64, epoch: Int16)
    case done
  }

  package struct InitProducerID: Equatable, Sendable {
    package var transactionalID: String
    /// In milliseconds.
    package var timeoutMs: Int32
    /// The producer id and epoch that the client has (KIP-360); nil for a client that begins.
    package var expected: ProducerIdentity?
    /// A producer id that was drawn for this request.
    package var newProducerID: Int64?

    package init(transactionalID: String, timeoutMs: Int32, expected: ProducerIdentity? = nil) {
      self.transactionalID = transactionalID
      self.timeoutMs = timeoutMs
      self.expected = expected
    }
  }

  package struct AddPartitions: Equatable, Sendable {
    package var transactionalID: String
    package var producer: ProducerIdentity
    package var partitions: [TopicPartition]
    /// The client's transaction version: 2 where a produce adds its partitions itself.
    package var version: Int16

    package init(
      transactionalID: String, producer: ProducerIdentity, partitions: [TopicPartition], version: Int16 = 0
    ) {
      self.transactionalID = transactionalID
      self.producer = producer
      self.partitions = partitions
      self.version = version
    }
  }

  package struct End: Equatable, Sendable {
    package var transactionalID: String
    package var producer: ProducerIdentity
    package var outcome: EndTransactionMarker.Outcome
    /// The client's transaction version: 2 from EndTxn version 5 on.
    package var version: Int16
    /// A producer id that was drawn for this request.
    package var newProducerID: Int64?

    package init(
      transactionalID: String, producer: ProducerIdentity, outcome: EndTransactionMarker.Outcome, version: Int16 = 0
    ) {
      self.transactionalID = transactionalID
      self.producer = producer
      self.outcome = outcome
      self.version = version
    }
  }

  /// Describes the markers that a transaction still needs.
  package struct MarkerOrder: Equatable, Sendable {
    package var transactionalID: String
    package var producer: ProducerIdentity
    package var marker: EndTransactionMarker
    /// In rising order.
    package var partitions: [TopicPartition]
  }

  package struct MarkerResult: Equatable, Sendable {
    package var partition: TopicPartition
    package var outcome: MarkerOutcome

    package init(_ partition: TopicPartition, _ outcome: MarkerOutcome) {
      self.partition = partition
      self.outcome = outcome
    }
  }

  package enum MarkerOutcome: Equatable, Sendable {
    /// Every in-sync replica has the marker.
    case written
    /// The partition does not exist any more.
    case gone
    /// Not now; a marker that was written nevertheless may be written again.
    case failed(ErrorCode)
    /// INVALID_PRODUCER_EPOCH or TRANSACTION_COORDINATOR_FENCED.
    case fenced(ErrorCode)

    /// The outcome that an error code says.
    package init(_ code: ErrorCode) {
      switch code {
      case .none: self = .written
      // Kafka takes a partition that can hold no marker for one that needs none.
      case .unknownTopicOrPartition, .unsupportedForMessageFormat: self = .gone
      case .invalidProducerEpoch, .transactionCoordinatorFenced: self = .fenced(code)
      default: self = .failed(code)
      }
    }
  }
}

extension Transactions.Event {
  /// Returns the event with the producer id that `Effect.drawProducerID` asked for.
  package func with(newProducerID: Int64) -> Transactions.Event {
    switch self {
    case .initProducerID(let request, var asked):
      asked.newProducerID = newProducerID
      return .initProducerID(request, asked)
    case .end(let request, var asked):
      asked.newProducerID = newProducerID
      return .end(request, asked)
    case .addPartitions, .appended, .markersWritten, .timeoutsDue, .expiryDue, .retryDue:
      return self
    }
  }

  /// The request that the event is; nil for other events.
  package var request: Transactions.RequestID? {
    switch self {
    case .initProducerID(let request, _), .addPartitions(let request, _), .end(let request, _): request
    case .appended, .markersWritten, .timeoutsDue, .expiryDue, .retryDue: nil
    }
  }
}
