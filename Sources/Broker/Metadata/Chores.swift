import Cluster
import Model

/// The work on logs that a controller's decisions bring and that takes long: making those of new topics, and removing those of
/// deleted ones. It is done in pieces, of each decision in turn, so that none waits for the whole of another.
///
/// What concerns one topic stays in order, for the controller asks for nothing further of a topic before it has heard how the
/// last ended.
struct Chores {
  /// Who wants to hear how a chore has ended.
  enum Origin: Equatable {
    /// This broker's controller.
    case own
    /// Another broker's controller, in the order of that number.
    case order(UInt64)
  }

  /// What has ended, and how.
  enum Ended {
    /// The topics that are new: nil when all logs are made, else why not.
    case made([String: String?], Origin)
    /// The topics whose replicas have stopped, and those of which files may be left.
    case removed(Set<String>, left: Set<String>, Origin)
  }

  private enum Chore {
    case make(ArraySlice<Controller.ReplicaState>, outcomes: [String: String?], Origin)
    case remove(ArraySlice<Controller.StoppedReplica>, all: [Controller.StoppedReplica], left: Set<String>, Origin)
  }

  /// The next first.
  private var waiting: [Chore] = []
  /// Where new logs go, kept as long as some are to be made: the directories need not be counted anew for each piece.
  private var placement: LogDirectories.Placement?

  var isEmpty: Bool { waiting.isEmpty }

  /// Drops what this broker's controller has asked for, as it is the controller no longer.
  mutating func forgetOwn() {
    waiting.removeAll { chore in
      switch chore {
      case .make(_, _, let origin), .remove(_, _, _, let origin): origin == .own
      }
    }
    if waiting.isEmpty { placement = nil }
  }

  mutating func add(making states: [Controller.ReplicaState], for origin: Origin) {
    waiting.append(.make(states[...], outcomes: [:], origin))
  }

  mutating func add(removing replicas: [Controller.StoppedReplica], for origin: Origin) {
    waiting.append(.remove(replicas[...], all: replicas, left: [], origin))
  }

  /// Does the next piece; nil when its chore has not ended.
  ///
  /// - Parameters:
  ///   - isStopping: makes no further logs: the topics that lack some have failed.
  ///   - forget: gets the deleted partitions of a chore that ends, whose names may be used again then.
  mutating func doPiece(
    isStopping: Bool = false,
    make: ([Controller.ReplicaState], inout [String: String?], inout LogDirectories.Placement?) -> Void,
    remove: ([Controller.StoppedReplica]) -> Set<String>,
    forget: ([TopicPartition]) -> Void
  ) -> Ended? {
    guard !waiting.isEmpty else { return nil }
    switch waiting.removeFirst() {
    case .make(let states, var outcomes, let origin) where isStopping:
      for state in states where outcomes[state.name.topic].flatMap({ $0 }) == nil {
        outcomes[state.name.topic] = "the broker stops"
      }
      return .made(outcomes, origin)
    case .make(let states, var outcomes, let origin):
      make(Array(states.prefix(Limits.partitionsPerTurn)), &outcomes, &placement)
      // A topic that has failed needs no further logs.
      let rest = states.dropFirst(Limits.partitionsPerTurn).drop { outcomes[$0.name.topic].flatMap { $0 } != nil }
      if !rest.isEmpty { waiting.append(.make(rest, outcomes: outcomes, origin)) }
      if waiting.isEmpty { placement = nil }
      return rest.isEmpty ? .made(outcomes, origin) : nil
    case .remove(let replicas, let all, let left, let origin):
      let left = left.union(remove(Array(replicas.prefix(Limits.partitionsPerTurn))))
      let rest = replicas.dropFirst(Limits.partitionsPerTurn)
      if !rest.isEmpty { waiting.append(.remove(rest, all: all, left: left, origin)) }
      guard rest.isEmpty else { return nil }
      forget(all.filter(\.isDeleted).map(\.name))
      return .removed(Set(all.map(\.name.topic)), left: left, origin)
    }
  }
}
