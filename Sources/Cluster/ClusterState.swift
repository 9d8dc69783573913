import Base
package import Model

/// Holds the brokers' dynamic configuration: `/config/brokers/<default>` and `/config/brokers/N`.
package struct BrokerValues: Equatable, Sendable {
  package var defaults: [String: String] = [:]
  package var own: [BrokerID: [String: String]] = [:]
  /// Whether `/config/brokers/<default>` exists.
  package var hasDefaultsNode = false
  /// The brokers whose `/config/brokers/N` exists.
  package var hasOwnNode: Set<BrokerID> = []

  package init() {}
}

/// Holds the controller's view of the cluster: the tree's contents and the living brokers.
package struct ClusterState: Equatable, Sendable {
  package var brokers: [BrokerID: LiveBroker] = [:]
  package var topics: [String: TopicDescription] = [:]
  package var brokerValues = BrokerValues()
  /// The values of users and client ids, by the paths of their nodes beneath `/config`: `users/alice`. One that is there has a node.
  package var clientValues: [String: [String: String]] = [:]
  /// The notifications in `/config/changes`, oldest first.
  package var configNotifications: [ConfigNotification] = []
  /// The block of producer ids allocated last, and the version of its node.
  package var producerIDs: ClosedRange<Int64>?
  package var producerIDsVersion: Int32 = 0

  package struct ConfigNotification: Equatable, Sendable {
    package var path: String
    package var createdMs: Int64

    package init(path: String, createdMs: Int64) {
      self.path = path
      self.createdMs = createdMs
    }
  }

  package init() {}

  /// The living brokers, by rising id.
  package var brokerIDs: [BrokerID] { brokers.keys.sorted() }

  package func isAlive(_ broker: BrokerID) -> Bool { brokers[broker] != nil }

  /// Whether a broker is alive and can use its log of the partition, as far as is known.
  package func isUsable(_ broker: BrokerID, for partition: PartitionDescription) -> Bool {
    isAlive(broker) && !partition.offlineReplicas.contains(broker)
  }

  /// Returns the topic unless it is being deleted.
  package func topic(_ name: String) -> TopicDescription? {
    topics[name].flatMap { $0.isBeingDeleted ? nil : $0 }
  }

  package func partition(_ name: TopicPartition) -> PartitionDescription? {
    guard let topic = topic(name.topic), name.partition >= 0, Int(name.partition) < topic.partitions.count else {
      return nil
    }
    return topic.partitions[Int(name.partition)]
  }
}

/// Elects partition leaders. Pure; each function returns nil where nothing is to change.
package enum Election {
  /// Elects after brokers registered or failed: a living leader stays; else the first living replica in the ISR leads; else
  /// none. Replicas that are not alive leave the ISR as long as a leader remains in it.
  ///
  /// - Parameter mustElect: the leader restarted and needs a new leader epoch.
  static func offline(
    _ partition: PartitionDescription, mustElect: Bool, isAlive: (BrokerID) -> Bool
  ) -> PartitionDescription? {
    let stays = !mustElect && isAlive(partition.leader) && partition.inSyncReplicas.contains(partition.leader)
    let leader =
      stays
      ? partition.leader
      : partition.replicas.first { partition.inSyncReplicas.contains($0) && isAlive($0) } ?? -1
    #if DEBUG
    if PlantedFault.electsOutsideTheISR.isPlanted, !stays, let first = partition.replicas.first(where: isAlive) {
      var after = partition
      after.leader = first
      after.inSyncReplicas = [first]
      after.raiseLeaderEpoch()
      return after
    }
    #endif
    return changed(partition, leader: leader, mustElect: mustElect, isAlive: isAlive)
  }

  /// Elects when a controller begins: as `offline` does, but a replica whose broker was away counts as one that is not alive, as long as
  /// another replica in the ISR is alive and was not. A leader that was away leads in a new leader epoch, if it leads.
  static func begun(
    _ partition: PartitionDescription, isAlive: (BrokerID) -> Bool, wasAway: (BrokerID) -> Bool
  ) -> PartitionDescription? {
    #if DEBUG
    if PlantedFault.trustsBrokersThatWereAway.isPlanted {
      return offline(partition, mustElect: false, isAlive: isAlive)
    }
    #endif
    let hasStayed = partition.inSyncReplicas.contains { isAlive($0) && !wasAway($0) }
    return offline(partition, mustElect: wasAway(partition.leader)) { isAlive($0) && !(hasStayed && wasAway($0)) }
  }

  /// Elects the preferred replica where it is alive, in sync and not already the leader.
  static func preferred(_ partition: PartitionDescription, isAlive: (BrokerID) -> Bool) -> PartitionDescription? {
    guard let preferred = partition.targetReplicas.first, preferred != partition.leader, isAlive(preferred),
      partition.inSyncReplicas.contains(preferred)
    else { return nil }
    return changed(partition, leader: preferred, mustElect: true, isAlive: isAlive)
  }

  /// Returns the brokers of which more than `percentMax` percent of the partitions whose preferred replica they have are led by others.
  static func imbalanced(_ partitions: some Sequence<PartitionDescription>, percentMax: Int) -> Set<BrokerID> {
    var counts: [BrokerID: (all: Int, elsewhere: Int)] = [:]
    for partition in partitions {
      guard let preferred = partition.replicas.first else { continue }
      counts[preferred, default: (0, 0)].all += 1
      if partition.leader != preferred { counts[preferred, default: (0, 0)].elsewhere += 1 }
    }
    return Set(counts.filter { Double($0.value.elsewhere) * 100 > Double($0.value.all) * Double(percentMax) }.keys)
  }

  /// Elects for a partition without a living leader the first living replica: one in sync where there is one, else any, whose
  /// log then counts whatever it lacks.
  static func unclean(_ partition: PartitionDescription, isAlive: (BrokerID) -> Bool) -> PartitionDescription? {
    if let clean = offline(partition, mustElect: true, isAlive: isAlive), clean.leader != -1 { return clean }
    guard let leader = partition.replicas.first(where: isAlive) else { return nil }
    var after = partition
    after.leader = leader
    after.inSyncReplicas = [leader]
    after.isRecovering = true
    after.raiseLeaderEpoch()
    return after
  }

  /// Elects for a controlled shutdown: the broker leaves every ISR that has another living member, which then leads.
  static func shutDown(
    _ broker: BrokerID, _ partition: PartitionDescription, isAlive: (BrokerID) -> Bool
  ) -> PartitionDescription? {
    let others = partition.inSyncReplicas.filter { $0 != broker && isAlive($0) }
    guard partition.inSyncReplicas.contains(broker), !others.isEmpty else { return nil }
    var after = partition
    if partition.leader == broker { after.leader = partition.replicas.first { others.contains($0) } ?? others[0] }
    after.inSyncReplicas.removeAll { $0 == broker }
    after.raiseLeaderEpoch()
    return after
  }

  private static func changed(
    _ partition: PartitionDescription, leader: BrokerID, mustElect: Bool, isAlive: (BrokerID) -> Bool
  ) -> PartitionDescription? {
    // Without a leader the ISR stays as it is: its members have every acknowledged record.
    let inSync = leader == -1 ? partition.inSyncReplicas : partition.inSyncReplicas.filter(isAlive)
    guard leader != partition.leader || inSync != partition.inSyncReplicas || (mustElect && leader != -1) else {
      return nil
    }
    var after = partition
    after.leader = leader
    after.inSyncReplicas = inSync
    after.raiseLeaderEpoch()
    return after
  }
}
