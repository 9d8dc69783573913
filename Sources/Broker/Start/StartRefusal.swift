import Coordination
import Glibc
import Model
import Storage

/// Why a broker does not start on its log directories: what was found, and what to do. Nothing has been changed.
package struct StartRefusal: Error, Equatable, CustomStringConvertible {
  package var description: String

  init(_ description: String) { self.description = description }
}

extension StartRefusal {
  static func noDirectory(_ directories: [DirectoryReport]) -> StartRefusal {
    StartRefusal("no log directory can be used: \(failures(directories))")
  }

  static func twoJournals(_ paths: [String]) -> StartRefusal {
    StartRefusal(
      "\(list(paths)) each hold a z-node journal, and a broker has one: move the one that is not this broker's away, with the partitions that were made under it"
    )
  }

  static func noJournal(_ used: DirectoryReport, unusable: [DirectoryReport]) -> StartRefusal {
    let holds =
      used.partitions.isEmpty
      ? "\(used.path) belongs to broker \(used.identity.map { "\($0.brokerID)" } ?? "?")"
      : "\(used.path) holds \(count(used.partitions.count, "partition"))"
    let remedy =
      unusable.isEmpty
      ? "name the directory that has znodes.journal in log.dirs, or put the file back"
      : "it may be in a directory that cannot be used (\(failures(unusable))): mend that one, or put the file back"
    return StartRefusal(
      "\(holds), but no log directory has the z-node journal, which says what topics there are: \(remedy). For a new broker give other log.dirs, or empty ones"
    )
  }

  static func mayHoldJournal(_ hidden: DirectoryReport) -> StartRefusal {
    StartRefusal(
      "the other log directories are empty, and the z-node journal may be in one that cannot be used (\(failures([hidden]))): mend it, or take it out of log.dirs to start a new broker"
    )
  }

  static func twoBrokers(_ one: DirectoryReport, _ other: DirectoryReport) -> StartRefusal {
    func owner(_ report: DirectoryReport) -> String {
      guard let identity = report.identity else { return "nobody" }
      return "broker \(identity.brokerID) of cluster \(identity.clusterID)"
    }
    return StartRefusal(
      "\(one.path) belongs to \(owner(one)), but \(other.path) to \(owner(other)): give log.dirs of one broker")
  }

  static func copies(_ one: String, _ other: String) -> StartRefusal {
    StartRefusal("\(one) and \(other) are copies of one log directory: take one of them out of log.dirs")
  }

  static func twice(_ partition: TopicPartition, _ one: String, _ other: String) -> StartRefusal {
    StartRefusal("\(partition) is in \(one) and in \(other): move the one that is not this broker's away")
  }

  static func unknown(_ partitions: [TopicPartition], in path: String) -> StartRefusal {
    StartRefusal(
      "\(path) holds \(list(partitions)), which the z-node tree does not know: the tree is another one, or older than the directory. Put the right znodes.journal back, or move what is not this broker's away"
    )
  }

  static func ofAnother(
    _ partitions: [TopicPartition], in report: DirectoryReport, owner: BrokerID, clusterID: String, brokerID: BrokerID?
  ) -> StartRefusal {
    let holds = "\(report.path) holds \(list(partitions)), which the z-node tree gives to broker \(owner)"
    let lines = "broker.id=\(owner) and cluster.id=\(clusterID)"
    if let identity = report.identity {
      return StartRefusal(
        "\(holds), but its meta.properties says broker.id=\(identity.brokerID): start with the log.dirs of broker \(identity.brokerID), or correct the file to say \(lines)"
      )
    }
    let other = brokerID.map { ", and this broker is \($0)" } ?? ""
    return StartRefusal(
      "\(holds), but its meta.properties is missing\(other): put the file back, with the lines version=0, \(lines), or set broker.id=\(owner)"
    )
  }

  static func treeOfAnother(owner: BrokerID, clusterID: String, brokerID: BrokerID?) -> StartRefusal {
    StartRefusal(
      "every partition of the z-node tree is broker \(owner)'s, and this broker \(brokerID.map { "is \($0)" } ?? "has no id, for meta.properties is missing"): set broker.id=\(owner), or put back the meta.properties of its log directories, with the lines version=0, broker.id=\(owner) and cluster.id=\(clusterID)"
    )
  }

  static func gone(
    _ missing: [TopicPartition], _ directories: [UUID128: String], rosters: [DirectoryReport]
  ) -> StartRefusal {
    let paths = directories.values.sorted()
    let files = rosters.map { "\($0.path)/\(DirectoryRoster.fileName)" }.sorted()
    return StartRefusal(
      "\(list(missing)) \(missing.count == 1 ? "is" : "are") in no log directory, and the broker had \(paths.count == 1 ? "one" : "more") that \(paths.count == 1 ? "is" : "are") not there now (\(list(paths))): name \(paths.count == 1 ? "it" : "them") in log.dirs again, and see that the disk is mounted. To give up what was there, remove the \(paths.count == 1 ? "line" : "lines") from \(list(files)) and delete the topics"
    )
  }

  static func exhausted(
    _ cause: DiskError, partitions: Int, descriptors: SegmentDescriptors? = nil
  ) -> StartRefusal {
    if cause.code == EMFILE, let descriptors {
      return StartRefusal(
        "the logs of \(count(partitions, "partition")) need more open files than the \(descriptors.max) that the process's limit leaves them, with some for connections (Too many open files): raise the limit of open files (ulimit -n)"
      )
    }
    return StartRefusal(
      "the process has too little for the logs of \(count(partitions, "partition")) (\(cause)): raise its limits, such as that of open files (ulimit -n)"
    )
  }

  /// What the system refused a start that cannot go on without it, and what to do.
  init(_ cause: DiskError) {
    let (directory, name) = (cause.path.directoryPart, cause.path.lastPart)
    switch cause.code {
    case ENOSPC, EDQUOT:
      self.init("the disk of \(directory) is full (\(name) could not be written): free some space and start again")
    case EROFS:
      self.init("the disk of \(directory) is mounted read-only (\(name) could not be written): mount it for writing")
    case EACCES, EPERM:
      self.init("\(cause.path) may not be used by this user (\(cause)): correct its owner or its mode")
    case EISDIR:
      self.init("\(cause.path) is a directory, and a file is needed there: move it away, and put the file back")
    case ENOTDIR:
      self.init("\(directory) is a file, and a directory is needed there: move it away, and put the directory back")
    default: self.init("\(cause): the broker needs it to start")
    }
  }

  /// What keeps the z-node tree from being read or written.
  init(_ error: ZNodeError) {
    if let cause = error.cause {
      self.init(cause)
    } else {
      self.init(error.code == .disk ? "\(error)" : "the z-node tree: \(error)")
    }
  }

  private static func failures(_ directories: [DirectoryReport]) -> String {
    directories.map { report in report.failure.map { "\($0)" } ?? report.path }.joined(separator: "; ")
  }

  private static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

  /// The first few, and how many more there are.
  private static func list(_ items: [some CustomStringConvertible]) -> String {
    let shown = items.prefix(Limits.namesInSentence).map(\.description)
    guard items.count <= shown.count else {
      return shown.joined(separator: ", ") + " and \(items.count - shown.count) more"
    }
    guard let last = shown.last, shown.count > 1 else { return shown.first ?? "" }
    return shown.dropLast().joined(separator: ", ") + " and " + last
  }
}
