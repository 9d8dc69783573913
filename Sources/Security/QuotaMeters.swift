/// Counts what clients do against their quotas, and says how long each is to wait. A value without a clock or a lock: the owner has both.
package struct QuotaMeters: Sendable {
  private struct Meter: Hashable, Sendable {
    let key: QuotaKey
    let scope: QuotaTable.Scope
  }

  package private(set) var table = QuotaTable()
  private let size: QuotaWindowSize
  private let mutationSize: QuotaWindowSize
  private var windows: [Meter: QuotaWindow] = [:]
  private var buckets: [Meter: TokenBucket] = [:]
  private var connections: [String: QuotaWindow] = [:]

  /// - Parameter mutations: `controller.quota.window.num` and `controller.quota.window.size.seconds`.
  package init(_ size: QuotaWindowSize = QuotaWindowSize(), mutations: QuotaWindowSize = QuotaWindowSize()) {
    self.size = size
    mutationSize = mutations
  }

  package mutating func replace(_ changes: [QuotaEntity: [QuotaKey: Double]]) { table = table.replacing(changes) }

  package mutating func replaceAll(_ values: [QuotaEntity: [QuotaKey: Double]]) {
    table = QuotaTable().replacing(values)
  }

  /// How many clients are counted.
  package var count: Int { windows.count + buckets.count + connections.count }

  /// Counts, and returns for how many milliseconds the client is to be muted.
  package mutating func record(
    _ key: QuotaKey, _ amount: Double, user: String, clientID: String, nowMs: Int64
  ) -> Int64 {
    guard let limit = table.limit(key, user: user, clientID: clientID) else { return 0 }
    makeRoom(nowMs: nowMs)
    var window = windows.removeValue(forKey: Meter(key: key, scope: limit.scope)) ?? QuotaWindow(size)
    window.record(amount, nowMs: nowMs)
    let throttle = window.throttleMs(limit: limit.perSecond, nowMs: nowMs)
    windows[Meter(key: key, scope: limit.scope)] = window
    // Kafka bounds the wait for time used by one sample of the window.
    return key == .requestPercentage ? min(throttle, size.sampleMs) : throttle
  }

  /// The bytes that a response may have, so that it alone does not take all of what a client may have in a window; nil where that is not limited.
  package func responseBytesMax(user: String, clientID: String) -> Int? {
    table.limit(.consumerByteRate, user: user, clientID: clientID).map { limit in
      let most = limit.perSecond * size.fullSeconds
      return most < Double(Int32.max) ? max(1, Int(most)) : Int(Int32.max)
    }
  }

  /// Counts the partitions that each of several changes makes or removes.
  ///
  /// - Parameter isStrict: refuses changes while the client has made too many; otherwise it is only muted.
  /// - Returns: whether each change is accepted, and for how long the client is to be muted.
  package mutating func recordMutations(
    _ counts: [Int], isStrict: Bool, user: String, clientID: String, nowMs: Int64
  ) -> (accepted: [Bool], throttleMs: Int64) {
    guard let limit = table.limit(.controllerMutationRate, user: user, clientID: clientID) else {
      return (counts.map { _ in true }, 0)
    }
    makeRoom(nowMs: nowMs)
    let meter = Meter(key: .controllerMutationRate, scope: limit.scope)
    var bucket =
      buckets.removeValue(forKey: meter) ?? TokenBucket(mutationSize, perSecond: limit.perSecond, nowMs: nowMs)
    var accepted: [Bool] = []
    for count in counts {
      let isRefused = isStrict && bucket.isOverdrawn(perSecond: limit.perSecond, nowMs: nowMs)
      accepted.append(!isRefused)
      if !isRefused { bucket.take(Double(count), perSecond: limit.perSecond, nowMs: nowMs) }
    }
    let throttle = bucket.throttleMs(perSecond: limit.perSecond, nowMs: nowMs)
    buckets[meter] = bucket
    return (accepted, throttle)
  }

  /// Counts a new connection; returns false where the address has made too many, and then does not count it.
  package mutating func mayConnect(from address: String, nowMs: Int64) -> Bool {
    guard let limit = table.connectionRate(of: address) else { return true }
    makeRoom(nowMs: nowMs)
    var window = connections[address] ?? QuotaWindow(size)
    var counted = window
    counted.record(1, nowMs: nowMs)
    let isAllowed = counted.throttleMs(limit: limit, nowMs: nowMs) == 0
    if isAllowed { window = counted }
    connections[address] = window
    return isAllowed
  }

  /// Forgets clients of which nothing counts any more, where there are many.
  private mutating func makeRoom(nowMs: Int64) {
    guard count >= SecurityLimits.quotaMeters else { return }
    windows = windows.filter { !$0.value.isOver(nowMs: nowMs) }
    connections = connections.filter { !$0.value.isOver(nowMs: nowMs) }
    guard count >= SecurityLimits.quotaMeters else { return }
    // So many clients at once that none can be held to anything by itself: all begin anew.
    windows = [:]
    connections = [:]
    buckets = [:]
  }
}
