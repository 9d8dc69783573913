package import Model

/// Says why a log directory cannot be used.
package enum LogDirectoryError: Error, Hashable, Sendable {
  case disk(DiskError)
  /// Another process, or another directory object of this one, holds `.lock`.
  case locked(path: String)
  /// Two of log.dirs are one directory.
  case sameDirectory(path: String, as: String)
  /// meta.properties says the directory is another broker's, or another cluster's.
  case belongsTo(brokerID: BrokerID?, clusterID: String?, path: String)
  /// meta.properties has a version or a value that we cannot read.
  case malformed(path: String, line: String)
  /// The checkpoint of log starts is damaged.
  case damaged(CheckpointDamage)
  /// The partition's directory already exists.
  case exists(TopicPartition)
  /// The partition was written by the other engine: set `millrace.log.engine` to that, or give another log.dirs.
  case otherEngine(TopicPartition, writtenBy: LogEngine, path: String)
  /// The program does not support `setting`; millrace-broker does.
  case noArm(setting: String)
  /// The logs keep as many files open as a process with so few descriptors lets them.
  case tooManyOpen(Int, limit: Int)
  /// No log directory is usable any more.
  case noneLeft
  /// The file system takes no direct reads or writes (O_DIRECT), which the broker is configured to use.
  case noDirectIO(path: String, DiskError)
}

extension LogDirectoryError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .disk(let error): "\(error)"
    case .locked(let path): "\(path) is in use by another broker"
    case .sameDirectory(let path, let other):
      "\(other) and \(path) are the same directory: leave one of the two out of log.dirs"
    case .belongsTo(let brokerID, let clusterID, let path):
      "\(path) belongs to broker \(brokerID.map { "\($0)" } ?? "?") of cluster \(clusterID ?? "?"): start that one, or give another log.dirs"
    case .malformed(let path, let line):
      "\(path) cannot be read (\(PlainLine.shown(line))): put back a copy, or give another log.dirs"
    case .damaged(let damage):
      "\(damage). Deleted records would come back: correct the line, put back a copy, or remove the file and have them back"
    case .exists(let partition): "\(partition) has a directory already"
    case .tooManyOpen(let open, let limit):
      "the logs keep \(open) files open, and no further log is made from \(limit) on, for connections need the other descriptors of the process: raise its limit of open files (ulimit -n), or delete topics"
    case .noneLeft: "no log directory can be used"
    case .noDirectIO(let path, let error):
      "\(path) is on a file system without O_DIRECT (\(error)), which millrace.cache=process and millrace.write.path=direct need: give a log.dirs on another one"
    case .noArm(let setting):
      "this program cannot do \(setting): leave the key out, or start millrace-broker, which can"
    case .otherEngine(let partition, let writer, let path):
      "\(path) holds \(partition) as millrace.log.engine=\(writer.rawValue) wrote it: start with that, or give another log.dirs"
    }
  }
}
