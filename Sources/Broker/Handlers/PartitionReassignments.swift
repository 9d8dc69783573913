import Cluster
import Model
import Wire

extension LocalBroker {
  /// Moves partitions to other replicas, or cancels such moves. Each partition has a result of its own; of one named more than once
  /// the last mention counts, as in Kafka.
  func alterPartitionReassignments(
    _ request: AlterPartitionReassignmentsRequest, _ context: RequestContext
  ) -> HandlerResult<AlterPartitionReassignmentsResponse> {
    let pending = context.pending(AlterPartitionReassignmentsResponse.self)
    offload.submit(.request) {
      let asked = Self.reassignments(in: request)
      self.controller.ask({ _ in .reassign(asked) }) { outcomes in
        pending.complete(Self.response(asked.map(\.name), outcomes))
      }
    }
    return .pending
  }

  private static func reassignments(
    in request: AlterPartitionReassignmentsRequest
  ) -> [Controller.Reassignment] {
    var places: [TopicPartition: Int] = [:]
    var asked: [Controller.Reassignment] = []
    for topic in request.topics {
      for partition in topic.partitions {
        let name = TopicPartition(topic.name, partition.partitionIndex)
        let reassignment = Controller.Reassignment(name, to: partition.replicas)
        if let place = places[name] {
          asked[place] = reassignment
        } else {
          places[name] = asked.count
          asked.append(reassignment)
        }
      }
    }
    return asked
  }

  private static func response(
    _ names: [TopicPartition], _ outcomes: [Controller.Outcome]
  ) -> AlterPartitionReassignmentsResponse {
    var response = AlterPartitionReassignmentsResponse()
    response.responses = ByTopic(names).topics.map { topic, places in
      .with {
        $0.name = topic
        $0.partitions = places.map { place in
          let refusal = outcomes[place].refusal
          return .with {
            $0.partitionIndex = names[place].partition
            $0.errorCode = refusal?.code ?? .none
            $0.errorMessage = refusal?.message
          }
        }
      }
    }
    return response
  }

  /// Lists the partitions that are being moved, of the topics asked for or of all. Others that are asked for are left out.
  func listPartitionReassignments(
    _ request: ListPartitionReassignmentsRequest, _ context: RequestContext
  ) -> HandlerResult<ListPartitionReassignmentsResponse> {
    let image = image
    let size = request.topics?.reduce(0) { $0 + 1 + $1.partitionIndexes.count } ?? image.partitionCount
    return serve(context, size: size) { Self.reassignments(request, image) }
  }

  private static func reassignments(
    _ request: ListPartitionReassignmentsRequest, _ image: MetadataImage
  ) -> ListPartitionReassignmentsResponse {
    var wanted: [String: Set<Int32>]?
    if let topics = request.topics {
      wanted = [:]
      for topic in topics { wanted?[topic.name, default: []].formUnion(topic.partitionIndexes) }
    }
    let topics = wanted.map { $0.keys.sorted().compactMap { image.named($0) } } ?? image.all
    var response = ListPartitionReassignmentsResponse()
    response.topics = topics.compactMap { topic in
      let moved = topic.description.partitions.enumerated().filter { index, partition in
        partition.isReassigned && wanted?[topic.name]?.contains(Int32(index)) ?? true
      }
      guard !moved.isEmpty else { return nil }
      return .with {
        $0.name = topic.name
        $0.partitions = moved.map { index, partition in
          .with {
            $0.partitionIndex = Int32(index)
            $0.replicas = partition.replicas
            $0.addingReplicas = partition.addingReplicas
            $0.removingReplicas = partition.removingReplicas
          }
        }
      }
    }
    return response
  }
}
