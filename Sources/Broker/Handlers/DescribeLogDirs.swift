import CMillrace
import Model
import Storage
import Wire

extension LocalBroker {
  /// Lists the partitions that each log directory holds of the topics asked for, their sizes in bytes, and the size and free
  /// space of its file system. An offline directory gets KAFKA_STORAGE_ERROR. Runs off the event loop, because statvfs may block.
  func describeLogDirs(
    _ request: DescribeLogDirsRequest, _ context: RequestContext
  ) -> HandlerResult<DescribeLogDirsResponse> {
    let pending = context.pending(DescribeLogDirsResponse.self)
    let image = image
    offload.submit(.request) { pending.complete(self.describe(request, image)) }
    return .pending
  }

  private func describe(_ request: DescribeLogDirsRequest, _ image: MetadataImage) -> DescribeLogDirsResponse {
    var wanted: [String: Set<Int32>]?
    if let topics = request.topics {
      wanted = [:]
      for topic in topics { wanted?[topic.topic, default: []].formUnion(topic.partitions) }
    }
    var response = DescribeLogDirsResponse()
    response.results = directories.reports.map { report in
      var described = DescribeLogDirsResponse.LogDir()
      described.logDir = report.path
      guard let directory = directories.online.first(where: { $0.path == report.path }) else {
        described.errorCode = .kafkaStorageError
        (described.totalBytes, described.usableBytes) = (-1, -1)
        return described
      }
      (described.totalBytes, described.usableBytes) = FileSystemRoom.bytes(at: directory.path)
      for topic in image.all {
        if let wanted, wanted[topic.name] == nil { continue }
        var holding = DescribeLogDirsResponse.Topic()
        holding.name = topic.name
        holding.partitions = topic.partitions.enumerated().compactMap { index, partition in
          guard wanted?[topic.name]?.contains(Int32(index)) ?? true else { return nil }
          return self.described(partition, in: directory)
        }
        if !holding.partitions.isEmpty { described.topics.append(holding) }
      }
      return described
    }
    return response
  }
}

extension LocalBroker {
  /// Describes what a directory holds of a partition: its log, or the copy that is to take the log's place.
  private func described(_ partition: Partition, in directory: LogDirectory) -> DescribeLogDirsResponse.Partition? {
    var one = DescribeLogDirsResponse.Partition()
    one.partitionIndex = partition.name.partition
    if partition.directory === directory {
      one.partitionSize = Int64(partition.sizeInBytes)
    } else if let copy = moves.described(partition, into: directory) {
      one.partitionSize = Int64(copy.bytes)
      one.offsetLag = copy.lag
      one.isFutureKey = true
    } else {
      return nil
    }
    return one
  }
}

enum FileSystemRoom {
  /// Returns the bytes of the file system at `path`, and those free to an unprivileged process; -1 for both when statvfs fails.
  static func bytes(at path: String) -> (total: Int64, usable: Int64) {
    var room = statvfs()
    guard statvfs(path, &room) == 0 else { return (-1, -1) }
    let unit = Int64(room.f_frsize)
    return (Int64(room.f_blocks) * unit, Int64(room.f_bavail) * unit)
  }
}
