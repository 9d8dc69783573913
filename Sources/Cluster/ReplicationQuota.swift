package import Model

/// The rate of throttled replication, over the last samples of time (Kafka: Rate of a SampledStat).
///
/// The bytes of all samples count against the time since the oldest began, but at least against that of all samples but one: with 11
/// samples of a second, 10 seconds' worth may pass at once after a pause. A value without a clock; times are milliseconds of a monotonic
/// one.
package struct ReplicationRate: Sendable {
  private let samplesMax: Int
  private let sampleMs: Int64
  /// Oldest first, never more than `samplesMax`.
  private var samples: [(startMs: Int64, bytes: Double)] = []

  /// - Parameters:
  ///   - samples: `replication.quota.window.num`.
  ///   - sampleMs: `replication.quota.window.size.seconds`, in milliseconds.
  package init(samples: Int, sampleMs: Int64) {
    samplesMax = max(1, samples)
    self.sampleMs = max(1, sampleMs)
  }

  package mutating func record(bytes: Int, nowMs: Int64) {
    forget(before: nowMs)
    if let last = samples.last, nowMs - last.startMs < sampleMs {
      samples[samples.count - 1].bytes += Double(bytes)
    } else {
      if samples.count == samplesMax { samples.removeFirst() }
      samples.append((nowMs, Double(bytes)))
    }
  }

  package mutating func bytesPerSecond(nowMs: Int64) -> Double {
    forget(before: nowMs)
    guard let first = samples.first else { return 0 }
    let spanMs = max(Double(nowMs - first.startMs), Double(samplesMax - 1) * Double(sampleMs), 1)
    return samples.reduce(0) { $0 + $1.bytes } * 1000 / spanMs
  }

  private mutating func forget(before nowMs: Int64) {
    let span = Double(samplesMax) * Double(sampleMs)
    samples.removeAll { Double(nowMs) - Double($0.startMs) >= span }
  }
}

/// The replicas of a topic whose replication is throttled on one side (`leader.replication.throttled.replicas`,
/// `follower.replication.throttled.replicas`).
package enum ThrottledReplicas: Equatable, Sendable {
  case none
  case all
  case some([Int32: Set<BrokerID>])

  /// Reads the value of such a key: `*`, or a list of partition:broker. What is no number names no replica.
  package init(_ elements: [String]) {
    if elements == ["*"] {
      self = .all
      return
    }
    var replicas: [Int32: Set<BrokerID>] = [:]
    for element in elements {
      let parts = element.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2, let partition = Int32(parts[0]), let broker = BrokerID(parts[1]) else { continue }
      replicas[partition, default: []].insert(broker)
    }
    self = replicas.isEmpty ? .none : .some(replicas)
  }

  /// Whether the replica of a partition on a broker is throttled.
  package func contains(_ partition: Int32, on broker: BrokerID) -> Bool {
    switch self {
    case .none: false
    case .all: true
    case .some(let replicas): replicas[partition]?.contains(broker) == true
    }
  }

  /// Whether a text may be an element of such a value, as Kafka checks it.
  package static func allows(_ element: String) -> Bool {
    let parts = element.split(separator: ":", omittingEmptySubsequences: false)
    return parts.count == 2 && parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }
  }
}
