/// How quotas count: `quota.window.num` samples of `quota.window.size.seconds` each.
package struct QuotaWindowSize: Equatable, Sendable {
  package var samples: Int
  package var sampleMs: Int64

  package init(samples: Int = 11, sampleMs: Int64 = 1000) {
    self.samples = max(1, samples)
    self.sampleMs = max(1, sampleMs)
  }

  /// The time that all samples but the present one last, in seconds: what a quota allows at once is its rate times this.
  package var fullSeconds: Double { Double(max(1, samples - 1)) * Double(sampleMs) / 1000 }
}

/// The rate of something over a window that slides by samples, as Kafka's Rate measures it.
///
/// Example: with 11 samples of a second and a quota of 100 bytes a second, 2,000 bytes at once are a rate of 200 over the 10 full samples
/// there are at least; the client waits for 10 seconds, after which its rate over 20 seconds is 100.
package struct QuotaWindow: Sendable {
  private struct Sample: Sendable {
    var startMs: Int64
    var amount: Double
  }

  private let size: QuotaWindowSize
  /// The oldest first.
  private var samples: [Sample] = []

  package init(_ size: QuotaWindowSize) { self.size = size }

  package mutating func record(_ amount: Double, nowMs: Int64) {
    if let last = samples.last, nowMs - last.startMs < size.sampleMs {
      samples[samples.count - 1].amount += amount
    } else {
      samples.append(Sample(startMs: nowMs, amount: amount))
      if samples.count > size.samples { samples.removeFirst() }
    }
  }

  /// The amount a second.
  package mutating func rate(nowMs: Int64) -> Double {
    purge(nowMs: nowMs)
    return samples.reduce(0) { $0 + $1.amount } / (Double(windowMs(nowMs: nowMs)) / 1000)
  }

  /// How long a client is to wait until its rate is the quota's; 0 where it is not above it.
  package mutating func throttleMs(limit: Double, nowMs: Int64) -> Int64 {
    let rate = rate(nowMs: nowMs)
    guard rate > limit else { return 0 }
    // With a quota of nothing at all it waits for as long as anything is counted.
    guard limit > 0 else { return spanMs }
    let wait = (rate - limit) / limit * Double(windowMs(nowMs: nowMs))
    return wait < Double(SecurityLimits.throttleMsMax) ? Int64(wait.rounded()) : SecurityLimits.throttleMsMax
  }

  /// Whether the rate would be above the quota's if this were added. Counts nothing.
  package func exceeds(_ limit: Double, with amount: Double, nowMs: Int64) -> Bool {
    let span = spanMs
    var (sum, oldest) = (amount, nowMs)
    for sample in samples where nowMs - sample.startMs < span {
      sum += sample.amount
      oldest = min(oldest, sample.startMs)
    }
    return sum / (Double(windowMs(since: oldest, nowMs: nowMs)) / 1000) > limit
  }

  /// Whether nothing of it counts any more.
  package func isOver(nowMs: Int64) -> Bool { samples.allSatisfy { nowMs - $0.startMs >= spanMs } }

  private var spanMs: Int64 { size.sampleMs.multipliedReportingOverflow(by: Int64(size.samples)).partialValue }

  private mutating func purge(nowMs: Int64) {
    let span = spanMs
    samples.removeAll { nowMs - $0.startMs >= span }
  }

  /// The time over which the rate is counted: since the oldest sample, and all samples but one at least.
  private func windowMs(nowMs: Int64) -> Int64 { windowMs(since: samples.first?.startMs ?? nowMs, nowMs: nowMs) }

  private func windowMs(since oldestMs: Int64, nowMs: Int64) -> Int64 {
    let elapsed = max(0, nowMs - oldestMs)
    let fullSamples = elapsed / size.sampleMs
    let missing = max(0, Int64(size.samples - 1) - fullSamples)
    return max(1, elapsed + missing * size.sampleMs)
  }
}

/// A bucket of tokens, as Kafka's TokenBucket: it fills with the quota's rate up to what all samples together allow, and may be overdrawn once.
package struct TokenBucket: Sendable {
  private let size: QuotaWindowSize
  private var tokens: Double
  private var filledAtMs: Int64

  /// A full one.
  package init(_ size: QuotaWindowSize, perSecond: Double, nowMs: Int64) {
    self.size = size
    tokens = Self.most(size, perSecond)
    filledAtMs = nowMs
  }

  private static func most(_ size: QuotaWindowSize, _ perSecond: Double) -> Double {
    perSecond * Double(size.samples) * Double(size.sampleMs) / 1000
  }

  private mutating func fill(_ perSecond: Double, _ nowMs: Int64) {
    let elapsed = Double(max(0, nowMs - filledAtMs)) / 1000
    tokens = min(Self.most(size, perSecond), tokens + elapsed * perSecond)
    filledAtMs = max(filledAtMs, nowMs)
  }

  package mutating func isOverdrawn(perSecond: Double, nowMs: Int64) -> Bool {
    fill(perSecond, nowMs)
    return tokens < 0
  }

  package mutating func take(_ count: Double, perSecond: Double, nowMs: Int64) {
    fill(perSecond, nowMs)
    tokens -= count
  }

  /// How long it takes until the bucket is not overdrawn any more.
  package mutating func throttleMs(perSecond: Double, nowMs: Int64) -> Int64 {
    fill(perSecond, nowMs)
    guard tokens < 0 else { return 0 }
    guard perSecond > 0 else { return SecurityLimits.throttleMsMax }
    let wait = -tokens / perSecond * 1000
    return wait < Double(SecurityLimits.throttleMsMax) ? max(1, Int64(wait.rounded())) : SecurityLimits.throttleMsMax
  }

  package mutating func isFull(perSecond: Double, nowMs: Int64) -> Bool {
    fill(perSecond, nowMs)
    return tokens >= Self.most(size, perSecond)
  }
}
