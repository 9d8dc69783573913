import Base
import Cluster
import Logging
import Model

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
    /// The topics that were new here: nil when all their logs were created, and otherwise the reason.
    case led([String: String?])
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
  }

  var controllerID: BrokerID
  var controllerEpoch: Int32
  /// The registration of this broker that the controller knows; -1 for any.
  var brokerEpoch: Int64
  var content: Content
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
    for name in Set(states.map(\.name.topic)).sorted() where state.orders.overrides[name] == nil || made.contains(name)
    {
      do { state.orders.overrides[name] = try state.tree.overrides(ofTopic: name) } catch {
        log.warning("a topic's configuration cannot be read", metadata: ["topic": "\(name)", "error": "\(error)"])
      }
    }
    let new = states.filter(\.isNew)
    state.orders.lead(states.filter { !$0.isNew })
    guard !new.isEmpty else { return reply(.led([:])) }
    state.orders.chores.add(making: new, for: .order(number(for: reply, &state)))
  }

  /// Merges the changed partitions into the topics that are known.
  private func show(_ update: ControllerOrder.ClusterUpdate, by controllerID: BrokerID, _ state: inout State) {
    let image = state.orders.metadata.image
    let topics = update.changed.map { changed -> TopicDescription in
      var topic =
        image.named(changed.name).flatMap { $0.id == changed.id && !update.isAll ? $0.description : nil }
        ?? TopicDescription(name: changed.name, id: changed.id, partitions: [])
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
      return topic
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
