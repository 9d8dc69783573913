import Base
import Client
package import Model
import Wire

/// A broker's log directory as DescribeLogDirs tells it.
struct DescribedLogDir: Equatable, Sendable {
  struct Replica: Equatable, Sendable {
    var partition: TopicPartition
    var sizeBytes: Int64
    var offsetLag: Int64
    var isFuture: Bool
  }

  var broker: BrokerID
  var path: String
  var error: ErrorCode
  /// -1 where the broker is older than Kafka 3.3.
  var totalBytes: Int64
  var usableBytes: Int64
  /// By partition.
  var replicas: [Replica]
}

extension ClusterSession {
  /// - Parameters:
  ///   - topics: nil: all.
  ///   - brokers: nil: all.
  package func describeLogDirs(topics names: [String]?, brokers ids: [BrokerID]?) async throws -> Answer {
    let topics = try await names.asyncMap { try await self.topics($0) }
    let targets = try ids?.map { (id) throws(AdministrationError) in try broker(id) } ?? brokers
    var described: [DescribedLogDir] = []
    for target in targets {
      var request = DescribeLogDirsRequest()
      request.topics = topics?.map { topic in
        .with {
          $0.topic = topic.name
          $0.partitions = topic.partitions.map(\.index)
        }
      }
      let answer = try await call(request, to: target)
      try check(answer.errorCode, "describing log directories", by: target)
      described += answer.results.map { DescribedLogDir($0, of: target.id) }
    }
    return LogDirText.describe(described)
  }
}

extension Optional {
  fileprivate func asyncMap<Value>(_ body: (Wrapped) async throws -> Value) async throws -> Value? {
    guard let self else { return nil }
    return try await body(self)
  }
}

extension DescribedLogDir {
  init(_ directory: DescribeLogDirsResponse.LogDir, of broker: BrokerID) {
    self.broker = broker
    path = directory.logDir
    error = directory.errorCode
    totalBytes = directory.totalBytes
    usableBytes = directory.usableBytes
    replicas = directory.topics.flatMap { topic in
      topic.partitions.map {
        Replica(
          partition: TopicPartition(topic.name, $0.partitionIndex), sizeBytes: $0.partitionSize,
          offsetLag: $0.offsetLag, isFuture: $0.isFutureKey)
      }
    }.sorted { $0.partition < $1.partition }
  }
}

/// Log directories as a table, and as the JSON that kafka-log-dirs prints.
enum LogDirText {
  static func describe(_ directories: [DescribedLogDir]) -> Answer {
    var answer = Answer([], json: json(directories))
    for directory in directories {
      if !answer.lines.isEmpty { answer.lines.append("") }
      answer.lines.append(line(directory))
      guard !directory.replicas.isEmpty else { continue }
      var table = TextTable(["TOPIC", "PARTITION", "SIZE", "OFFSET-LAG", "FUTURE"])
      for replica in directory.replicas {
        table.add([
          replica.partition.topic, "\(replica.partition.partition)", "\(replica.sizeBytes)", "\(replica.offsetLag)",
          "\(replica.isFuture)",
        ])
      }
      answer.lines += table.lines.map { "  \($0)" }
    }
    return answer
  }

  private static func line(_ directory: DescribedLogDir) -> String {
    var words = ["Broker: \(directory.broker)", "LogDir: \(directory.path)"]
    if directory.error != .none { words.append("Error: \(directory.error)") }
    if directory.totalBytes >= 0 {
      words += ["TotalBytes: \(directory.totalBytes)", "UsableBytes: \(directory.usableBytes)"]
    }
    words.append("Bytes: \(directory.replicas.reduce(0) { $0 &+ $1.sizeBytes })")
    return words.joined(separator: "\t")
  }

  private static func json(_ directories: [DescribedLogDir]) -> JSON {
    let brokers = Set(directories.map(\.broker)).sorted().map { id -> JSON in
      .object([
        "broker": .number(id), "logDirs": .array(directories.filter { $0.broker == id }.map { json($0) }),
      ])
    }
    return .object(["version": .int(1), "brokers": .array(brokers)])
  }

  private static func json(_ directory: DescribedLogDir) -> JSON {
    let partitions = directory.replicas.map { replica -> JSON in
      .object([
        "partition": .string("\(replica.partition)"), "size": .int(replica.sizeBytes),
        "offsetLag": .int(replica.offsetLag), "isFuture": .bool(replica.isFuture),
      ])
    }
    return .object([
      "error": directory.error == .none ? .null : .string(directory.error.name), "logDir": .string(directory.path),
      "totalBytes": .int(directory.totalBytes), "usableBytes": .int(directory.usableBytes),
      "partitions": .array(partitions),
    ])
  }
}
