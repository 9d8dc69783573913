import Glibc

/// A cluster in the hands of the process that runs it: what trials and experiments look at, and do to brokers.
extension LocalCluster {
  package var ids: [Int] { members.map(\.id) }

  /// Nil where it does not run.
  package func pid(of id: Int) -> Int32? {
    guard let child = members.first(where: { $0.id == id })?.child, child.poll() == nil else { return nil }
    return child.pid
  }

  /// `HOST:PORT`; empty for a broker that there is not.
  package func address(of id: Int) -> String {
    members.first { $0.id == id }?.endpoint ?? ""
  }

  /// Of the broker's process alone; nil where it does not run.
  package func figures(of id: Int) -> ProcessFigures? { pid(of: id).flatMap { ProcessFigures.of(pid: $0) } }

  /// Kills a broker (-9); returns when it is gone.
  package func kill(_ id: Int) { members.first { $0.id == id }?.child?.kill() }

  /// Has a broker stop in order, and waits for its end.
  package func stop(_ id: Int) { members.first { $0.id == id }?.child?.stop(grace: Limits.stopSeconds) }

  /// The first broker that has ended, and how; nil while all run.
  var firstEnd: (id: Int, end: ChildProcess.End)? {
    members.lazy.compactMap { member in member.child?.poll().map { (member.id, $0) } }.first
  }

  /// Where a broker's log is.
  func log(of id: Int) -> String { "\(directory)/broker-\(id)/broker.log" }
}
