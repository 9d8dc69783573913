import Cluster
import Model
import Storage
import Wire

extension LocalBroker {
  /// Begins to move replicas between log directories; the response does not wait for the end, which DescribeLogDirs shows. A replica that is
  /// named with the directory in which it lies stays there, and a move of it to another one ends.
  ///
  /// Refused are a directory that is not among `log.dirs` (LOG_DIR_NOT_FOUND), one that is offline and a partition that is
  /// (KAFKA_STORAGE_ERROR), a partition that does not exist, and every move where segments do not keep the batches
  /// (`millrace.log.engine`).
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
    guard let target = directories.online.first(where: { $0.path == path }) else { return .kafkaStorageError }
    guard let partition else { return .unknownTopicOrPartition }
    guard partition.isOnline, let directory = partition.directory else { return .kafkaStorageError }
    guard directory === target || target.engine == .append else { return .invalidRequest }
    moves.move(partition, to: target)
    return .none
  }
}
