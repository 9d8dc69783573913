import Base
import Client
import Model

/// Members of consumer groups: how they join, come later, and leave.
extension LoopRun {
  /// Makes a consumer a member of a group; each fan-out copy is a group of its own.
  func join(_ name: String, _ consumer: Consumer, _ worker: ConsumeWorker, _ number: Int, _ copy: Int) {
    let plan = setup.plan
    var settings = GroupSettings(groupID: plan.fanOut == 1 ? name : "\(name)-\(copy + 1)")
    settings.instanceID = plan.groupInstanceID.map { "\($0)-\(plan.firstNumber * plan.fanOut + number)" }
    settings.membership = membership(number)
    settings.assignor = plan.assignor
    settings.sessionTimeoutMs = plan.sessionTimeoutMs
    settings.heartbeatIntervalMs = plan.heartbeatIntervalMs
    // Members that were started by themselves would not all send their heartbeats at the same moment.
    settings.heartbeatPhase = Double(number % plan.connections + 1) / Double(plan.connections)
    settings.commitIntervalMs = plan.commitIntervalMs
    // The coordinator answers a member that joins when all have, or the rebalance has timed out.
    let connect = connector(
      from: plan.sourceAddress(ofConsumer: number),
      requestTimeoutMs: plan.requestTimeoutMs + settings.rebalanceTimeoutMs)
    let group = GroupConsumer(
      settings, consumer, setup.metadata, fallback: setup.from, on: eventLoop, now: Clocks.monotonicNs, connect: connect
    )
    worker.read(as: group)
    members.append((number, copy, group))
  }

  private func membership(_ number: Int) -> GroupProtocol {
    switch setup.plan.groupProtocol {
    case .classic: return .classic
    case .consumer:
      var random = SplitMix(seed: SplitMix.mixed(Clocks.monotonicNs() &+ UInt64(number)))
      return .consumer(memberID: UUID128.random(using: &random).description, assignor: setup.plan.remoteAssignor)
    }
  }

  /// Adds a member to a group while the run is under way.
  func come(_ number: Int, copy: Int) {
    addConsumer(number, copy: copy)
    guard let (consumer, worker) = consumers.last else { return }
    consumer.start { result in
      switch result {
      case .success: worker.start()
      case .failure(let error): worker.fail(error)
      }
    }
  }

  /// Lets members commit and leave; `then` is called when all have.
  func leave(where isLeaving: (_ number: Int, _ copy: Int) -> Bool, then: @escaping () -> Void) {
    let leaving = members.filter { isLeaving($0.number, $0.copy) }
    var missing = leaving.count
    guard missing > 0 else { return then() }
    for member in leaving {
      member.group.close {
        missing -= 1
        if missing == 0 { then() }
      }
    }
  }

  /// The records that the members of each of `count` groups have read.
  func recordsRead(byGroups count: Int) -> [Int] {
    var read = Array(repeating: 0, count: count)
    for (_, worker) in consumers { read[worker.copy] += worker.receivedRecords }
    return read
  }
}
