package import Model
package import Storage

/// Says why a partition refused a request.
package enum PartitionError: Error, Equatable {
  /// The topic was deleted during the request.
  case deleted
  /// The partition's files are unusable.
  case offline
  /// Another replica leads.
  case notLeader
  /// acks=all, and fewer than min.insync.replicas are in sync: nothing was appended.
  case notEnoughReplicas
  /// acks=all, and fewer than min.insync.replicas are in sync by now: the records are in the log.
  case notEnoughReplicasAfterAppend
  /// The client knows an older leadership than ours.
  case fencedLeaderEpoch
  /// The client knows a newer leadership than ours.
  case unknownLeaderEpoch
  /// The high watermark of a new leader may be below what an earlier one has shown to clients.
  case highWatermarkBehind
  case append(AppendError)
  case read(ReadError)
}

extension PartitionError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .deleted: "the topic was deleted"
    case .offline: "the partition is offline"
    case .notLeader: "another replica leads"
    case .notEnoughReplicas: "fewer replicas than min.insync.replicas are in sync"
    case .notEnoughReplicasAfterAppend: "fewer replicas than min.insync.replicas are in sync since the append"
    case .fencedLeaderEpoch: "the leader epoch is older than the partition's"
    case .unknownLeaderEpoch: "the leader epoch is newer than the partition's"
    case .highWatermarkBehind: "the new leader does not know yet which records are replicated"
    case .append(let error): "\(error)"
    case .read(let error): "\(error)"
    }
  }
}

extension ErrorCode {
  package init(_ error: PartitionError) {
    switch error {
    case .deleted: self = .unknownTopicOrPartition
    case .offline: self = .kafkaStorageError
    case .notLeader: self = .notLeaderOrFollower
    case .notEnoughReplicas: self = .notEnoughReplicas
    case .notEnoughReplicasAfterAppend: self = .notEnoughReplicasAfterAppend
    case .fencedLeaderEpoch: self = .fencedLeaderEpoch
    case .unknownLeaderEpoch: self = .unknownLeaderEpoch
    case .highWatermarkBehind: self = .offsetNotAvailable
    case .append(let error): self.init(error)
    case .read(.outOfRange): self = .offsetOutOfRange
    case .read(.diskFailed): self = .kafkaStorageError
    // Retriable: clients ask again, for the partitions that got this error.
    case .read(.unpacksTooMuch): self = .offsetNotAvailable
    }
  }

  package init(_ error: AppendError) {
    switch error {
    case .tooLarge: self = .messageTooLarge
    case .largerThanSegment: self = .recordListTooLarge
    case .timestampOutOfRange: self = .invalidTimestamp
    case .outOfOrderSequence: self = .outOfOrderSequenceNumber
    case .invalidProducerEpoch: self = .invalidProducerEpoch
    case .coordinatorFenced: self = .transactionCoordinatorFenced
    case .unverified: self = .invalidTxnState
    case .invalidRecord: self = .invalidRecord
    case .unexpectedOffset: self = .unknownServerError
    case .corrupt: self = .corruptMessage
    case .diskFailed, .offline: self = .kafkaStorageError
    }
  }
}
