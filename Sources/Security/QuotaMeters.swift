/// Counts what clients do against their quotas, and says how long each is to wait. A value without a clock or a lock: the owner has both.
package struct QuotaMeters: Sendable {
  private struct Meter: Hashable, Sendable {
    let key: QuotaKey
    let scope: QuotaTable.Scope
  }

  package private(set) var table = QuotaTable() {
    didSet { known = [:] }
  }
  private let size: QuotaWindowSize
  private let mutationSize: QuotaWindowSize
  private var windows: [Meter: QuotaWindow] = [:]
  private var buckets: [Meter: TokenBucket] = [:]
  private var connections: [String: QuotaWindow] = [:]
  /// The limits of clients that have been looked up in the present table.
  private var known: [QuotaTable.Scope: [QuotaKey: QuotaTable.Limit]] = [:]

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
    guard let limit = limits(user: user, clientID: clientID)[key] else { return 0 }
    makeRoom(nowMs: nowMs)
    var window = windows.removeValue(forKey: Meter(key: key, scope: limit.scope)) ?? QuotaWindow(size)
    window.record(amount, nowMs: nowMs)
    let throttle = window.throttleMs(limit: limit.perSecond, nowMs: nowMs)
    windows[Meter(key: key, scope: limit.scope)] = window
    // Kafka bounds the wait for time used by one sample of the window.
    return key == .requestPercentage ? min(throttle, size.sampleMs) : throttle
  }

  /// What is counted of a client's requests that are served together, and have no response of their own that could say that the client is muted.
  package struct Together: Equatable, Sendable {
    package var countsBytes: Bool
    /// The time that they take on their event loop.
    package var countsTime: Bool

    package init(countsBytes: Bool, countsTime: Bool) {
      (self.countsBytes, self.countsTime) = (countsBytes, countsTime)
    }
  }

  /// Returns what is to be counted of requests that are served together; nil where they would bring the client over a quota, or it is over one: then
  /// each is served and counted by itself. Counts nothing.
  ///
  /// - Parameters:
  ///   - key: the quota of their bytes.
  ///   - bytesMax: the most that they can have.
  package mutating func together(
    _ key: QuotaKey, bytesMax: Double, user: String, clientID: String, nowMs: Int64
  ) -> Together? {
    let limits = limits(user: user, clientID: clientID)
    let (bytes, time) = (limits[key], limits[.requestPercentage])
    if let bytes, exceeds(key, bytes, with: bytesMax, nowMs: nowMs) { return nil }
    // What they will take is known only afterwards: a client that comes over its quota with them is muted at its next request.
    if let time, exceeds(.requestPercentage, time, with: 0, nowMs: nowMs) { return nil }
    return Together(countsBytes: bytes != nil, countsTime: time != nil)
  }

  private func exceeds(_ key: QuotaKey, _ limit: QuotaTable.Limit, with amount: Double, nowMs: Int64) -> Bool {
    guard let window = windows[Meter(key: key, scope: limit.scope)] else {
      return QuotaWindow(size).exceeds(limit.perSecond, with: amount, nowMs: nowMs)
    }
    return window.exceeds(limit.perSecond, with: amount, nowMs: nowMs)
  }

  /// The limits of a client. Finding one takes up to eight looks into the table, and every request asks for some.
  private mutating func limits(user: String, clientID: String) -> [QuotaKey: QuotaTable.Limit] {
    let client = QuotaTable.Scope(user: user, clientID: clientID)
    if let found = known[client] { return found }
    var limits: [QuotaKey: QuotaTable.Limit] = [:]
    for key in QuotaKey.allCases { limits[key] = table.limit(key, user: user, clientID: clientID) }
    if known.count >= SecurityLimits.quotaMeters { known = [:] }
    known[client] = limits
    return limits
  }

  /// Counts bytes of records that a response is to have, unless the client has had too many: then they are not sent, and count no more than if they had
  /// not been read. A client that has had none in the whole window gets them all the same: a batch may be larger than what its quota allows in a window,
  /// and the client would wait for it for ever.
  ///
  /// - Returns: for how many milliseconds the client is to be muted, and whether the bytes are sent.
  package mutating func recordConsumed(
    _ amount: Double, user: String, clientID: String, nowMs: Int64
  ) -> (throttleMs: Int64, isSent: Bool) {
    guard let limit = limits(user: user, clientID: clientID)[.consumerByteRate] else { return (0, true) }
    makeRoom(nowMs: nowMs)
    let meter = Meter(key: .consumerByteRate, scope: limit.scope)
    var window = windows.removeValue(forKey: meter) ?? QuotaWindow(size)
    var counted = window
    counted.record(amount, nowMs: nowMs)
    let throttle = counted.throttleMs(limit: limit.perSecond, nowMs: nowMs)
    let isSent = throttle == 0 || amount == 0 || window.rate(nowMs: nowMs) == 0
    windows[meter] = isSent ? counted : window
    return (throttle, isSent)
  }

  /// The bytes that a response may have, so that it alone does not take all of what a client may have in a window; nil where that is not limited.
  package mutating func responseBytesMax(user: String, clientID: String) -> Int? {
    limits(user: user, clientID: clientID)[.consumerByteRate].map { limit in
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
    guard let limit = limits(user: user, clientID: clientID)[.controllerMutationRate] else {
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

  /// Counts a new connection, unless its address has made too many.
  ///
  /// - Returns: 0, or the milliseconds for which one too many is to be kept: one sample of the window at most, as in Kafka.
  package mutating func connectionWaitMs(of address: String, nowMs: Int64) -> Int64 {
    guard let limit = table.connectionRate(of: address) else { return 0 }
    makeRoom(nowMs: nowMs)
    var window = connections[address] ?? QuotaWindow(size)
    var counted = window
    counted.record(1, nowMs: nowMs)
    let wait = min(counted.throttleMs(limit: limit, nowMs: nowMs), size.sampleMs)
    if wait == 0 { window = counted }
    connections[address] = window
    return wait
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
