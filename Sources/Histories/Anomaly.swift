/// What a history shows that Kafka's contract forbids to clients that produce idempotently with acks=all and read committed
/// records. The first ten have the meanings that Jepsen's workload for Kafka gives them (jepsen.tests.kafka); the others are
/// about groups and the offsets that are committed.
package enum Anomaly: String, CaseIterable, Hashable, Sendable {
  /// A record was acknowledged, and its transaction committed where it had one; nobody read it, though somebody read what
  /// lies behind it in its partition.
  case lostWrite = "lost-write"
  /// As a lost write, but nobody read further in the partition: at the end of a history that reads everything it is lost,
  /// before the end it may only be late.
  case unseen
  /// A record was read at more than one place.
  case duplicate
  /// Two records were read or acknowledged at one place (Jepsen: inconsistent offsets).
  case inconsistentOffset = "inconsistent-offset"
  /// A record was read that is not to be there: its producer was refused, or its transaction was aborted or never asked to
  /// be committed (Adya's G1a).
  case abortedRead = "aborted-read"
  /// A record was read before the commit of its transaction was asked for (Jepsen: precommitted read, there by the
  /// transaction itself).
  case uncommittedRead = "uncommitted-read"
  /// At the end of the history some acknowledged records of a transaction have been read, and some have not. Jepsen finds
  /// this as a cycle of dependencies.
  case tornTransaction = "torn-transaction"
  /// Within an assignment a reader came back to where it had been (Jepsen: nonmonotonic poll, between polls and inside of one).
  case nonmonotonicPoll = "nonmonotonic-poll"
  /// Within an assignment a reader went on behind records that it had not read, and that are there to be read (Jepsen: poll
  /// skip, between polls and inside of one).
  case skippedPoll = "skipped-poll"
  /// A producer's batches lie in another order than it sent them (Jepsen: nonmonotonic send, between sends and inside of one).
  case nonmonotonicSend = "nonmonotonic-send"
  /// A record was read that nobody had sent there.
  case phantom
  /// The offset at which a member began is not the one that was committed last: a commit was lost, or a refused or older one
  /// took its place.
  case staleOffset = "stale-offset"
  /// The coordinator took a commit that a member sent after its partition had been assigned to another in a later generation.
  case zombieCommit = "zombie-commit"
  /// A group committed an offset behind records that none of its members had read.
  case passedOver = "passed-over"
  /// Two members were assigned a partition in one generation of their group.
  case twoOwners = "two-owners"
  /// Two committed transactions consumed one record of a group: not exactly once.
  case consumedTwice = "consumed-twice"
}

/// One case of an anomaly.
package struct Finding: Equatable, Sendable {
  package var anomaly: Anomaly
  /// One sentence.
  package var what: String
  /// The events that show it, by their places in the history, in order.
  package var events: [Int]

  package init(_ anomaly: Anomaly, _ what: String, events: [Int?]) {
    self.anomaly = anomaly
    self.what = what
    self.events = Set(events.compactMap { $0 }).sorted()
  }
}
