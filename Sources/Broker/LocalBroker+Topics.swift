import Cluster
import Logging
import Model
import Storage

/// Topics coming, changing and going: the tree has said yes, now the files and the map follow.
extension LocalBroker {
  /// Opens or makes the logs of a topic and shows it to requests. Partitions that are open already stay as they are.
  func install(_ description: TopicDescription, reusing opened: [TopicPartition: Partition] = [:]) {
    let config = effectiveConfig(of: description)
    let logConfig = LogConfig(config, flushBeforeAck: self.config.flushBeforeAck)
    let old = topics.named(description.name)
    var partitions: [Partition] = []
    var placement: LogDirectories.Placement?
    partitions.reserveCapacity(description.partitions.count)
    for (index, state) in description.partitions.enumerated() {
      let name = TopicPartition(description.name, Int32(index))
      if let open = old?.partition(Int32(index)) ?? opened[name], open.topicID == description.id {
        open.configure(logConfig)
        partitions.append(open)
      } else {
        partitions.append(makePartition(name, description.id, logConfig, &placement, state))
      }
    }
    topics.put(
      Topic(
        name: description.name, id: description.id, isInternal: description.isInternal, config: config,
        partitions: partitions))
  }

  func effectiveConfig(of topic: TopicDescription) -> TopicConfig {
    TopicConfig(overrides: topic.overrides, broker: registry.config)
  }

  private func makePartition(
    _ name: TopicPartition, _ id: TopicID, _ config: LogConfig, _ placement: inout LogDirectories.Placement?,
    _ state: PartitionDescription
  ) -> Partition {
    do {
      // Files of that name from another topic must not come back to life, and are nobody's to remove.
      if let stale = directories.holding(name), let kept = try stale.setAside(name, nowMs: nowMs()) {
        log.warning(
          "a partition of no known topic is set aside", metadata: ["partition": "\(name)", "kept": "\(kept)"])
      }
      let made = try directories.create(name, topicID: id, config: config, nowMs: nowMs(), &placement, failed: failed)
      return Partition(
        name, topicID: id, log: made.log, directory: made.directory, brokerID: brokerID, replicas: state.replicas,
        leaderEpoch: state.leaderEpoch)
    } catch {
      log.error("a partition has no log", metadata: ["partition": "\(name)", "error": "\(error)"])
      return Partition(
        name, topicID: id, log: nil, directory: nil, brokerID: brokerID, replicas: state.replicas,
        leaderEpoch: state.leaderEpoch)
    }
  }

  /// Answers every request that waits with what there is.
  func releaseParkedFetches() {
    for topic in topics.all {
      for partition in topic.partitions {
        for waiter in partition.release() { waiter.wake(.released) }
      }
    }
  }

  /// Takes a deleted topic from requests' sight, releases who waits on it, and renames its directories. False when files of
  /// the topic may be left: its deletion is then not finished, and the next start goes on with it.
  func uninstall(_ name: String) -> Bool {
    guard let topic = topics.remove(name) else { return true }
    var isDone = true
    for partition in topic.partitions {
      for waiter in partition.retire(deleted: true) { waiter.wake(.released) }
      guard let directory = partition.directory else {
        isDone = isDone && directories.areAllUsable
        continue
      }
      guard directory.failure == nil else {
        isDone = false
        continue
      }
      do {
        try directory.delete(partition.name, delayMs: topic.config.fileDeleteDelayMs, nowMs: nowMs())
      } catch {
        isDone = false
        log.error("a deleted partition stays", metadata: ["partition": "\(partition.name)", "error": "\(error)"])
      }
    }
    return isDone
  }
}
