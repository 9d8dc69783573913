import Model
import Security
package import Wire

// The rights of APIs about the cluster as a whole, and of those between brokers.

extension ApiVersionsRequest: OpenRequest {}
extension SaslHandshakeRequest: OpenRequest {}
extension SaslAuthenticateRequest: OpenRequest {}

extension DescribeClusterRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(.describe, on: .cluster, .leftOut, when: "authorized operations are asked for"),
    note: "The brokers are told to everybody.")

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<DescribeClusterResponse> {
    guard includeClusterAuthorizedOperations else { return .allowed }
    return .partly { if $0.errorCode == .none { $0.clusterAuthorizedOperations = access.clusterBits } }
  }
}

extension LeaderAndIsrResponse: WholeError {}
extension LeaderAndIsrRequest: ClusterGuarded { package static let access = AccessRow.ofCluster() }
extension StopReplicaResponse: WholeError {}
extension StopReplicaRequest: ClusterGuarded { package static let access = AccessRow.ofCluster() }
extension UpdateMetadataResponse: WholeError {}
extension UpdateMetadataRequest: ClusterGuarded { package static let access = AccessRow.ofCluster() }
extension ControlledShutdownResponse: WholeError {}
extension ControlledShutdownRequest: ClusterGuarded { package static let access = AccessRow.ofCluster() }
extension AlterPartitionResponse: WholeError {}
extension AlterPartitionRequest: ClusterGuarded { package static let access = AccessRow.ofCluster() }
extension AllocateProducerIdsResponse: WholeError {}
extension AllocateProducerIdsRequest: ClusterGuarded { package static let access = AccessRow.ofCluster() }

extension ListPartitionReassignmentsResponse: WholeError {}
extension ListPartitionReassignmentsRequest: ClusterGuarded {
  package static let access = AccessRow.ofCluster(.describe)
}
extension AlterPartitionReassignmentsResponse: WholeError {}
extension AlterPartitionReassignmentsRequest: ClusterGuarded { package static let access = AccessRow.ofCluster(.alter) }
extension ElectLeadersResponse: WholeError {}
extension DescribeAclsResponse: WholeError {}
extension DescribeAclsRequest: ClusterGuarded { package static let access = AccessRow.ofCluster(.describe) }
extension DescribeClientQuotasResponse: WholeError {}
extension DescribeClientQuotasRequest: ClusterGuarded {
  package static let access = AccessRow.ofCluster(.describeConfigs)
}
extension DescribeUserScramCredentialsResponse: WholeError {}
extension DescribeUserScramCredentialsRequest: ClusterGuarded {
  package static let access = AccessRow.ofCluster(.describe)
}
extension DescribeLogDirsResponse: WholeError {}
extension DescribeLogDirsRequest: ClusterGuarded { package static let access = AccessRow.ofCluster(.describe) }

extension ElectLeadersRequest: GuardedRequest {
  package static let access = AccessRow.ofCluster(.alter)

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<ElectLeadersResponse> {
    guard !access.allowsOnCluster(.alter) else { return .allowed }
    var response = ElectLeadersResponse.refusing(.clusterAuthorizationFailed)
    // Version 0 has no error for all of it.
    response.replicaElectionResults = (topicPartitions ?? []).map { topic in
      .with {
        $0.topic = topic.topic
        $0.partitionResult = topic.partitions.map { partition in
          .with {
            $0.partitionID = partition
            $0.errorCode = .clusterAuthorizationFailed
          }
        }
      }
    }
    return .refused(response)
  }
}

extension AlterReplicaLogDirsRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(.alter, on: .cluster, .whole(.clusterAuthorizationFailed)), note: "The error stands at each partition.")

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<AlterReplicaLogDirsResponse> {
    guard !access.allowsOnCluster(.alter) else { return .allowed }
    var response = AlterReplicaLogDirsResponse()
    response.results = dirs.flatMap(\.topics).map { topic in
      .with {
        $0.topicName = topic.name
        $0.partitions = topic.partitions.map { partition in
          .with {
            $0.partitionIndex = partition
            $0.errorCode = .clusterAuthorizationFailed
          }
        }
      }
    }
    return .refused(response)
  }
}

extension CreateAclsRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(.alter, on: .cluster, .whole(.clusterAuthorizationFailed)), note: "The error stands at each ACL.")

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<CreateAclsResponse> {
    guard !access.allowsOnCluster(.alter) else { return .allowed }
    var response = CreateAclsResponse()
    response.results = creations.map { _ in .with { $0.errorCode = .clusterAuthorizationFailed } }
    return .refused(response)
  }
}

extension DeleteAclsRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(.alter, on: .cluster, .whole(.clusterAuthorizationFailed)), note: "The error stands at each filter.")

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<DeleteAclsResponse> {
    guard !access.allowsOnCluster(.alter) else { return .allowed }
    var response = DeleteAclsResponse()
    response.filterResults = filters.map { _ in .with { $0.errorCode = .clusterAuthorizationFailed } }
    return .refused(response)
  }
}

extension AlterClientQuotasRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(.alterConfigs, on: .cluster, .whole(.clusterAuthorizationFailed)),
    note: "The error stands at each entity.")

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<AlterClientQuotasResponse> {
    guard !access.allowsOnCluster(.alterConfigs) else { return .allowed }
    var response = AlterClientQuotasResponse()
    response.entries = entries.map { entry in
      .with {
        $0.errorCode = .clusterAuthorizationFailed
        $0.entity = entry.entity
      }
    }
    return .refused(response)
  }
}

extension AlterUserScramCredentialsRequest: GuardedRequest {
  package static let access = AccessRow(
    AccessNeed(.alter, on: .cluster, .whole(.clusterAuthorizationFailed)), note: "The error stands at each user.")

  package mutating func check(_ access: Access, version: Int16) -> AccessCheck<AlterUserScramCredentialsResponse> {
    guard !access.allowsOnCluster(.alter) else { return .allowed }
    var response = AlterUserScramCredentialsResponse()
    let users = Set(deletions.map(\.name) + upsertions.map(\.name)).sorted()
    response.results = users.map { user in
      .with {
        $0.user = user
        $0.errorCode = .clusterAuthorizationFailed
      }
    }
    return .refused(response)
  }
}
