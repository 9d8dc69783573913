package import Model

/// What clients of a cluster did, in the order in which it happened: operations as they were invoked, and as they ended.
///
/// A *process* is one session of one client, which does one thing after another: a producer with one identity, a member of a
/// group from its first request to join until it left, a reader. What follows a restart of a client is another process. An
/// operation without an end may have had its effect or not, now or later.
package struct History: Sendable, Equatable {
  package struct Event: Hashable, Sendable {
    /// Since the history began.
    package var timeNs: UInt64
    package var process: Int
    package var action: Action

    package init(timeNs: UInt64, process: Int, _ action: Action) {
      self.timeNs = timeNs
      self.process = process
      self.action = action
    }
  }

  package enum Action: Hashable, Sendable {
    /// A producer sends a batch of records with these numbers, in one of its transactions or in none.
    case send(Range<Int>, partition: Int32, transaction: Int?)
    /// The batch whose first record has this number was acknowledged, or given up.
    case sent(Int, SendOutcome)
    /// A transaction's end is asked for.
    case end(transaction: Int, commits: Bool)
    case ended(transaction: Int, TransactionOutcome)
    /// The committed offsets of partitions are asked for.
    case look(group: String, [Int32])
    /// What was last asked for: partitions that are not named have no committed offset.
    case found(group: String, [Position])
    /// From now on the process reads these partitions from these offsets, by its own choice or as a member of a group; it
    /// goes on with the others that it read.
    case assign([Position], Membership?)
    /// The process reads these partitions no more.
    case revoke([Int32])
    /// Records came back, in this order.
    case poll(Int32, [RecordRun])
    /// A commit of offsets with a number of its own, in one of the process's transactions or in none.
    case commit(Int, group: String, [Position], transaction: Int?)
    case committed(Int, CommitOutcome)
  }

  package enum SendOutcome: Hashable, Sendable {
    /// Acknowledged; the first record's offset, where the broker knew it.
    case ok(Offset?)
    /// Refused: the records are not in the log.
    case failed
    /// The records may be in the log.
    case unknown
  }

  package enum TransactionOutcome: String, CaseIterable, Sendable { case committed, aborted, unknown }

  package enum CommitOutcome: String, CaseIterable, Sendable { case ok, failed, unknown }

  /// A place in a partition.
  package struct Position: Hashable, Sendable {
    package var partition: Int32
    package var offset: Offset
    /// Where what a transaction consumed begins, in a commit that is a part of it.
    package var from: Offset?

    package init(_ partition: Int32, _ offset: Offset, from: Offset? = nil) {
      self.partition = partition
      self.offset = offset
      self.from = from
    }
  }

  package struct Membership: Hashable, Sendable {
    package var group: String
    package var generation: Int32

    package init(group: String, generation: Int32) {
      self.group = group
      self.generation = generation
    }
  }

  package private(set) var events: [Event] = []

  package init() {}

  package mutating func append(_ event: Event) { events.append(event) }
}
