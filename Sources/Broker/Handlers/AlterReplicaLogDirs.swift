import Cluster
import Model
import Storage
import Wire

extension LocalBroker {
  /// Moves replicas between log directories, as far as there is nothing to move: a replica that lies in the directory asked for
  /// stays there. Each other one is refused, with Kafka's code where Kafka refuses it too (a directory that is not among
  /// `log.dirs`, one that is offline, a partition that does not exist or is offline), and INVALID_REQUEST where Kafka would copy
  /// the log: that is not supported.
  func alterReplicaLogDirs(
    _ request: AlterReplicaLogDirsRequest, _ context: RequestContext
  ) -> HandlerResult<AlterReplicaLogDirsResponse> {
    let image = image
    let size = request.dirs.reduce(0) { $0 + $1.topics.reduce(0) { $0 + 1 + $1.partitions.count } }
    return serve(context, size: size) { self.move(request, image) }
  }

  /// Of a replica named more than once the last directory counts.
  private func move(_ request: AlterReplicaLogDirsRequest, _ image: MetadataImage) -> AlterReplicaLogDirsResponse {
    var paths: [TopicPartition: String] = [:]
    var named: [TopicPartition] = []
    for directory in request.dirs {
      for topic in directory.topics {
        for index in topic.partitions {
          let name = TopicPartition(topic.name, index)
          if paths.updateValue(directory.path, forKey: name) == nil { named.append(name) }
        }
      }
    }
    var response = AlterReplicaLogDirsResponse()
    response.results = ByTopic(named).topics.map { topic, places in
      .with {
        $0.topicName = topic
        $0.partitions = places.map { place in
          let name = named[place]
          return .with {
            $0.partitionIndex = name.partition
            $0.errorCode = move(image.named(name.topic)?.partition(name.partition), to: paths[name] ?? "")
          }
        }
      }
    }
    return response
  }

  private func move(_ partition: Partition?, to path: String) -> ErrorCode {
    guard directories.reports.contains(where: { $0.path == path }) else { return .logDirNotFound }
    guard directories.online.contains(where: { $0.path == path }) else { return .kafkaStorageError }
    guard let partition else { return .unknownTopicOrPartition }
    guard partition.isOnline, let directory = partition.directory else { return .kafkaStorageError }
    return directory.path == path ? .none : .invalidRequest
  }
}
