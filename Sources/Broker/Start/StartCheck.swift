import Cluster
import Model
import Storage

/// Decides what a start may do, from what the log directories say and what the z-node tree says. Pure.
///
/// The rule behind every case: a start never makes acknowledged records unreachable. A partition is made anew only where a
/// crash can have come between the tree and the files; what may lie in a directory that cannot be used now is offline until
/// it can; and where the tree and the directories are not of one broker, or of one time, the start is refused and nothing
/// has been changed. The order of log.dirs and the paths play no part: a directory is known by the id in its roster.
///
/// | the directories | the start |
/// |---|---|
/// | in another order, at other paths, with a new one among them | goes on |
/// | one cannot be used | goes on; partitions that are nowhere else are offline |
/// | one is not named any more, or stands empty where its disk is not mounted | refused when a partition is in no other |
/// | no journal, or two | refused, unless nothing is in any directory |
/// | a partition twice, or one that the tree does not know | refused |
/// | a partition that the tree gives to another broker: meta.properties is missing or another's | refused |
/// | a partition of the tree is nowhere | offline after an orderly stop, or where a checkpoint has records of it; made after a crash, which may have prevented it |
struct StartCheck {
  let reports: [DirectoryReport]

  private var usable: [DirectoryReport] { reports.filter { $0.failure == nil } }
  private var unusable: [DirectoryReport] { reports.filter { $0.failure != nil } }

  // MARK: Before the tree is opened

  /// The path of the directory whose z-node journal is the broker's tree: the one that has it, wherever it is named; for a
  /// new broker the first in the order of their paths.
  func journalDirectory() throws(StartRefusal) -> String {
    try checkDirectories()
    let holding = usable.filter { $0.journal == .present }
    if holding.count > 1 { throw .twoJournals(holding.map(\.path)) }
    if let home = holding.first { return home.path }
    if let used = usable.first(where: \.isUsed) { throw .noJournal(used, unusable: unusable) }
    if let hidden = unusable.first(where: { $0.journal != .absent }) { throw .mayHoldJournal(hidden) }
    guard let first = usable.map(\.path).min() else { preconditionFailure("a directory can be used") }
    return first
  }

  /// Refuses directories none of which can be used, of several brokers, or of which one is another's copy.
  func checkDirectories() throws(StartRefusal) {
    guard !usable.isEmpty else { throw .noDirectory(unusable) }
    try checkIdentities()
    try checkIDs()
  }

  /// Who the directories say this broker was; nil when all are new.
  var identity: LogDirectory.Identity? { usable.lazy.compactMap(\.identity).first }

  private func checkIdentities() throws(StartRefusal) {
    let known = usable.filter { $0.identity != nil }
    guard let first = known.first, let other = known.first(where: { $0.identity != first.identity }) else { return }
    throw .twoBrokers(first, other)
  }

  private func checkIDs() throws(StartRefusal) {
    var paths: [UUID128: String] = [:]
    for report in usable {
      guard let id = report.roster?.id else { continue }
      if let earlier = paths.updateValue(report.path, forKey: id) { throw .copies(earlier, report.path) }
    }
  }

  // MARK: With the tree

  /// Checks, before this start writes anything, that the tree is this broker's. Worked case: meta.properties is gone from
  /// every directory and broker.id is not set. A generated id would be that of a broker without partitions, and everything
  /// in the directories would be out of reach.
  ///
  /// - Parameter brokerID: nil where neither broker.id nor a meta.properties says it.
  func checkOwner(_ cluster: ClusterState, brokerID: BrokerID?, clusterID: String) throws(StartRefusal) {
    for report in usable {
      let others = report.partitions.keys.filter { partition in
        guard let replicas = cluster.topics[partition.topic]?.replicas(of: partition.partition) else { return false }
        return !replicas.contains { $0 == brokerID }
      }
      guard let first = others.min() else { continue }
      let owner = cluster.topics[first.topic]?.replicas(of: first.partition)?.first
      throw .ofAnother(others.sorted(), in: report, owner: owner ?? -1, clusterID: clusterID, brokerID: brokerID)
    }
    // No file is left to go by. The tree is kept by one broker, so every partition of it is that broker's.
    let replicas = cluster.topics.values.lazy.flatMap(\.partitions).flatMap(\.replicas)
    guard let owner = replicas.min(), !replicas.contains(where: { $0 == brokerID }) else { return }
    throw .treeOfAnother(owner: owner, clusterID: clusterID, brokerID: brokerID)
  }

  /// - Parameters:
  ///   - topics: every topic of the tree, those that are being deleted among them, after this start's elections.
  ///   - brokerID: of this broker.
  func plan(_ topics: [TopicDescription], brokerID: BrokerID) throws(StartRefusal) -> StartPlan {
    let known = Dictionary(uniqueKeysWithValues: topics.map { ($0.name, $0) })
    var plan = StartPlan()
    let found = try place(known, &plan)
    var missing: [TopicPartition] = []
    for topic in topics where !topic.isBeingDeleted {
      for (index, partition) in topic.partitions.enumerated() where partition.replicas.contains(brokerID) {
        let name = TopicPartition(topic.name, Int32(index))
        if found[name] == nil { missing.append(name) }
      }
    }
    missing.sort()
    let absent = absent()
    plan.absent = absent.unusable
    guard !missing.isEmpty else { return plan }
    if !absent.gone.isEmpty { throw .gone(missing, absent.gone, rosters: usable.filter { $0.roster != nil }) }
    if !unusable.isEmpty {
      plan.offline = missing
      return plan
    }
    plan.removed = missing.filter { wasThere($0, known) }
    plan.offline = plan.removed
    return plan
  }

  /// Plans the start of a broker of a cluster, whose tree others have changed while it was away: what is missing here is made when the
  /// controller says so, and fetched from the leader, unless it may be in a directory that cannot be used now.
  func planInCluster(_ topics: [TopicDescription], brokerID: BrokerID) throws(StartRefusal) -> StartPlan {
    try checkDirectories()
    let known = Dictionary(uniqueKeysWithValues: topics.map { ($0.name, $0) })
    var plan = StartPlan()
    var found: [TopicPartition: String] = [:]
    for report in usable {
      for (partition, id) in report.partitions.sorted(by: { $0.key < $1.key }) {
        let place = StartPlan.Place(path: report.path, partition: partition)
        guard let topic = known[partition.topic], id == nil || id == topic.id,
          topic.replicas(of: partition.partition)?.contains(brokerID) == true
        else {
          plan.strays.append(place)
          continue
        }
        if topic.isBeingDeleted {
          plan.deletions.append(place)
        } else if let earlier = found.updateValue(report.path, forKey: partition) {
          throw .twice(partition, earlier, report.path)
        }
      }
    }
    let absent = absent()
    plan.absent = absent.unusable
    guard !unusable.isEmpty else { return plan }
    for topic in topics where !topic.isBeingDeleted {
      for (index, partition) in topic.partitions.enumerated() where partition.replicas.contains(brokerID) {
        let name = TopicPartition(topic.name, Int32(index))
        if found[name] == nil { plan.offline.append(name) }
      }
    }
    return plan
  }

  /// Finds the directory of each partition, and what of the directories is not the tree's.
  private func place(
    _ known: [String: TopicDescription], _ plan: inout StartPlan
  ) throws(StartRefusal) -> [TopicPartition: String] {
    var found: [TopicPartition: String] = [:]
    for report in usable {
      var unknown: [TopicPartition] = []
      for (partition, id) in report.partitions.sorted(by: { $0.key < $1.key }) {
        guard let topic = known[partition.topic], Int(partition.partition) < topic.partitions.count,
          id == nil || id == topic.id
        else {
          unknown.append(partition)
          continue
        }
        if topic.isBeingDeleted {
          plan.deletions.append(StartPlan.Place(path: report.path, partition: partition))
        } else if let earlier = found.updateValue(report.path, forKey: partition) {
          throw .twice(partition, earlier, report.path)
        }
      }
      if !unknown.isEmpty { throw .unknown(unknown, in: report.path) }
    }
    return found
  }

  /// The directories that a roster names and that cannot be used now: those that this start names, and those it does not.
  private func absent() -> (unusable: [UUID128: String], gone: [UUID128: String]) {
    let present = Set(usable.compactMap { $0.roster?.id })
    var absent: [UUID128: String] = [:]
    for report in usable {
      for (id, path) in report.roster?.paths ?? [:] where !present.contains(id) { absent[id] = path }
    }
    let named = Set(unusable.map(\.path))
    let unusablePaths = absent.filter { named.contains($0.value) }
    let gone = absent.filter { !named.contains($0.value) }
    // One that cannot be used may be one that was elsewhere before: its id cannot be read.
    guard gone.count > unusable.count - unusablePaths.count else { return (absent, [:]) }
    return (unusablePaths, gone)
  }

  /// The partition had files when the broker stopped. After an orderly stop every partition has; after a crash it is certain
  /// of one that is checkpointed with records, as no deleted one is, and of one that was checkpointed and led before.
  private func wasThere(_ partition: TopicPartition, _ known: [String: TopicDescription]) -> Bool {
    if usable.filter(\.isUsed).allSatisfy(\.wasClean) { return true }
    if usable.contains(where: { $0.checkpointedWithRecords.contains(partition) }) { return true }
    guard usable.contains(where: { $0.checkpointed.contains(partition) }) else { return false }
    // A topic made since the last start has epoch 1 now.
    return known[partition.topic]?.partitions[Int(partition.partition)].leaderEpoch ?? 0 > 1
  }
}

extension TopicDescription {
  /// Nil when the topic has no such partition.
  fileprivate func replicas(of partition: Int32) -> [BrokerID]? {
    partitions.indices.contains(Int(partition)) ? partitions[Int(partition)].replicas : nil
  }
}
