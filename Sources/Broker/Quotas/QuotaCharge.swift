import Model
import NIOCore
import Security
import Synchronization
import Wire

/// What one request does against the quotas of its client, and how its client is told. Made only where there are quotas.
final class QuotaCharge: Sendable {
  /// What of a request counts as bytes.
  enum Bytes: Sendable {
    case none
    /// Those of the request.
    case produced
  }

  private let quotas: Quotas
  private let user: String
  private let clientID: String
  private let api: Int16
  private let requestBytes: Int
  private let slot: ResponseSlot
  /// How long the client was muted for the time that its request took, and for the partitions that it has made.
  private let throttledMs = Atomic<Int64>(0)

  init(_ quotas: Quotas, _ requester: Requester, _ header: RequestHeader, requestBytes: Int, slot: ResponseSlot) {
    self.quotas = quotas
    user = requester.principal.name
    clientID = header.clientID ?? ""
    api = header.apiKey
    self.requestBytes = requestBytes
    self.slot = slot
  }

  var image: MetadataImage { quotas.image }

  /// The bytes of records that a response may have; nil where the client has no such quota.
  var responseBytesMax: Int? { quotas.responseBytesMax(user: user, clientID: clientID) }

  /// Counts the time that the request has taken on its event loop.
  func handled(in time: TimeAmount) {
    throttle(quotas.record(.requestPercentage, time.quotaPercent, user: user, clientID: clientID))
  }

  /// Counts partitions that are made or removed; returns which of the changes are accepted.
  func mutate(_ counts: [Int], isStrict: Bool) -> [Bool] {
    let (accepted, ms) = quotas.recordMutations(counts, isStrict: isStrict, user: user, clientID: clientID)
    throttle(ms)
    return accepted
  }

  /// Counts the bytes of a request that has been served, and tells its client how long it is muted.
  func settle<Answer: Response>(_ bytes: Bytes, _ answer: inout Answer) {
    settleUnanswered(bytes)
    let ms = throttledMs.load(ordering: .relaxed)
    guard ms > 0, var throttled = answer as? any ThrottledResponse else { return }
    throttled.throttleTimeMs = max(throttled.throttleTimeMs, Int32(clamping: ms))
    if let told = throttled as? Answer { answer = told }
  }

  /// Counts the bytes of a request that wants no response.
  func settleUnanswered(_ bytes: Bytes) {
    switch bytes {
    case .none: break
    case .produced:
      throttle(quotas.record(.producerByteRate, Double(requestBytes), user: user, clientID: clientID))
    }
  }

  /// Counts the bytes of records that a Fetch response is to have; returns false where the client has had too many, and gets a response without records
  /// instead, as from Kafka.
  func consume(_ byteCount: Int) -> Bool {
    let (ms, isSent) = quotas.recordConsumed(Double(byteCount), user: user, clientID: clientID)
    throttle(ms)
    return isSent
  }

  /// Mutes the connection: nothing of it is read, and no request of it starts, for as long as its client is to wait.
  private func throttle(_ ms: Int64) {
    let before = throttledMs.load(ordering: .relaxed)
    guard ms > before else { return }
    throttledMs.store(ms, ordering: .relaxed)
    slot.muteConnection(for: .milliseconds(ms))
    slot.note(.throttled(ms: ms - before, api: api))
  }
}

/// A response that says for how long its client is muted.
protocol ThrottledResponse: Response {
  var throttleTimeMs: Int32 { get set }
}

extension Array {
  /// Takes out the elements whose partitions are more than the client's quota allows now, and returns them.
  fileprivate mutating func withhold(_ charge: QuotaCharge, isStrict: Bool, _ count: (Element) -> Int) -> [Element] {
    let accepted = charge.mutate(map(count), isStrict: isStrict)
    guard accepted.contains(false) else { return [] }
    let refused = zip(self, accepted).filter { !$1 }.map(\.0)
    self = zip(self, accepted).filter(\.1).map(\.0)
    return refused
  }
}

private let exceeded = "The throttling quota has been exceeded."

extension CreateTopicsRequest {
  mutating func withhold(_ charge: QuotaCharge, version: Int16) -> (@Sendable (inout CreateTopicsResponse) -> Void)? {
    guard !validateOnly, !topics.isEmpty else { return nil }
    let image = charge.image
    let standard = Int(image.config.numPartitions)
    let refused = topics.withhold(charge, isStrict: version >= 6) { topic in
      if !topic.assignments.isEmpty { return topic.assignments.count }
      return topic.numPartitions > 0 ? Int(topic.numPartitions) : standard
    }.map { topic in
      CreateTopicsResponse.Topic.with {
        $0.name = topic.name
        $0.errorCode = .throttlingQuotaExceeded
        $0.errorMessage = exceeded
      }
    }
    guard !refused.isEmpty else { return nil }
    return { $0.topics += refused }
  }
}

extension CreatePartitionsRequest {
  mutating func withhold(_ charge: QuotaCharge, version: Int16) -> (@Sendable (inout CreatePartitionsResponse) -> Void)?
  {
    guard !validateOnly, !topics.isEmpty else { return nil }
    let image = charge.image
    let refused = topics.withhold(charge, isStrict: version >= 3) { topic in
      max(0, Int(topic.count) - (image.named(topic.name)?.partitions.count ?? 0))
    }.map { topic in
      CreatePartitionsResponse.Topic.with {
        $0.name = topic.name
        $0.errorCode = .throttlingQuotaExceeded
        $0.errorMessage = exceeded
      }
    }
    guard !refused.isEmpty else { return nil }
    return { $0.results += refused }
  }
}

extension DeleteTopicsRequest {
  mutating func withhold(_ charge: QuotaCharge, version: Int16) -> (@Sendable (inout DeleteTopicsResponse) -> Void)? {
    let isStrict = version >= 5
    let image = charge.image
    let names = topicNames.withhold(charge, isStrict: isStrict) { image.named($0)?.partitions.count ?? 0 }
    let ids = topics.withhold(charge, isStrict: isStrict) { topic in
      (topic.name.flatMap { image.named($0) } ?? image.withID(topic.topicID))?.partitions.count ?? 0
    }
    let refused =
      names.map { name in
        DeleteTopicsResponse.Topic.with {
          $0.name = name
          $0.errorCode = .throttlingQuotaExceeded
          $0.errorMessage = exceeded
        }
      }
      + ids.map { topic in
        DeleteTopicsResponse.Topic.with {
          $0.name = topic.name
          $0.topicID = topic.topicID
          $0.errorCode = .throttlingQuotaExceeded
          $0.errorMessage = exceeded
        }
      }
    guard !refused.isEmpty else { return nil }
    return { $0.responses += refused }
  }
}
