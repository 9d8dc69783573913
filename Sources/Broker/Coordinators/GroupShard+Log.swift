import Base
import Cluster
import Model
import NIOCore

/// The partition of `__consumer_offsets` that comes, is read, and goes.
extension GroupShard {
  /// The log is going to be read.
  func begin() { reset(.loading, answering: .notCoordinator) }

  /// The partition is no more this broker's, or the broker stops: requests get the error, those that wait at once.
  func end(_ error: ErrorCode) { reset(.refusing(error), answering: error) }

  /// Ends without a word, as a crash does.
  func abandon() {
    exclusively { state, _ in
      state.timer?.cancel()
      state = State(status: .refusing(.notCoordinator), incarnation: state.incarnation + 1)
    }
  }

  private func reset(_ status: Status, answering error: ErrorCode) {
    exclusively { state, work in
      // Nothing is appended on the way: a group that is unloaded has no records to store.
      for id in state.groups.keys.sorted() { step(.unloaded(error), of: id, &state, &work) }
      state.timer?.cancel()
      state = State(status: status, incarnation: state.incarnation + 1, requests: state.requests)
    }
  }

  func replay(_ record: CoordinatorRecord, in batch: CoordinatorBatch) {
    // A newer Kafka has records of further kinds.
    guard let read = GroupRecord(reading: record) else { return replayConsumers(record) }
    exclusively { state, work in
      switch read {
      case .offset(let id, let partition, let commit):
        let producerID = batch.isTransactional ? batch.producerID : nil
        if let producerID { state.transactions[producerID, default: []].insert(id) }
        state.groups[id, default: Entry(group: Group(id, rules: environment.rules, at: work.now))]
          .offsets.replay(commit, of: partition, at: batch.baseOffset, producerID: producerID)
      case .group(let id, let stored):
        #if DEBUG
        if PlantedFault.forgetsGroups.isPlanted { return }
        #endif
        let group =
          stored.map { Group(id, reading: $0, rules: environment.rules, at: work.now) }
          ?? Group(id, rules: environment.rules, at: work.now)
        state.groups[id, default: Entry(group: group)].group = group
      }
    }
  }

  /// The log was read to its end.
  func loaded(_ error: ErrorCode?) {
    exclusively { state, work in
      guard state.status == .loading else { return }
      if error != nil {
        state = State(status: .refusing(.coordinatorNotAvailable), incarnation: state.incarnation + 1)
        return
      }
      state.status = .active
      for id in state.groups.keys.sorted() {
        step(.loaded, of: id, &state, &work)
        state.groups[id]?.consumers?.beginSessions(settings: environment.consumerSettings, nowMs: work.now.ms)
        settle(id, &state, work)
      }
    }
  }
}
