import Model
import NIOCore
import Security
import Wire

@testable import Broker

/// A request of each API, by which the table of rights is walked. What they name does not exist, so that none of them changes anything.
struct AccessSample: Sendable {
  let request: any GuardedRequest
  let version: Int16
  /// Rights that are lacking all the time: each would be enough in the place of another.
  let lacking: [(AclOperation, ResourceType)]
  /// Whether it is sent: one that only a connection with SASL may send ends every other.
  let isSent: Bool

  init(
    _ request: any GuardedRequest, _ version: Int16, lacking: (AclOperation, ResourceType)..., isSent: Bool = true
  ) {
    self.isSent = isSent
    self.request = request
    self.version = version
    self.lacking = lacking
  }

  var key: Int16 { Swift.type(of: request).api.key }
  var row: AccessRow { Swift.type(of: request).access }

  static let all: [AccessSample] = records + groups + transactions + topics + cluster

  private static let records: [AccessSample] = [
    AccessSample(
      ProduceRequest.with {
        $0.acks = 1
        $0.topicData = [
          .with {
            $0.name = "t"; $0.partitionData = [.with { $0.index = 7 }]
          }
        ]
      }, 9),
    AccessSample(
      ProduceRequest.with {
        $0.acks = -1
        $0.transactionalID = "x"
        $0.topicData = [
          .with {
            $0.name = "t"; $0.partitionData = [.with { $0.index = 7 }]
          }
        ]
      }, 9),
    AccessSample(FetchRequest.from("t", 7, 0), 11),
    AccessSample(
      FetchRequest.with {
        $0.replicaID = 2
        $0.topics = [
          .with {
            $0.topic = "t"; $0.partitions = [.with { $0.partition = 7 }]
          }
        ]
      }, 11),
    AccessSample(
      ListOffsetsRequest.with {
        $0.replicaID = -1
        $0.topics = [
          .with {
            $0.name = "t"; $0.partitions = [.with { $0.partitionIndex = 7 }]
          }
        ]
      }, 7),
    AccessSample(
      DeleteRecordsRequest.with {
        $0.topics = [
          .with {
            $0.name = "t"; $0.partitions = [.with { $0.partitionIndex = 7 }]
          }
        ]
      }, 2),
    AccessSample(
      OffsetForLeaderEpochRequest.with {
        $0.topics = [
          .with {
            $0.topic = "t"; $0.partitions = [.with { $0.partition = 7 }]
          }
        ]
      }, 4, lacking: (.clusterAction, .cluster)),
    AccessSample(
      DescribeProducersRequest.with {
        $0.topics = [
          .with {
            $0.name = "t"; $0.partitionIndexes = [7]
          }
        ]
      }, 0),
  ]

  private static let groups: [AccessSample] = [
    AccessSample(
      JoinGroupRequest.with {
        $0.groupID = "g"
        $0.sessionTimeoutMs = 10_000
        $0.protocolType = "consumer"
        $0.protocols = [.with { $0.name = "range" }]
      }, 5),
    AccessSample(
      SyncGroupRequest.with {
        $0.groupID = "g"; $0.memberID = "m"
      }, 5),
    AccessSample(
      HeartbeatRequest.with {
        $0.groupID = "g"; $0.memberID = "m"
      }, 4),
    AccessSample(
      LeaveGroupRequest.with {
        $0.groupID = "g"; $0.members = [.with { $0.memberID = "m" }]
      }, 5),
    AccessSample(
      ConsumerGroupHeartbeatRequest.with {
        $0.groupID = "g"
        $0.memberID = "m"
        $0.memberEpoch = 5
        $0.subscribedTopicNames = ["t"]
      }, 0),
    AccessSample(
      OffsetCommitRequest.with {
        $0.groupID = "g"
        $0.topics = [
          .with {
            $0.name = "t"; $0.partitions = [.with { $0.partitionIndex = 7 }]
          }
        ]
      }, 8),
    AccessSample(
      OffsetFetchRequest.with {
        $0.groupID = "g";
        $0.topics = [
          .with {
            $0.name = "t"; $0.partitionIndexes = [7]
          }
        ]
      }, 7),
    AccessSample(
      OffsetFetchRequest.with {
        $0.groups = [
          .with {
            $0.groupID = "g";
            $0.topics = [
              .with {
                $0.name = "t"; $0.partitionIndexes = [7]
              }
            ]
          }
        ]
      }, 8),
    AccessSample(
      OffsetDeleteRequest.with {
        $0.groupID = "g"
        $0.topics = [
          .with {
            $0.name = "t"; $0.partitions = [.with { $0.partitionIndex = 7 }]
          }
        ]
      }, 0),
    AccessSample(FindCoordinatorRequest.with { $0.key = "g" }, 2),
    AccessSample(FindCoordinatorRequest.with { $0.coordinatorKeys = ["g"] }, 4),
    AccessSample(
      FindCoordinatorRequest.with {
        $0.keyType = 1; $0.coordinatorKeys = ["x"]
      }, 4),
    AccessSample(DescribeGroupsRequest.with { $0.groups = ["g"] }, 5),
    AccessSample(ConsumerGroupDescribeRequest.with { $0.groupIDs = ["g"] }, 0),
    AccessSample(DeleteGroupsRequest.with { $0.groupsNames = ["g"] }, 2),
    AccessSample(ListGroupsRequest(), 4),
  ]

  private static let transactions: [AccessSample] = [
    AccessSample(
      InitProducerIdRequest.with {
        $0.transactionalID = "x"; $0.transactionTimeoutMs = 1000
      }, 4),
    AccessSample(InitProducerIdRequest.with { $0.transactionTimeoutMs = 1000 }, 4, lacking: (.write, .topic)),
    AccessSample(
      AddPartitionsToTxnRequest.with {
        $0.v3AndBelowTransactionalID = "x"
        $0.v3AndBelowTopics = [
          .with {
            $0.name = "t"; $0.partitions = [7]
          }
        ]
      }, 3),
    AccessSample(
      AddPartitionsToTxnRequest.with {
        $0.transactions = [
          .with {
            $0.transactionalID = "x";
            $0.topics = [
              .with {
                $0.name = "t"; $0.partitions = [7]
              }
            ]
          }
        ]
      }, 4),
    AccessSample(
      AddOffsetsToTxnRequest.with {
        $0.transactionalID = "x"; $0.groupID = "g"
      }, 3),
    AccessSample(EndTxnRequest.with { $0.transactionalID = "x" }, 3),
    AccessSample(
      WriteTxnMarkersRequest.with {
        $0.markers = [
          .with {
            $0.topics = [
              .with {
                $0.name = "t"; $0.partitionIndexes = [7]
              }
            ]
          }
        ]
      }, 1, lacking: (.alter, .cluster)),
    AccessSample(
      WriteTxnMarkersRequest.with {
        $0.markers = [
          .with {
            $0.topics = [
              .with {
                $0.name = "t"; $0.partitionIndexes = [7]
              }
            ]
          }
        ]
      }, 1, lacking: (.clusterAction, .cluster)),
    AccessSample(
      TxnOffsetCommitRequest.with {
        $0.transactionalID = "x"
        $0.groupID = "g"
        $0.topics = [
          .with {
            $0.name = "t"; $0.partitions = [.with { $0.partitionIndex = 7 }]
          }
        ]
      }, 3),
    AccessSample(DescribeTransactionsRequest.with { $0.transactionalIDs = ["x"] }, 0),
    AccessSample(ListTransactionsRequest(), 0),
  ]

  private static let topics: [AccessSample] = [
    AccessSample(
      MetadataRequest.with {
        $0.topics = [.with { $0.name = "t" }]; $0.allowAutoTopicCreation = false
      }, 9),
    // Creation is refused or allowed, and never made: no topic has this name.
    AccessSample(MetadataRequest.with { $0.topics = [.with { $0.name = "new" }] }, 9, lacking: (.create, .cluster)),
    AccessSample(MetadataRequest(), 9),
    AccessSample(DescribeTopicPartitionsRequest.with { $0.topics = [.with { $0.name = "t" }] }, 0),
    AccessSample(DescribeTopicPartitionsRequest(), 0),
    AccessSample(
      CreateTopicsRequest.with {
        $0.validateOnly = true
        $0.topics = [
          .with {
            $0.name = "t"; $0.numPartitions = 1; $0.replicationFactor = 9
          }
        ]
      }, 5, lacking: (.create, .cluster)),
    AccessSample(DeleteTopicsRequest.with { $0.topicNames = ["t"] }, 5),
    AccessSample(DeleteTopicsRequest.with { $0.topics = [.with { $0.name = "t" }] }, 6),
    AccessSample(
      CreatePartitionsRequest.with {
        $0.topics = [
          .with {
            $0.name = "t"; $0.count = 9
          }
        ]
      }, 2),
    AccessSample(
      DescribeConfigsRequest.with {
        $0.resources = [
          .with {
            $0.resourceType = 2; $0.resourceName = "t"
          },
          .with {
            $0.resourceType = 4; $0.resourceName = "9"
          },
        ]
      }, 4),
    AccessSample(
      AlterConfigsRequest.with {
        $0.validateOnly = true
        $0.resources = [
          .with {
            $0.resourceType = 2; $0.resourceName = "t"
          },
          .with {
            $0.resourceType = 4; $0.resourceName = "9"
          },
        ]
      }, 2),
    AccessSample(
      IncrementalAlterConfigsRequest.with {
        $0.validateOnly = true
        $0.resources = [
          .with {
            $0.resourceType = 2; $0.resourceName = "t"
          },
          .with {
            $0.resourceType = 4; $0.resourceName = "9"
          },
        ]
      }, 1),
  ]

  private static let cluster: [AccessSample] = [
    AccessSample(ApiVersionsRequest(), 2),
    AccessSample(SaslHandshakeRequest(), 1, isSent: false),
    AccessSample(SaslAuthenticateRequest(), 2, isSent: false),
    AccessSample(DescribeUserScramCredentialsRequest(), 0),
    AccessSample(AlterUserScramCredentialsRequest.with { $0.deletions = [.with { $0.name = "" }] }, 0),
    AccessSample(DescribeClusterRequest(), 0),
    AccessSample(LeaderAndIsrRequest(), 7),
    AccessSample(StopReplicaRequest(), 4),
    AccessSample(UpdateMetadataRequest(), 8),
    AccessSample(ControlledShutdownRequest.with { $0.brokerID = 9 }, 3),
    AccessSample(AlterPartitionRequest.with { $0.brokerID = 9 }, 3),
    AccessSample(AllocateProducerIdsRequest.with { $0.brokerID = 9 }, 0),
    AccessSample(ListPartitionReassignmentsRequest.with { $0.topics = [] }, 0),
    AccessSample(AlterPartitionReassignmentsRequest(), 0),
    AccessSample(
      ElectLeadersRequest.with {
        $0.topicPartitions = [
          .with {
            $0.topic = "t"; $0.partitions = [7]
          }
        ]
      }, 2),
    AccessSample(
      ElectLeadersRequest.with {
        $0.topicPartitions = [
          .with {
            $0.topic = "t"; $0.partitions = [7]
          }
        ]
      }, 0),
    AccessSample(
      DescribeAclsRequest.with {
        ($0.resourceTypeFilter, $0.patternTypeFilter, $0.operation, $0.permissionType) = (1, 1, 1, 1)
      }, 2),
    AccessSample(CreateAclsRequest.with { $0.creations = [.with { $0.resourceName = "t" }] }, 2),
    AccessSample(DeleteAclsRequest.with { $0.filters = [.with { $0.resourceNameFilter = "t" }] }, 2),
    AccessSample(DescribeClientQuotasRequest(), 1),
    AccessSample(
      AlterClientQuotasRequest.with {
        $0.validateOnly = true
        $0.entries = [.with { $0.entity = [.with { $0.entityType = "user" }] }]
      }, 1),
    AccessSample(DescribeLogDirsRequest.with { $0.topics = [] }, 4),
    AccessSample(
      AlterReplicaLogDirsRequest.with {
        $0.dirs = [
          .with {
            $0.path = "/nowhere";
            $0.topics = [
              .with {
                $0.name = "t"; $0.partitions = [7]
              }
            ]
          }
        ]
      }, 2),
  ]
}
