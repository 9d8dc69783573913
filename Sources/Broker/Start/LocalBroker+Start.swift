import Cluster
import Logging
import Model
import Storage

extension LogDirectories {
  /// Checks that the tree and the directories are of one broker and one time, and takes the directories as its; the answer
  /// says what is to be done with the partitions.
  func accept(
    _ elected: ElectedController, _ check: StartCheck, random: any RandomNumberGenerator
  ) throws -> StartPlan {
    let topics = elected.controller.cluster.topics.values.sorted { $0.name < $1.name }
    let plan = try check.plan(topics, brokerID: elected.brokerID)
    try accept(elected.starting, plan, random: random)
    return plan
  }

  /// Takes the directories as those of a broker of a cluster. Replicas that the cluster has given to other brokers meanwhile, and those of
  /// topics that it has deleted, are set aside.
  func accept(
    _ starting: StartingBroker, _ check: StartCheck, log: Logger, nowMs: Int64, random: any RandomNumberGenerator
  ) throws -> StartPlan {
    let topics = starting.cluster.topics.values.sorted { $0.name < $1.name }
    let plan = try check.planInCluster(topics, brokerID: starting.brokerID)
    try accept(starting, plan, random: random)
    for stray in plan.strays {
      guard let directory = all.first(where: { $0.path == stray.path }),
        let kept = try directory.setAside(stray.partition, nowMs: nowMs)
      else { continue }
      log.warning(
        "a replica that is not this broker's any more is set aside",
        metadata: ["partition": "\(stray.partition)", "kept": "\(kept)"])
    }
    return plan
  }

  private func accept(_ starting: StartingBroker, _ plan: StartPlan, random: any RandomNumberGenerator) throws {
    var random = random
    try accept(
      LogDirectory.Identity(brokerID: starting.brokerID, clusterID: starting.clusterID), absent: plan.absent,
      random: &random)
  }
}

extension LocalBroker {
  /// Says which directories cannot be used, and how many partitions are out of reach for it.
  func tellOffline(_ plan: StartPlan) {
    for report in directories.reports {
      guard let failure = report.failure else { continue }
      log.error(
        "a log directory is offline until it can be used and the broker is started again",
        metadata: ["directory": "\(report.path)", "offline": "\(plan.offline.count)", "error": "\(failure)"])
    }
  }

  var segmentDescriptors: SegmentDescriptors? { directories.all.first?.disk.segmentDescriptors }

  /// Says that the logs have taken more descriptors than they should: the limit was higher when they were made.
  func tellDescriptors() {
    guard let descriptors = segmentDescriptors, !descriptors.hasRoomForNewLog else { return }
    log.warning(
      "the logs keep so many files open that no further one is made, and that they may leave few descriptors to connections: raise the limit of open files (ulimit -n), or delete topics",
      metadata: [
        "open": "\(descriptors.open)", "for new logs": "\(descriptors.maxForNewLog)", "most": "\(descriptors.max)",
      ])
  }

  /// Says what lies in the directories and is not served: a line for each stray, as far as `Limits.straysTold`.
  func tellStrays() {
    for report in directories.reports where !report.strays.isEmpty {
      for name in report.strays.prefix(Limits.straysTold) {
        log.warning(
          "not a partition's directory: what it may hold is kept and not served",
          metadata: ["path": "\(report.path)/\(name)"])
      }
      let more = report.strays.count - Limits.straysTold
      guard more > 0 else { continue }
      log.warning(
        "more that is not a partition's directory is kept and not served",
        metadata: ["directory": "\(report.path)", "count": "\(more)"])
    }
  }

  /// Says which checkpoints are damaged, and what follows.
  func tellDamaged() {
    for directory in directories.all {
      for (checkpoint, damage) in directory.damaged {
        log.warning(
          "a checkpoint is damaged and read as empty: \(checkpoint.consequence ?? "")", metadata: damage.metadata)
      }
    }
  }

  /// Goes on with the deletions that were begun before the last stop.
  func continueDeletions(_ plan: StartPlan, _ cluster: ClusterState) throws {
    for deletion in plan.deletions {
      guard let topic = cluster.topics[deletion.partition.topic],
        let directory = directories.all.first(where: { $0.path == deletion.path })
      else { continue }
      try directory.delete(
        deletion.partition, delayMs: effectiveConfig(of: topic).fileDeleteDelayMs, nowMs: nowMs())
    }
  }

  /// Makes a partition whose files are in no directory that can be used: every request for it gets KAFKA_STORAGE_ERROR.
  func offlinePartition(_ name: TopicPartition, _ topic: TopicDescription, removed: [TopicPartition]) -> Partition {
    if removed.contains(name) {
      log.error(
        "a partition is offline: its directory was removed by hand. Put it back and start again, or delete the topic",
        metadata: ["partition": "\(name)"])
    }
    let state = topic.partitions[Int(name.partition)]
    return Partition(
      name, topicID: topic.id, log: nil, directory: nil, brokerID: brokerID, replicas: state.replicas,
      leaderEpoch: state.leaderEpoch)
  }
}

extension CheckpointDamage {
  var metadata: Logger.Metadata {
    ["file": "\(path)", "line": "\(line)", "text": "\(text)", "problem": "\(problem)"]
  }
}
