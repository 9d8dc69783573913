import NIOCore
package import Security
import Synchronization

/// Holds the quotas in force and what clients have done against them. Requests look at one number to see whether there are any; only then do
/// they take the lock. The control lane changes the quotas.
package final class Quotas: Sendable {
  private let meters: Mutex<QuotaMeters>
  private let limitsClients = Atomic(false)
  private let limitsConnections = Atomic(false)
  private let metadata: Metadata
  private let uptimeMs: @Sendable () -> Int64

  init(_ config: Config, _ metadata: Metadata, uptimeMs: @escaping @Sendable () -> Int64) {
    meters = Mutex(
      QuotaMeters(
        QuotaWindowSize(samples: config.quotaWindowCount, sampleMs: config.quotaWindowSeconds.millisecondsClamped),
        mutations: QuotaWindowSize(
          samples: config.controllerQuotaWindowCount,
          sampleMs: config.controllerQuotaWindowSeconds.millisecondsClamped)))
    self.metadata = metadata
    self.uptimeMs = uptimeMs
  }

  var image: MetadataImage { metadata.image }

  /// Whether some user or client id has a quota.
  var isActive: Bool { limitsClients.load(ordering: .relaxed) }

  /// All quotas, as they are now.
  package var table: QuotaTable { meters.withLock { $0.table } }

  func replace(_ changes: [QuotaEntity: [QuotaKey: Double]]) { change { $0.replace(changes) } }
  func replaceAll(_ values: [QuotaEntity: [QuotaKey: Double]]) { change { $0.replaceAll(values) } }

  private func change(_ body: (inout QuotaMeters) -> Void) {
    let keys = meters.withLock { meters in
      body(&meters)
      return meters.table.keysInUse
    }
    limitsConnections.store(keys.contains(.connectionCreationRate), ordering: .relaxed)
    limitsClients.store(keys.contains { $0 != .connectionCreationRate }, ordering: .relaxed)
  }

  func record(_ key: QuotaKey, _ amount: Double, user: String, clientID: String) -> Int64 {
    let now = uptimeMs()
    return meters.withLock { $0.record(key, amount, user: user, clientID: clientID, nowMs: now) }
  }

  func recordConsumed(_ amount: Double, user: String, clientID: String) -> (throttleMs: Int64, isSent: Bool) {
    let now = uptimeMs()
    return meters.withLock { $0.recordConsumed(amount, user: user, clientID: clientID, nowMs: now) }
  }

  func together(_ key: QuotaKey, bytesMax: Double, user: String, clientID: String) -> QuotaMeters.Together? {
    let now = uptimeMs()
    return meters.withLock { $0.together(key, bytesMax: bytesMax, user: user, clientID: clientID, nowMs: now) }
  }

  /// Counts requests that were served together.
  func recordTogether(
    _ together: QuotaMeters.Together, _ key: QuotaKey, bytes: Int, _ time: TimeAmount, user: String, clientID: String
  ) {
    guard together.countsBytes || together.countsTime else { return }
    let now = uptimeMs()
    meters.withLock { meters in
      if together.countsBytes { _ = meters.record(key, Double(bytes), user: user, clientID: clientID, nowMs: now) }
      guard together.countsTime else { return }
      _ = meters.record(.requestPercentage, time.quotaPercent, user: user, clientID: clientID, nowMs: now)
    }
  }

  func responseBytesMax(user: String, clientID: String) -> Int? {
    meters.withLock { $0.responseBytesMax(user: user, clientID: clientID) }
  }

  func recordMutations(
    _ counts: [Int], isStrict: Bool, user: String, clientID: String
  ) -> (accepted: [Bool], throttleMs: Int64) {
    let now = uptimeMs()
    return meters.withLock {
      $0.recordMutations(counts, isStrict: isStrict, user: user, clientID: clientID, nowMs: now)
    }
  }

  /// Counts a connection of an address that may make another now.
  ///
  /// - Returns: 0, or for how many milliseconds one that comes too soon is kept before it is closed.
  func connectionWaitMs(of address: String) -> Int64 {
    guard limitsConnections.load(ordering: .relaxed) else { return 0 }
    let now = uptimeMs()
    return meters.withLock { $0.connectionWaitMs(of: address, nowMs: now) }
  }

  /// Milliseconds since the start.
  var nowMs: Int64 { uptimeMs() }
}

extension TimeAmount {
  /// What it counts against `request_percentage`: a hundredth of a second in a second is one percent.
  var quotaPercent: Double { Double(nanoseconds) / 1e7 }
}

extension Int {
  /// Seconds as milliseconds.
  var millisecondsClamped: Int64 {
    let (milliseconds, overflow) = Int64(self).multipliedReportingOverflow(by: 1000)
    return overflow ? .max : milliseconds
  }
}
