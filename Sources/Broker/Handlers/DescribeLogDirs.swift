import CMillrace
import Model
import Storage
import Wire

extension LocalBroker {
  /// What each log.dir holds of the topics asked for, and how much room its file system has; of one that is offline, a
  /// storage error.
  func describeLogDirs(
    _ request: DescribeLogDirsRequest, _ context: RequestContext
  ) -> Reply<DescribeLogDirsResponse> {
    var answer = DescribeLogDirsResponse()
    answer.results = directories.reports.map { report in
      var described = DescribeLogDirsResponse.LogDir()
      described.logDir = report.path
      guard let directory = directories.online.first(where: { $0.path == report.path }) else {
        described.errorCode = .kafkaStorageError
        (described.totalBytes, described.usableBytes) = (-1, -1)
        return described
      }
      (described.totalBytes, described.usableBytes) = FileSystemRoom.bytes(at: directory.path)
      for topic in topics.all {
        let wanted = request.topics.map { asked in asked.first { $0.topic == topic.name }?.partitions ?? [] }
        var holding = DescribeLogDirsResponse.Topic()
        holding.name = topic.name
        holding.partitions = topic.partitions.enumerated().compactMap { index, partition in
          guard partition.directory === directory, wanted?.contains(Int32(index)) ?? true else { return nil }
          var one = DescribeLogDirsResponse.Partition()
          one.partitionIndex = Int32(index)
          one.partitionSize = Int64(partition.sizeInBytes)
          return one
        }
        if !holding.partitions.isEmpty { described.topics.append(holding) }
      }
      return described
    }
    return .now(answer)
  }
}

enum FileSystemRoom {
  /// The file system's size and what is free of it for us; -1 where the system does not say.
  static func bytes(at path: String) -> (total: Int64, usable: Int64) {
    var room = statvfs()
    guard statvfs(path, &room) == 0 else { return (-1, -1) }
    let unit = Int64(room.f_frsize)
    return (Int64(room.f_blocks) * unit, Int64(room.f_bavail) * unit)
  }
}
