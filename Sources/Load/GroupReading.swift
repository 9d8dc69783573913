package import Model

/// A stretch of a partition as one member of a group read it: from its assignment until it gave the partition up.
package struct ReadSpan: Equatable, Sendable {
  /// The group's number in the run.
  package var group: Int
  package var partition: Int32
  /// The first offset read, and the first not read.
  package var from: Offset, to: Offset
  /// CLOCK_MONOTONIC of the beginning and the end.
  package var fromNs: UInt64, toNs: UInt64

  package init(group: Int, partition: Int32, from: Offset, to: Offset, fromNs: UInt64, toNs: UInt64) {
    self.group = group
    self.partition = partition
    self.from = from
    self.to = to
    self.fromNs = fromNs
    self.toNs = toNs
  }
}

/// Members of a group came or went, on purpose.
package struct MemberEvent: Equatable, Sendable {
  package enum Kind: CaseIterable, Sendable { case restart, join, leave }

  package var group: Int
  package var kind: Kind
  package var atNs: UInt64

  package init(group: Int, kind: Kind, atNs: UInt64) {
    self.group = group
    self.kind = kind
    self.atNs = atNs
  }
}

/// What became of the partitions of a run's groups, whoever read them: each record should be read by each group, once, and a partition
/// by one member at a time.
///
/// Worked case: A reads 0..<10 of a partition and gives it up at 5 ms; B begins with 10 at 8 ms. Nothing is read twice or left out,
/// and the partition was unread for 3 ms. Had B begun with 7, three records would have been read twice; with 12, two left out.
package struct GroupReading: Equatable, Sendable {
  /// Offsets that a group's members read more than once.
  package private(set) var readTwice = 0
  /// Offsets between the first and the last that a group read, and that none of its members read.
  package private(set) var leftOut = 0
  /// How often a member began to read a partition that another one of its group had not given up.
  package private(set) var shared = 0
  /// By the kind of event, for how long partitions were unread after it.
  package private(set) var unread: [MemberEvent.Kind: Unread] = [:]

  /// The time in which partitions had no reader, after events of one kind.
  package struct Unread: Equatable, Sendable {
    /// Over all partitions and events.
    package fileprivate(set) var totalNs: UInt64 = 0
    package fileprivate(set) var maxNs: UInt64 = 0
    /// The pairs of a partition and an event, and those in which the partition was unread at all.
    package fileprivate(set) var pairs = 0, interrupted = 0

    /// Of one partition after one event, in milliseconds.
    package var meanMs: Double { Double(totalNs) / 1e6 / Double(max(pairs, 1)) }
  }

  /// - Parameters:
  ///   - endNs: until when partitions should have been read.
  package init(_ spans: [ReadSpan], after events: [MemberEvent], until endNs: UInt64) {
    let groups = Dictionary(grouping: spans, by: \.group)
    for (group, spans) in groups.sorted(by: { $0.key < $1.key }) {
      let own = events.filter { $0.group == group }.sorted { $0.atNs < $1.atNs }
      let partitions = Dictionary(grouping: spans, by: \.partition)
      for kind in MemberEvent.Kind.allCases {
        let count = own.count { $0.kind == kind }
        if count > 0 { unread[kind, default: Unread()].pairs += count * partitions.count }
      }
      for (_, spans) in partitions.sorted(by: { $0.key < $1.key }) {
        addOffsets(spans)
        addTimes(spans, after: own, until: endNs)
      }
    }
  }

  private mutating func addOffsets(_ spans: [ReadSpan]) {
    let ordered = spans.filter { $0.from < $0.to }.sorted { ($0.from, $0.to) < ($1.from, $1.to) }
    guard var reach = ordered.first?.from else { return }
    for span in ordered {
      readTwice += max(0, min(reach, span.to) - span.from)
      leftOut += max(0, span.from - reach)
      reach = max(reach, span.to)
    }
  }

  /// Adds the times between the spans of one partition.
  private mutating func addTimes(_ spans: [ReadSpan], after events: [MemberEvent], until endNs: UInt64) {
    // While the run ends, those that leave later are given what others have left.
    let ordered = spans.filter { $0.fromNs < endNs }.sorted { ($0.fromNs, $0.toNs) < ($1.fromNs, $1.toNs) }
    guard var freeNs = ordered.first?.fromNs else { return }
    var byEvent: [Int: UInt64] = [:]
    for span in ordered + [ordered[0].ending(at: endNs)] {
      if span.fromNs < freeNs, span.fromNs != span.toNs { shared += 1 }
      if span.fromNs > freeNs, let event = events.lastIndex(where: { $0.atNs <= freeNs }) {
        byEvent[event, default: 0] += span.fromNs - freeNs
      }
      freeNs = max(freeNs, span.toNs)
    }
    for (event, ns) in byEvent {
      unread[events[event].kind]?.totalNs += ns
      unread[events[event].kind]?.interrupted += 1
      unread[events[event].kind]?.maxNs.raise(to: ns)
    }
  }

  /// The share of partitions, in per cent, that were unread for a while after an event; nil without events.
  package var interruptedPercent: Double? {
    let pairs = unread.values.reduce(0) { $0 + $1.pairs }
    guard pairs > 0 else { return nil }
    return 100 * Double(unread.values.reduce(0) { $0 + $1.interrupted }) / Double(pairs)
  }

  /// The longest that a partition was unread after an event, in milliseconds; nil without events.
  package var longestMs: Double? { unread.values.map { Double($0.maxNs) / 1e6 }.max() }
}

extension ReadSpan {
  /// The empty span at the end of a run, up to which a partition should have been read.
  fileprivate func ending(at ns: UInt64) -> ReadSpan {
    ReadSpan(group: group, partition: partition, from: to, to: to, fromNs: ns, toNs: ns)
  }
}

extension UInt64 {
  fileprivate mutating func raise(to other: UInt64) { self = Swift.max(self, other) }
}
