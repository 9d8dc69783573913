import Cluster
import Coordination
import Logging
import Model

/// Log directories of a cluster's brokers that fail: the broker tells the controller by a node in `/log_dir_event_notification`, and the
/// controller asks it which of its replicas it can still use.
extension ControllerRunner {
  /// Takes in that a log directory of this broker, or a log in it, cannot be used any more. Called on any thread; does not wait.
  ///
  /// A broker that is alone does nothing: nobody else could lead.
  func tellDirectoryFailed() {
    if isOfCluster { enqueue(.membership(.directoryFailed)) }
  }

  func directoryFailed(_ state: inout State) {
    state.membership.hasUntoldFailure = true
    attempt("tell the controller that a log directory has failed", &state) { try tellFailure(&$0) }
  }

  /// Creates the node, if a failure has not been told yet. A broker that registers again need not: it is asked for all its replicas then.
  func tellFailure(_ state: inout State) throws {
    guard state.membership.hasUntoldFailure, state.membership.brokerEpoch != nil else { return }
    try state.tree.create(
      LogDirEventZNode.prefix, LogDirEventZNode(brokerID: brokerID).data, mode: .persistentSequential)
    state.membership.hasUntoldFailure = false
  }

  /// Takes in the nodes that there are, and removes them. Does nothing where another broker is the controller.
  func lookAtFailures(_ state: inout State) throws {
    guard state.controller?.hasResigned == false else { return }
    let names = try read(.directories, .failuresChanged, &state) { (tree, watch) throws(ZNodeError) in
      try tree.children(of: LogDirEventZNode.parent, watch: watch)
    }
    var failed: Set<BrokerID> = []
    for name in names.sorted() {
      let path = "\(LogDirEventZNode.parent)/\(name)"
      guard let node = try state.tree.find(path) else { continue }
      do throws(ZNodeDataError) {
        failed.insert(try LogDirEventZNode(path, data: node.data).brokerID)
      } catch {
        log.warning("a node that makes no sense is removed", metadata: ["path": "\(path)", "reason": "\(error)"])
      }
      do throws(ZNodeError) { try state.tree.delete(path) } catch {
        guard error.code == .noNode else { throw error }
      }
    }
    for broker in failed.sorted() {
      log.warning("log directories of a broker have failed", metadata: ["broker": "\(broker)"])
      state.step(.directoriesFailed(at: broker))
    }
  }
}
