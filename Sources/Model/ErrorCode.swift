/// Kafka's error codes, by the names of the protocol guide (`INVALID_REQUEST` is `.invalidRequest`).
///
/// A code this table lacks still decodes: `rawValue` keeps it and `name` says `UNKNOWN(n)`.
package struct ErrorCode: RawRepresentable, Hashable, Sendable, Error {
  package var rawValue: Int16

  @inlinable package init(rawValue: Int16) { self.rawValue = rawValue }

  package static let unknownServerError = ErrorCode(rawValue: -1)
  package static let none = ErrorCode(rawValue: 0)
  package static let offsetOutOfRange = ErrorCode(rawValue: 1)
  package static let corruptMessage = ErrorCode(rawValue: 2)
  package static let unknownTopicOrPartition = ErrorCode(rawValue: 3)
  package static let invalidFetchSize = ErrorCode(rawValue: 4)
  package static let leaderNotAvailable = ErrorCode(rawValue: 5)
  package static let notLeaderOrFollower = ErrorCode(rawValue: 6)
  package static let requestTimedOut = ErrorCode(rawValue: 7)
  package static let brokerNotAvailable = ErrorCode(rawValue: 8)
  package static let replicaNotAvailable = ErrorCode(rawValue: 9)
  package static let messageTooLarge = ErrorCode(rawValue: 10)
  package static let staleControllerEpoch = ErrorCode(rawValue: 11)
  package static let offsetMetadataTooLarge = ErrorCode(rawValue: 12)
  package static let networkException = ErrorCode(rawValue: 13)
  package static let coordinatorLoadInProgress = ErrorCode(rawValue: 14)
  package static let coordinatorNotAvailable = ErrorCode(rawValue: 15)
  package static let notCoordinator = ErrorCode(rawValue: 16)
  package static let invalidTopicException = ErrorCode(rawValue: 17)
  package static let recordListTooLarge = ErrorCode(rawValue: 18)
  package static let notEnoughReplicas = ErrorCode(rawValue: 19)
  package static let notEnoughReplicasAfterAppend = ErrorCode(rawValue: 20)
  package static let invalidRequiredAcks = ErrorCode(rawValue: 21)
  package static let illegalGeneration = ErrorCode(rawValue: 22)
  package static let inconsistentGroupProtocol = ErrorCode(rawValue: 23)
  package static let invalidGroupId = ErrorCode(rawValue: 24)
  package static let unknownMemberId = ErrorCode(rawValue: 25)
  package static let invalidSessionTimeout = ErrorCode(rawValue: 26)
  package static let rebalanceInProgress = ErrorCode(rawValue: 27)
  package static let invalidCommitOffsetSize = ErrorCode(rawValue: 28)
  package static let topicAuthorizationFailed = ErrorCode(rawValue: 29)
  package static let groupAuthorizationFailed = ErrorCode(rawValue: 30)
  package static let clusterAuthorizationFailed = ErrorCode(rawValue: 31)
  package static let invalidTimestamp = ErrorCode(rawValue: 32)
  package static let unsupportedSaslMechanism = ErrorCode(rawValue: 33)
  package static let illegalSaslState = ErrorCode(rawValue: 34)
  package static let unsupportedVersion = ErrorCode(rawValue: 35)
  package static let topicAlreadyExists = ErrorCode(rawValue: 36)
  package static let invalidPartitions = ErrorCode(rawValue: 37)
  package static let invalidReplicationFactor = ErrorCode(rawValue: 38)
  package static let invalidReplicaAssignment = ErrorCode(rawValue: 39)
  package static let invalidConfig = ErrorCode(rawValue: 40)
  package static let notController = ErrorCode(rawValue: 41)
  package static let invalidRequest = ErrorCode(rawValue: 42)
  package static let unsupportedForMessageFormat = ErrorCode(rawValue: 43)
  package static let policyViolation = ErrorCode(rawValue: 44)
  package static let outOfOrderSequenceNumber = ErrorCode(rawValue: 45)
  package static let duplicateSequenceNumber = ErrorCode(rawValue: 46)
  package static let invalidProducerEpoch = ErrorCode(rawValue: 47)
  package static let invalidTxnState = ErrorCode(rawValue: 48)
  package static let invalidProducerIdMapping = ErrorCode(rawValue: 49)
  package static let invalidTransactionTimeout = ErrorCode(rawValue: 50)
  package static let concurrentTransactions = ErrorCode(rawValue: 51)
  package static let transactionCoordinatorFenced = ErrorCode(rawValue: 52)
  package static let transactionalIdAuthorizationFailed = ErrorCode(rawValue: 53)
  package static let securityDisabled = ErrorCode(rawValue: 54)
  package static let operationNotAttempted = ErrorCode(rawValue: 55)
  package static let kafkaStorageError = ErrorCode(rawValue: 56)
  package static let logDirNotFound = ErrorCode(rawValue: 57)
  package static let saslAuthenticationFailed = ErrorCode(rawValue: 58)
  package static let unknownProducerId = ErrorCode(rawValue: 59)
  package static let reassignmentInProgress = ErrorCode(rawValue: 60)
  package static let delegationTokenAuthDisabled = ErrorCode(rawValue: 61)
  package static let delegationTokenNotFound = ErrorCode(rawValue: 62)
  package static let delegationTokenOwnerMismatch = ErrorCode(rawValue: 63)
  package static let delegationTokenRequestNotAllowed = ErrorCode(rawValue: 64)
  package static let delegationTokenAuthorizationFailed = ErrorCode(rawValue: 65)
  package static let delegationTokenExpired = ErrorCode(rawValue: 66)
  package static let invalidPrincipalType = ErrorCode(rawValue: 67)
  package static let nonEmptyGroup = ErrorCode(rawValue: 68)
  package static let groupIdNotFound = ErrorCode(rawValue: 69)
  package static let fetchSessionIdNotFound = ErrorCode(rawValue: 70)
  package static let invalidFetchSessionEpoch = ErrorCode(rawValue: 71)
  package static let listenerNotFound = ErrorCode(rawValue: 72)
  package static let topicDeletionDisabled = ErrorCode(rawValue: 73)
  package static let fencedLeaderEpoch = ErrorCode(rawValue: 74)
  package static let unknownLeaderEpoch = ErrorCode(rawValue: 75)
  package static let unsupportedCompressionType = ErrorCode(rawValue: 76)
  package static let staleBrokerEpoch = ErrorCode(rawValue: 77)
  package static let offsetNotAvailable = ErrorCode(rawValue: 78)
  package static let memberIdRequired = ErrorCode(rawValue: 79)
  package static let preferredLeaderNotAvailable = ErrorCode(rawValue: 80)
  package static let groupMaxSizeReached = ErrorCode(rawValue: 81)
  package static let fencedInstanceId = ErrorCode(rawValue: 82)
  package static let eligibleLeadersNotAvailable = ErrorCode(rawValue: 83)
  package static let electionNotNeeded = ErrorCode(rawValue: 84)
  package static let noReassignmentInProgress = ErrorCode(rawValue: 85)
  package static let groupSubscribedToTopic = ErrorCode(rawValue: 86)
  package static let invalidRecord = ErrorCode(rawValue: 87)
  package static let unstableOffsetCommit = ErrorCode(rawValue: 88)
  package static let throttlingQuotaExceeded = ErrorCode(rawValue: 89)
  package static let producerFenced = ErrorCode(rawValue: 90)
  package static let resourceNotFound = ErrorCode(rawValue: 91)
  package static let duplicateResource = ErrorCode(rawValue: 92)
  package static let unacceptableCredential = ErrorCode(rawValue: 93)
  package static let inconsistentVoterSet = ErrorCode(rawValue: 94)
  package static let invalidUpdateVersion = ErrorCode(rawValue: 95)
  package static let featureUpdateFailed = ErrorCode(rawValue: 96)
  package static let principalDeserializationFailure = ErrorCode(rawValue: 97)
  package static let snapshotNotFound = ErrorCode(rawValue: 98)
  package static let unknownTopicId = ErrorCode(rawValue: 100)
  package static let duplicateBrokerRegistration = ErrorCode(rawValue: 101)
  package static let brokerIdNotRegistered = ErrorCode(rawValue: 102)
  package static let inconsistentTopicId = ErrorCode(rawValue: 103)
  package static let inconsistentClusterId = ErrorCode(rawValue: 104)
  package static let transactionalIdNotFound = ErrorCode(rawValue: 105)
  package static let fetchSessionTopicIdError = ErrorCode(rawValue: 106)
  package static let ineligibleReplica = ErrorCode(rawValue: 107)
  package static let newLeaderElected = ErrorCode(rawValue: 108)
  package static let offsetMovedToTieredStorage = ErrorCode(rawValue: 109)
  package static let fencedMemberEpoch = ErrorCode(rawValue: 110)
  package static let unreleasedInstanceId = ErrorCode(rawValue: 111)
  package static let unsupportedAssignor = ErrorCode(rawValue: 112)
  package static let staleMemberEpoch = ErrorCode(rawValue: 113)
  package static let mismatchedEndpointType = ErrorCode(rawValue: 114)
  package static let unsupportedEndpointType = ErrorCode(rawValue: 115)
  package static let unknownControllerId = ErrorCode(rawValue: 116)
  package static let unknownSubscriptionId = ErrorCode(rawValue: 117)
  package static let telemetryTooLarge = ErrorCode(rawValue: 118)
  package static let invalidRegistration = ErrorCode(rawValue: 119)
  package static let transactionAbortable = ErrorCode(rawValue: 120)
  package static let invalidRecordState = ErrorCode(rawValue: 121)
  package static let shareSessionNotFound = ErrorCode(rawValue: 122)
  package static let invalidShareSessionEpoch = ErrorCode(rawValue: 123)
  package static let fencedStateEpoch = ErrorCode(rawValue: 124)
  package static let invalidVoterKey = ErrorCode(rawValue: 125)
  package static let duplicateVoter = ErrorCode(rawValue: 126)
  package static let voterNotFound = ErrorCode(rawValue: 127)
  package static let invalidRegularExpression = ErrorCode(rawValue: 128)
}

extension ErrorCode: CustomStringConvertible {
  /// Kafka's name for the code.
  package var name: String { Self.names[rawValue] ?? "UNKNOWN(\(rawValue))" }

  package var description: String { name }

  /// True where a client that tries again may succeed (the protocol guide's "retriable" column).
  package var isRetriable: Bool { Self.retriable.contains(rawValue) }

  private static let names: [Int16: String] = [
    -1: "UNKNOWN_SERVER_ERROR",
    0: "NONE",
    1: "OFFSET_OUT_OF_RANGE",
    2: "CORRUPT_MESSAGE",
    3: "UNKNOWN_TOPIC_OR_PARTITION",
    4: "INVALID_FETCH_SIZE",
    5: "LEADER_NOT_AVAILABLE",
    6: "NOT_LEADER_OR_FOLLOWER",
    7: "REQUEST_TIMED_OUT",
    8: "BROKER_NOT_AVAILABLE",
    9: "REPLICA_NOT_AVAILABLE",
    10: "MESSAGE_TOO_LARGE",
    11: "STALE_CONTROLLER_EPOCH",
    12: "OFFSET_METADATA_TOO_LARGE",
    13: "NETWORK_EXCEPTION",
    14: "COORDINATOR_LOAD_IN_PROGRESS",
    15: "COORDINATOR_NOT_AVAILABLE",
    16: "NOT_COORDINATOR",
    17: "INVALID_TOPIC_EXCEPTION",
    18: "RECORD_LIST_TOO_LARGE",
    19: "NOT_ENOUGH_REPLICAS",
    20: "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    21: "INVALID_REQUIRED_ACKS",
    22: "ILLEGAL_GENERATION",
    23: "INCONSISTENT_GROUP_PROTOCOL",
    24: "INVALID_GROUP_ID",
    25: "UNKNOWN_MEMBER_ID",
    26: "INVALID_SESSION_TIMEOUT",
    27: "REBALANCE_IN_PROGRESS",
    28: "INVALID_COMMIT_OFFSET_SIZE",
    29: "TOPIC_AUTHORIZATION_FAILED",
    30: "GROUP_AUTHORIZATION_FAILED",
    31: "CLUSTER_AUTHORIZATION_FAILED",
    32: "INVALID_TIMESTAMP",
    33: "UNSUPPORTED_SASL_MECHANISM",
    34: "ILLEGAL_SASL_STATE",
    35: "UNSUPPORTED_VERSION",
    36: "TOPIC_ALREADY_EXISTS",
    37: "INVALID_PARTITIONS",
    38: "INVALID_REPLICATION_FACTOR",
    39: "INVALID_REPLICA_ASSIGNMENT",
    40: "INVALID_CONFIG",
    41: "NOT_CONTROLLER",
    42: "INVALID_REQUEST",
    43: "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    44: "POLICY_VIOLATION",
    45: "OUT_OF_ORDER_SEQUENCE_NUMBER",
    46: "DUPLICATE_SEQUENCE_NUMBER",
    47: "INVALID_PRODUCER_EPOCH",
    48: "INVALID_TXN_STATE",
    49: "INVALID_PRODUCER_ID_MAPPING",
    50: "INVALID_TRANSACTION_TIMEOUT",
    51: "CONCURRENT_TRANSACTIONS",
    52: "TRANSACTION_COORDINATOR_FENCED",
    53: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    54: "SECURITY_DISABLED",
    55: "OPERATION_NOT_ATTEMPTED",
    56: "KAFKA_STORAGE_ERROR",
    57: "LOG_DIR_NOT_FOUND",
    58: "SASL_AUTHENTICATION_FAILED",
    59: "UNKNOWN_PRODUCER_ID",
    60: "REASSIGNMENT_IN_PROGRESS",
    61: "DELEGATION_TOKEN_AUTH_DISABLED",
    62: "DELEGATION_TOKEN_NOT_FOUND",
    63: "DELEGATION_TOKEN_OWNER_MISMATCH",
    64: "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
    65: "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
    66: "DELEGATION_TOKEN_EXPIRED",
    67: "INVALID_PRINCIPAL_TYPE",
    68: "NON_EMPTY_GROUP",
    69: "GROUP_ID_NOT_FOUND",
    70: "FETCH_SESSION_ID_NOT_FOUND",
    71: "INVALID_FETCH_SESSION_EPOCH",
    72: "LISTENER_NOT_FOUND",
    73: "TOPIC_DELETION_DISABLED",
    74: "FENCED_LEADER_EPOCH",
    75: "UNKNOWN_LEADER_EPOCH",
    76: "UNSUPPORTED_COMPRESSION_TYPE",
    77: "STALE_BROKER_EPOCH",
    78: "OFFSET_NOT_AVAILABLE",
    79: "MEMBER_ID_REQUIRED",
    80: "PREFERRED_LEADER_NOT_AVAILABLE",
    81: "GROUP_MAX_SIZE_REACHED",
    82: "FENCED_INSTANCE_ID",
    83: "ELIGIBLE_LEADERS_NOT_AVAILABLE",
    84: "ELECTION_NOT_NEEDED",
    85: "NO_REASSIGNMENT_IN_PROGRESS",
    86: "GROUP_SUBSCRIBED_TO_TOPIC",
    87: "INVALID_RECORD",
    88: "UNSTABLE_OFFSET_COMMIT",
    89: "THROTTLING_QUOTA_EXCEEDED",
    90: "PRODUCER_FENCED",
    91: "RESOURCE_NOT_FOUND",
    92: "DUPLICATE_RESOURCE",
    93: "UNACCEPTABLE_CREDENTIAL",
    94: "INCONSISTENT_VOTER_SET",
    95: "INVALID_UPDATE_VERSION",
    96: "FEATURE_UPDATE_FAILED",
    97: "PRINCIPAL_DESERIALIZATION_FAILURE",
    98: "SNAPSHOT_NOT_FOUND",
    100: "UNKNOWN_TOPIC_ID",
    101: "DUPLICATE_BROKER_REGISTRATION",
    102: "BROKER_ID_NOT_REGISTERED",
    103: "INCONSISTENT_TOPIC_ID",
    104: "INCONSISTENT_CLUSTER_ID",
    105: "TRANSACTIONAL_ID_NOT_FOUND",
    106: "FETCH_SESSION_TOPIC_ID_ERROR",
    107: "INELIGIBLE_REPLICA",
    108: "NEW_LEADER_ELECTED",
    109: "OFFSET_MOVED_TO_TIERED_STORAGE",
    110: "FENCED_MEMBER_EPOCH",
    111: "UNRELEASED_INSTANCE_ID",
    112: "UNSUPPORTED_ASSIGNOR",
    113: "STALE_MEMBER_EPOCH",
    114: "MISMATCHED_ENDPOINT_TYPE",
    115: "UNSUPPORTED_ENDPOINT_TYPE",
    116: "UNKNOWN_CONTROLLER_ID",
    117: "UNKNOWN_SUBSCRIPTION_ID",
    118: "TELEMETRY_TOO_LARGE",
    119: "INVALID_REGISTRATION",
    120: "TRANSACTION_ABORTABLE",
    121: "INVALID_RECORD_STATE",
    122: "SHARE_SESSION_NOT_FOUND",
    123: "INVALID_SHARE_SESSION_EPOCH",
    124: "FENCED_STATE_EPOCH",
    125: "INVALID_VOTER_KEY",
    126: "DUPLICATE_VOTER",
    127: "VOTER_NOT_FOUND",
    128: "INVALID_REGULAR_EXPRESSION",
  ]

  private static let retriable: Set<Int16> = [
    2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 70, 71, 72, 74, 75, 78, 80, 83, 84, 88,
    89, 100, 103, 106, 122, 123,
  ]
}
