import Logging
import Model
import Storage
import Synchronization

/// One replica on its way to another log directory.
final class ReplicaMove: Sendable {
  let partition: Partition
  let target: LogDirectory
  /// Nil before the first turn, and when the copy has taken the log's place.
  let copy = Mutex<LogCopy?>(nil)
  /// What a description of the directory shows of the copy.
  let extent = Mutex((end: Offset(0), bytes: 0))

  init(_ partition: Partition, to target: LogDirectory) {
    self.partition = partition
    self.target = target
  }

  func isOf(_ partition: Partition, to target: LogDirectory) -> Bool {
    self.partition === partition && self.target === target
  }

  var metadata: Logger.Metadata { ["partition": "\(partition.name)", "to": "\(target.path)"] }

  /// Calls `body` with the partition's log, under its lock; nil when it has none any more.
  func withLog<Value: Sendable>(
    _ body: (Log) throws(LogCopyError) -> Value
  ) -> Result<Value, LogCopyError>? {
    try? partition.withLog { log, _ throws(PartitionError) -> Result<Value, LogCopyError> in
      do throws(LogCopyError) { return .success(try body(log)) } catch { return .failure(error) }
    }
  }
}
