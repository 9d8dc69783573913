import Cluster
import Model
import NIOCore
import Wire

/// Groups as ListGroups and DescribeGroups show them.
extension GroupCoordinator {
  /// The types of groups: of the protocol in which a member assigns the partitions, and of the one in which the coordinator does.
  enum GroupType: String {
    case classic, consumer
  }

  /// Lists the groups of this broker, partition by partition, each in the order of their ids.
  ///
  /// - Parameters:
  ///   - states: the names of states in lower case; empty for every state.
  ///   - types: the names of types in lower case; empty for every type.
  func list(states: Set<String>, types: Set<String>) -> ListGroupsResponse {
    var response = ListGroupsResponse()
    for shard in allShards {
      let (error, groups) = shard.list(states)
      if error != .none { response.errorCode = error }
      response.groups += groups.filter { types.isEmpty || types.contains($0.groupType) }
    }
    return response
  }

  func describe(_ id: String) -> DescribeGroupsResponse.Group {
    guard let shard = shard(of: id) else {
      return .with {
        $0.groupID = id
        $0.errorCode = .notCoordinator
      }
    }
    return shard.describe(id)
  }
}

extension GroupShard {
  fileprivate func list(_ states: Set<String>) -> (ErrorCode, [ListGroupsResponse.Group]) {
    exclusively { state, _ in
      guard state.status == .active else {
        return (state.status == .loading ? .coordinatorLoadInProgress : .none, [])
      }
      var listed: [ListGroupsResponse.Group] = []
      for (id, entry) in state.groups {
        let name = entry.consumers?.phase.rawValue ?? entry.group.state.rawValue
        guard states.isEmpty || states.contains(name.lowercased()) else { continue }
        listed.append(
          .with {
            $0.groupID = id
            $0.protocolType = entry.consumers == nil ? entry.group.protocolType ?? "" : "consumer"
            $0.groupState = name
            $0.groupType = entry.groupType.rawValue
          })
      }
      return (.none, listed.sorted { $0.groupID < $1.groupID })
    }
  }

  fileprivate func describe(_ id: String) -> DescribeGroupsResponse.Group {
    exclusively { state, _ in
      var described = DescribeGroupsResponse.Group()
      described.groupID = id
      if let error = state.error {
        described.errorCode = error
        return described
      }
      // Kafka too describes a group of the new protocol as a dead one here; ConsumerGroupDescribe has it.
      guard let entry = state.groups[id], entry.consumers == nil, case let group = entry.group else {
        described.groupState = Group.State.dead.rawValue
        return described
      }
      described.groupState = group.state.rawValue
      described.protocolType = group.protocolType ?? ""
      // Only in a stable group do members, protocol and assignments belong together.
      let name = group.state == .stable ? group.protocolName : nil
      described.protocolData = name ?? ""
      described.members = group.membersInOrder.map { Self.describe($0, protocolName: name) }
      return described
    }
  }

  private static func describe(_ member: GroupMember, protocolName: String?) -> DescribeGroupsResponse.Member {
    .with {
      $0.memberID = member.id
      $0.groupInstanceID = member.instanceID
      $0.clientID = member.clientID
      $0.clientHost = member.clientHost
      guard let protocolName else { return }
      $0.memberMetadata = ByteBuffer(bytes: member.metadata(for: protocolName))
      $0.memberAssignment = ByteBuffer(bytes: member.assignment)
    }
  }
}

extension GroupShard.Entry {
  var groupType: GroupCoordinator.GroupType { consumers == nil ? .classic : .consumer }
}
