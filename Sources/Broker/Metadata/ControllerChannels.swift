import Cluster
import DequeModule
import Logging
import Model
import NIOCore
import Wire

/// The requests of this broker's controller to the other brokers: for each broker a queue, of which one request at a time is under way
/// and is sent again until the broker responds or is gone. (Kafka: ControllerChannelManager.)
///
/// A value without I/O: `ControllerRunner` sends, and reports how that ended.
struct ControllerChannels {
  enum Message: Sendable {
    case leaderAndISR([Controller.ReplicaState])
    /// All brokers, and all topics as they are when the request is sent: the first request to a broker.
    case allMetadata
    case updateMetadata(brokers: [LiveBroker], changed: [ControllerOrder.ChangedTopic], removed: [String])
    case stopReplicas([Controller.StoppedReplica])
  }

  /// What has become of a request.
  enum Response: Sendable {
    /// The topics that were new to the broker, and the replicas of others whose logs it cannot use.
    case led([String: String?], offline: [TopicPartition])
    case stopped(topics: Set<String>, left: Set<String>)
    case shown
    /// The broker was not reached, or could not do it now: the request is to be sent again.
    case failed(String)
    /// The pause after a failure is over.
    case retry
    /// STALE_BROKER_EPOCH: the broker has registered again since.
    case isOfEarlierLife
    /// STALE_CONTROLLER_EPOCH: another controller has been elected.
    case isFenced
  }

  /// What is to be sent now.
  struct Sending {
    var broker: BrokerID
    /// Of this request alone, also among those of this broker's earlier controllers: their responses may still come.
    var number: UInt64
    var brokerEpoch: Int64
    var message: Message
  }

  private struct Channel {
    let brokerEpoch: Int64
    var queue: Deque<Message> = []
    /// The number of the request under way.
    var underWay: UInt64?
  }

  private var channels: [BrokerID: Channel] = [:]
  private var requestsSent: UInt64 = 0

  /// Adds a request for a broker. Before the first one it is told of everything: to lead or follow, it must know the brokers.
  ///
  /// - Parameter brokerEpoch: of the broker's present registration; requests to an earlier one are dropped.
  /// - Returns: what is to be sent now; nil while another request is under way.
  mutating func add(_ message: Message, to broker: BrokerID, _ brokerEpoch: Int64) -> Sending? {
    if channels[broker]?.brokerEpoch != brokerEpoch {
      channels[broker] = Channel(brokerEpoch: brokerEpoch, queue: [.allMetadata])
    }
    channels[broker]?.queue.append(message)
    return next(broker)
  }

  /// Whether the request under way to a broker is the one of this number.
  func isUnderWay(_ number: UInt64, to broker: BrokerID) -> Bool { channels[broker]?.underWay == number }

  /// Takes in the response to the request under way, and returns what is to be sent next.
  ///
  /// - Returns: nil when nothing is to be sent now, also after a failure: then `retry` comes after a pause.
  mutating func responded(_ broker: BrokerID, number: UInt64, _ response: Response) -> Sending? {
    guard isUnderWay(number, to: broker) else { return nil }
    switch response {
    case .failed: return nil
    case .retry: break
    case .isOfEarlierLife, .isFenced:
      channels[broker] = nil
      return nil
    case .led, .stopped, .shown: channels[broker]?.queue.removeFirst()
    }
    channels[broker]?.underWay = nil
    return next(broker)
  }

  /// Drops the requests to brokers that are gone.
  mutating func keep(_ isAlive: (BrokerID, _ brokerEpoch: Int64) -> Bool) {
    channels = channels.filter { isAlive($0.key, $0.value.brokerEpoch) }
  }

  mutating func removeAll() { channels = [:] }

  /// Whether every broker has responded to all requests.
  var areIdle: Bool { channels.values.allSatisfy(\.queue.isEmpty) }

  private mutating func next(_ broker: BrokerID) -> Sending? {
    guard let channel = channels[broker], channel.underWay == nil, let message = channel.queue.first else { return nil }
    requestsSent += 1
    channels[broker]?.underWay = requestsSent
    return Sending(broker: broker, number: requestsSent, brokerEpoch: channel.brokerEpoch, message: message)
  }
}

extension ControllerRunner {
  /// Queues a request of this broker's controller to another broker.
  func send(_ message: ControllerChannels.Message, to broker: BrokerID, _ state: inout State) {
    guard let alive = state.controller?.cluster.brokers[broker] else { return }
    if let sending = state.channels.add(message, to: broker, alive.epoch) { send(sending, state) }
  }

  /// Takes in how a request to another broker has ended.
  func take(
    _ response: ControllerChannels.Response, from broker: BrokerID, number: UInt64, _ state: inout State
  ) {
    guard state.controller != nil, state.channels.isUnderWay(number, to: broker) else { return }
    let next = state.channels.responded(broker, number: number, response)
    switch response {
    case .led(let outcomes, let offline):
      if !outcomes.isEmpty { state.step(.replicasMade(by: broker, outcomes)) }
      if !offline.isEmpty { state.step(.replicasFailed(at: broker, offline)) }
    case .stopped(let topics, let left):
      for topic in topics.sorted() {
        state.step(.replicasStopped(by: broker, topic: topic, isGone: !left.contains(topic)))
      }
    case .failed(let reason):
      // A broker that has left the cluster reaches nobody any more.
      guard !state.membership.isLeaving else { return }
      log.warning(
        "a request of the controller is sent again", metadata: ["broker": "\(broker)", "reason": "\(reason)"])
      state.step(.unreachable(broker))
      loop.scheduleTask(in: .milliseconds(Limits.controllerRetryMs)) {
        self.enqueue(.responded(broker, number: number, .retry))
      }
    case .isFenced: resign(&state)
    case .shown, .retry, .isOfEarlierLife: break
    }
    if let next { send(next, state) }
    state.settleIfAnswered()
  }

  private func send(_ sending: ControllerChannels.Sending, _ state: State) {
    guard let controller = state.controller else { return }
    let origin = ControllerRequests.Origin(
      controllerID: brokerID, controllerEpoch: controller.epoch, brokerEpoch: sending.brokerEpoch)
    let reply: @Sendable (ControllerChannels.Response) -> Void = {
      self.enqueue(.responded(sending.broker, number: sending.number, $0))
    }
    func show(_ brokers: [LiveBroker], _ changed: [ControllerOrder.ChangedTopic], removed: [String], isAll: Bool) {
      let request = ControllerRequests.updateMetadata(brokers, changed, removed: removed, isAll: isAll, origin)
      peers.send(request, to: sending.broker, purpose: .control) { result in
        reply(ControllerRequests.response(result.map(\.errorCode), done: .shown))
      }
    }
    switch sending.message {
    case .leaderAndISR(let states):
      let request = ControllerRequests.leaderAndISR(states, origin)
      peers.send(request, to: sending.broker, purpose: .control) { result in
        reply(ControllerRequests.response(result, to: states))
      }
    case .allMetadata:
      show(
        controller.cluster.brokerIDs.compactMap { controller.cluster.brokers[$0] },
        controller.shownTopics.map { ControllerOrder.ChangedTopic(TopicUpdate($0)) }, removed: [], isAll: true)
    case .updateMetadata(let brokers, let changed, let removed): show(brokers, changed, removed: removed, isAll: false)
    case .stopReplicas(let stopped):
      let request = ControllerRequests.stopReplica(stopped, origin)
      peers.send(request, to: sending.broker, purpose: .control) { result in
        reply(ControllerRequests.response(result, to: stopped))
      }
    }
  }
}
