import Base
import Cluster
import Logging
import Model
import NIOCore

/// What the controller of another broker tells this one, as LeaderAndIsr, StopReplica or UpdateMetadata.
struct ControllerOrder: Sendable {
  enum Content: Sendable {
    case lead([Controller.ReplicaState])
    case stop([Controller.StoppedReplica])
    case show(ClusterUpdate)
  }

  enum Outcome: Sendable {
    /// STALE_CONTROLLER_EPOCH or STALE_BROKER_EPOCH: nothing has been changed.
    case refused(ErrorCode)
    /// The topics that were new here: nil when all their logs were created, and otherwise the reason; and the replicas of others whose logs
    /// cannot be used.
    case led([String: String?], offline: Set<TopicPartition> = [])
    /// The topics of which files may be left.
    case stopped(left: Set<String>)
    case shown
  }

  /// What UpdateMetadata says of the cluster.
  struct ClusterUpdate: Sendable {
    var brokers: [LiveBroker]
    /// The partitions that have changed, by topic.
    var changed: [ChangedTopic]
    var removed: [String]
    /// Whether `changed` are all topics that there are, with all their partitions.
    var isAll: Bool
  }

  struct ChangedTopic: Sendable {
    var name: String
    var id: TopicID
    var partitions: [(index: Int32, state: PartitionDescription)]

    init(name: String, id: TopicID, partitions: [(index: Int32, state: PartitionDescription)]) {
      self.name = name
      self.id = id
      self.partitions = partitions
    }

    init(_ update: TopicUpdate) {
      let partitions = update.topic.partitions
      let changed = update.changed ?? (0..<Int32(clamping: partitions.count)).map { $0 }
      self.init(
        name: update.topic.name, id: update.topic.id,
        partitions: changed.compactMap { index in
          partitions.indices.contains(Int(index)) ? (index, partitions[Int(index)]) : nil
        })
    }
  }

  var controllerID: BrokerID
  var controllerEpoch: Int32
  /// The registration of this broker that the controller knows; -1 for any.
  var brokerEpoch: Int64
  var content: Content
}

/// A topic as it is now, and what of it has changed.
struct TopicUpdate: Sendable {
  var topic: TopicDescription
  /// The numbers of the partitions; nil for all.
  var changed: [Int32]?

  init(_ topic: TopicDescription, changed: [Int32]? = nil) {
    self.topic = topic
    self.changed = changed
  }
}

extension ControllerRunner {
  /// Submits an order of another broker's controller. Called on any thread; does not wait.
  ///
  /// - Parameter reply: gets the outcome on the control lane; called once.
  func obey(_ order: ControllerOrder, reply: @escaping @Sendable (ControllerOrder.Outcome) -> Void) {
    enqueue(.order(order, reply))
  }

  /// Obeys another broker's controller, unless it has been replaced, or speaks to an earlier life of this broker.
  func take(
    _ order: ControllerOrder, _ state: inout State, reply: @escaping @Sendable (ControllerOrder.Outcome) -> Void
  ) {
    #if DEBUG
    let obeysAny = PlantedFault.obeysOldOrders.isPlanted
    #else
    let obeysAny = false
    #endif
    guard obeysAny || order.controllerEpoch >= state.membership.controllerEpoch else {
      return reply(.refused(.staleControllerEpoch))
    }
    if let epoch = state.membership.brokerEpoch, order.brokerEpoch >= 0, order.brokerEpoch < epoch {
      return reply(.refused(.staleBrokerEpoch))
    }
    if order.controllerEpoch > state.membership.controllerEpoch {
      // A controller of this broker has been replaced, whether or not it has heard of that.
      resign(&state)
      state.membership.controllerEpoch = order.controllerEpoch
    }
    state.membership.controllerID = order.controllerID
    switch order.content {
    case .lead(let states): lead(states, &state, reply)
    case .stop(let stopped):
      state.orders.chores.add(removing: stopped, for: .order(number(for: reply, &state)))
    case .show(let update):
      show(update, by: order.controllerID, &state)
      reply(.shown)
    }
  }

  private func number(
    for reply: @escaping @Sendable (ControllerOrder.Outcome) -> Void, _ state: inout State
  ) -> UInt64 {
    state.ordersTaken += 1
    state.obeying[state.ordersTaken] = reply
    return state.ordersTaken
  }

  private func lead(
    _ states: [Controller.ReplicaState], _ state: inout State,
    _ reply: @escaping @Sendable (ControllerOrder.Outcome) -> Void
  ) {
    let made = Set(states.filter(\.isNew).map(\.name.topic))
    let topics = Set(states.map(\.name.topic))
    readOverrides(of: topics.filter { state.orders.overrides[$0] == nil || made.contains($0) }, &state)
    let new = states.filter(\.isNew)
    let old = states.filter { !$0.isNew }
    state.orders.lead(old)
    let offline = state.orders.offline(of: old)
    guard !new.isEmpty else { return reply(.led([:], offline: offline)) }
    let number = number(
      for: { outcome in
        guard case .led(let outcomes, _) = outcome else { return reply(outcome) }
        reply(.led(outcomes, offline: offline))
      }, &state)
    state.orders.chores.add(making: new, for: .order(number))
  }

  /// Reads the values of topics. Where the tree is not reached, their logs have the broker's values until it is.
  private func readOverrides(of names: Set<String>, _ state: inout State) {
    guard !names.isEmpty else { return }
    let sorted = names.sorted()
    do {
      for (name, values) in zip(sorted, try state.tree.overrides(ofTopics: sorted)) {
        state.orders.overrides[name] = values
        state.unreadTopics.remove(name)
      }
    } catch {
      log.warning(
        "the configurations of topics cannot be read now", metadata: ["first": "\(sorted[0])", "error": "\(error)"])
      state.unreadTopics.formUnion(names)
      readTopicsLater(&state)
    }
  }

  private func readTopicsLater(_ state: inout State) {
    guard !state.isReadingLater else { return }
    state.isReadingLater = true
    loop.scheduleTask(in: .milliseconds(Limits.treeRetryMs)) { self.enqueue(.membership(.topicsUnread(isRetry: true))) }
  }

  /// Reads the values of topics that could not be read before, and applies them to their logs and to the image.
  ///
  /// - Parameter isRetry: a pause after a failure is over; nothing is read during one.
  func readUnreadTopics(isRetry: Bool, _ state: inout State) {
    if isRetry { state.isReadingLater = false }
    guard !state.unreadTopics.isEmpty, !state.isReadingLater, !state.membership.isLeaving else { return }
    let names = state.unreadTopics.sorted()
    do {
      let read = try state.tree.overrides(ofTopics: names)
      state.unreadTopics = []
      let changes = zip(names, read).filter { state.orders.overrides[$0] != $1 }
      if !changes.isEmpty { state.orders.configure(changes.map { (.topic($0), $1) }) }
    } catch {
      log.warning("the configurations of topics cannot be read yet", metadata: ["error": "\(error)"])
      readTopicsLater(&state)
    }
  }

  /// Merges the changed partitions into the topics that are known.
  private func show(_ update: ControllerOrder.ClusterUpdate, by controllerID: BrokerID, _ state: inout State) {
    let image = state.orders.metadata.image
    let topics = update.changed.map { changed -> TopicUpdate in
      let known = image.named(changed.name).flatMap { $0.id == changed.id && !update.isAll ? $0.description : nil }
      var topic = known ?? TopicDescription(name: changed.name, id: changed.id, partitions: [])
      topic.overrides = state.orders.overrides[changed.name] ?? [:]
      for (index, partition) in changed.partitions.sorted(by: { $0.index < $1.index }) {
        let index = Int(index)
        guard index >= 0, index < TopicLimits.partitions else { continue }
        while topic.partitions.count <= index {
          topic.partitions.append(
            PartitionDescription(replicas: [], leader: -1, leaderEpoch: -1, inSyncReplicas: []))
        }
        topic.partitions[index] = partition
      }
      return TopicUpdate(topic, changed: known == nil ? nil : changed.partitions.map(\.index))
    }
    // Not before the response: the tree may be slow, or away.
    let unread = update.changed.map(\.name).filter { state.orders.overrides[$0] == nil }
    if !unread.isEmpty, reconnect != nil {
      state.unreadTopics.formUnion(unread)
      enqueue(.membership(.topicsUnread(isRetry: false)))
    }
    let before = state.orders.metadata.image.brokers
    state.orders.show(
      topics, removed: update.removed, brokers: update.brokers, controllerID: controllerID, isAll: update.isAll)
    forgetGone(from: before, now: update.brokers)
  }

  /// Closes the connections to brokers that are gone, or have registered anew, now that the image shows it. What such a broker was asked,
  /// perhaps while it hung, is not waited for: its answer would come after the request's timeout, when another broker has long led.
  func forgetGone(from before: [LiveBroker], now: [LiveBroker]) {
    for broker in before {
      guard let present = now.first(where: { $0.id == broker.id }) else {
        peers.forget(broker.id)
        continue
      }
      // The epochs are known to a controller alone.
      let isSame = min(present.epoch, broker.epoch) < 0 || present.epoch == broker.epoch
      if !isSame || present.endpoints != broker.endpoints { peers.forget(broker.id) }
    }
  }
}
