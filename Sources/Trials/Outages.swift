import Model

/// When writes to partitions were acknowledged, and for how long none was: what a prober sees of elections. A value.
///
/// An outage is the time between two acknowledgements that follow each other, as far as it is looked at: from `begin` on. Its resolution is the
/// prober's interval.
struct Outages {
  struct Partition: Equatable {
    /// The last acknowledgement, in milliseconds; nil before the first.
    var lastMs: Double?
    /// The longest time between two.
    var longestMs = 0.0
    /// When that ended.
    var longestEndMs = 0.0
    /// Since `begin`.
    var acknowledged = 0
    /// The broker that acknowledged last.
    var leader: BrokerID?
  }

  private(set) var partitions: [Partition]

  init(count: Int) { partitions = Array(repeating: Partition(), count: count) }

  /// A write to a partition was acknowledged by a broker.
  mutating func acknowledged(_ partition: Int, by leader: BrokerID, atMs now: Double) {
    guard partitions.indices.contains(partition) else { return }
    if let last = partitions[partition].lastMs, now - last > partitions[partition].longestMs {
      partitions[partition].longestMs = now - last
      partitions[partition].longestEndMs = now
    }
    partitions[partition].lastMs = now
    partitions[partition].acknowledged += 1
    partitions[partition].leader = leader
  }

  /// A broker does not lead a partition, or cannot be reached.
  mutating func lost(_ partition: Int, leader: BrokerID) {
    guard partitions.indices.contains(partition), partitions[partition].leader == leader else { return }
    partitions[partition].leader = nil
  }

  /// Forgets the outages so far.
  mutating func begin() {
    for index in partitions.indices {
      partitions[index].longestMs = 0
      partitions[index].longestEndMs = 0
      partitions[index].acknowledged = 0
    }
  }

  /// Whether each partition was acknowledged by another broker than `gone` since `begin`.
  func haveMoved(from gone: BrokerID) -> Bool {
    partitions.allSatisfy { $0.leader != nil && $0.leader != gone && $0.acknowledged > 0 }
  }
}
