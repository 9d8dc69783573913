#if DEBUG
import Synchronization

/// Faults that a test plants in the shipped code, to show that the simulation finds them.
///
/// They exist in debug builds alone: a release build has neither the faults nor the questions whether one is planted.
package enum PlantedFault: Int, CaseIterable, Sendable {
  /// A produce is answered before the flush that its answer promises.
  case acknowledgesBeforeFlush
  /// An append is answered, and its bytes are never written.
  case losesAWrite
  /// A flush does not sync the directories of new segments.
  case forgetsDirectorySync
  /// A start knows of no producer that was there before.
  case losesProducers
  /// Of the waiters that an append satisfies, one is forgotten.
  case wakesOneTooFew
  /// The high watermark is never written down.
  case skipsHighWatermarkCheckpoint
  /// Of two answers that are ready, the second leaves first.
  case swapsResponses
  /// Retention by size removes one segment more than it may.
  case removesOneSegmentTooMany
  /// An entry of the offset index points at the next batch.
  case indexesOneBatchOff
  /// Compaction removes a tombstone the first time that it meets it.
  case removesTombstonesTooEarly
  /// Compaction rewrites the segment that is appended to.
  case cleansTheActiveSegment
  /// Compaction takes records of open transactions for the last of their keys.
  case cleansAboveTheStableOffset
  /// All members of a group get what its leader has assigned to the first.
  case assignsToAllWhatIsTheFirsts
  /// A group takes commits of members that are in an older generation.
  case acceptsCommitsOfOldGenerations
  /// A commit of offsets is acknowledged, and never appended to the log.
  case keepsCommitsInMemory
  /// A start reads no groups, only their offsets.
  case forgetsGroups
  /// The session of a member lasts for a day.
  case neverEndsSessions
  /// A static member that comes back begins a rebalance.
  case rebalancesForStaticMembers
  /// The markers of an aborted transaction say that it was committed.
  case writesAbortAsCommit
  /// Readers of committed records read up to the high watermark.
  case ignoresOpenTransactions
  /// A start knows of no aborted transactions in closed segments.
  case forgetsAbortedTransactions
  /// Of a transaction's partitions, the last gets no marker.
  case skipsOneMarker
  /// Transactions may take as long as they like.
  case neverTimesTransactionsOut
  /// InitProducerId gives the epoch out that the producer before has.
  case keepsTheEpoch
  /// Compaction removes a marker while records of its transaction stay.
  case removesMarkersTooEarly
  /// A new follower truncates its log to its high watermark, as before KIP-101.
  case truncatesToTheHighWatermark
  /// The high watermark is the leader's log end, whatever the followers have.
  case raisesTheHighWatermarkTooEarly
  /// A follower joins the ISR before it has what the ISR has.
  case letsTheISRGrowTooEarly
  /// The first living replica becomes leader, in sync or not.
  case electsOutsideTheISR
  /// A controller writes the tree whether or not another has been elected.
  case writesAsAStaleController
  /// A broker obeys LeaderAndIsr of any controller, in any leader epoch.
  case obeysOldOrders
  /// A follower that lags stays in the ISR.
  case keepsLaggingReplicas
  /// A new controller takes a broker that has restarted unseen for one that has lost nothing.
  case trustsBrokersThatWereAway
  /// A follower does not say in which leader epoch its last batch was written, so that it never learns where its log has parted from the
  /// leader's.
  case forgetsEpochsWhenFetching
  /// Of several batches that a follower has fetched, it leaves out the first.
  case appendsWithAGap
  /// A produce is answered when the leader has it, whatever it has asked for.
  case acknowledgesBeforeTheISRHasIt
  /// A coordinator serves requests while it reads its log.
  case servesBeforeLoading
  /// A coordinator that leads again goes on with what it knew before.
  case keepsWhatItHasCoordinated
  /// The markers of a transaction are written a second time, a while later.
  case writesMarkersTwice
  /// A request of a client that has not authenticated is served.
  case servesStrangers
  /// Any password is the right one.
  case acceptsAnyPassword
  /// Whoever is let in may do everything.
  case asksNoAcl
  /// A SASL exchange goes on after a failure, as if it had not been.
  case goesOnAfterAFailure
  /// What a client of TLS sends while its handshake waits for a turn overtakes what was held.
  case overtakesWhatIsHeld
  /// Handshakes go on in the order of their arrival, whoever has begun a thousand.
  case takesHandshakesInOrder

  /// Whether a fuzzer is to find the fault: the simulation has no TLS, and its strangers do not go on after a failure.
  package var isForFuzzers: Bool {
    switch self {
    case .goesOnAfterAFailure, .overtakesWhatIsHeld, .takesHandshakesInOrder: true
    default: false
    }
  }

  /// Whether only a cluster of several brokers can show the fault.
  package var needsReplicas: Bool {
    switch self {
    case .truncatesToTheHighWatermark, .raisesTheHighWatermarkTooEarly, .letsTheISRGrowTooEarly, .electsOutsideTheISR,
      .writesAsAStaleController, .obeysOldOrders, .keepsLaggingReplicas, .trustsBrokersThatWereAway,
      .forgetsEpochsWhenFetching, .appendsWithAGap, .acknowledgesBeforeTheISRHasIt, .servesBeforeLoading,
      .keepsWhatItHasCoordinated, .writesMarkersTwice:
      true
    default: false
    }
  }

  private static let planted = Atomic<Int>(-1)

  /// Plants a fault, for every thread of the process, or takes it out.
  package static func plant(_ fault: PlantedFault?) { planted.store(fault?.rawValue ?? -1, ordering: .relaxed) }

  /// How many calls of `planted` are under way.
  private static let scopes = Atomic<Int>(0)
  @TaskLocal private static var scoped: PlantedFault?

  /// Runs `body` with a fault planted for what it calls itself, and for nobody beside: other tests of the process have the shipped code meanwhile.
  package static func planted<Result>(_ fault: PlantedFault, _ body: () throws -> Result) rethrows -> Result {
    scopes.add(1, ordering: .relaxed)
    defer { scopes.subtract(1, ordering: .relaxed) }
    return try $scoped.withValue(fault) { try body() }
  }

  package var isPlanted: Bool {
    if Self.planted.load(ordering: .relaxed) == rawValue { return true }
    return Self.scopes.load(ordering: .relaxed) > 0 && Self.scoped == self
  }
}
#endif
