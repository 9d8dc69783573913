import Cluster
import Model
import Synchronization

/// Keeps the throttled replication of one side, leader or follower, at a rate (Kafka: ReplicationQuotaManager). Any thread may call.
final class ReplicationThrottle: Sendable {
  private let rate: Mutex<ReplicationRate>
  /// The bytes per second; `max` for no limit.
  private let limit: @Sendable () -> Int64

  init(_ config: Config, limit: @escaping @Sendable () -> Int64) {
    let sampleMs = min(Int64(config.replicationQuotaWindowSeconds), Limits.timerMsMax / 1000) * 1000
    rate = Mutex(ReplicationRate(samples: config.replicationQuotaWindowCount, sampleMs: sampleMs))
    self.limit = limit
  }

  /// Takes note of bytes of throttled replicas.
  func record(bytes: Int, nowMs: Int64) {
    if bytes > 0 { rate.withLock { $0.record(bytes: bytes, nowMs: nowMs) } }
  }

  /// Whether throttled replicas that are not in sync have to wait.
  func isExceeded(nowMs: Int64) -> Bool {
    let limit = limit()
    return limit < .max && rate.withLock { $0.bytesPerSecond(nowMs: nowMs) } > Double(limit)
  }
}
