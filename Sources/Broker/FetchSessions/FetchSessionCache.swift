import Model
import Wire

/// The incremental fetch sessions of a broker, at most `max.incremental.fetch.session.cache.slots` (KIP-227). A value, without a clock or a
/// lock.
///
/// A session is worth more than another if it is a follower's, and then if it has more partitions. When no place is free, a new session takes that of
/// one that was not used for two minutes, or else of the least valuable one that is worth no more than itself, among those that exist for
/// two minutes; a follower's may also take any consumer's. So clients that come and go do not drive out each other's sessions all the time.
struct FetchSessionCache: Sendable {
  /// How long a session is kept for sure, and how long an unused one, in milliseconds; as in Kafka.
  static let evictionMs: Int64 = 120_000

  private let slots: Int
  private let partitionsMax: Int
  private var sessions: [Int32: FetchSession] = [:]
  private var partitionCount = 0

  /// - Parameter partitionsMax: of all sessions together; beyond it no session is granted.
  init(slots: Int, partitionsMax: Int = Limits.fetchSessionPartitions) {
    self.slots = slots
    self.partitionsMax = partitionsMax
  }

  var count: Int { sessions.count }

  /// What a fetch has to do with sessions.
  enum Context: Sendable, Equatable {
    /// Nothing.
    case sessionless
    /// It may begin one, when its response is there.
    case mayBegin
    /// It is the session's request of this epoch.
    case of(session: Int32, epoch: Int32)
    /// It cannot be served.
    case refused(ErrorCode)
  }

  /// Begins a fetch. One of a session gets the session's partitions into its request.
  mutating func begin(_ request: inout FetchRequest, version: Int16, nowMs: Int64) -> Context {
    guard request.sessionEpoch > 0 else {
      // A full request ends the session that it names.
      if request.sessionID != 0 { remove(request.sessionID) }
      return request.sessionEpoch == 0 && version >= 7 ? .mayBegin : .sessionless
    }
    guard var session = sessions[request.sessionID] else { return .refused(.fetchSessionIdNotFound) }
    guard session.epoch == request.sessionEpoch else { return .refused(.invalidFetchSessionEpoch) }
    guard session.usesTopicIDs == (version >= 13) else { return .refused(.fetchSessionTopicIdError) }
    // Not two copies of the session, of which each change would copy all partitions.
    sessions[session.id] = nil
    partitionCount -= session.count
    session.update(request.topics, forgetting: request.forgottenTopicsData)
    guard session.count > 0 else { return .sessionless }
    session.advance(nowMs: nowMs)
    request.topics = session.topics
    insert(session)
    return .of(session: session.id, epoch: session.epoch)
  }

  /// Ends a fetch: grants it a session, or has the session leave out of the response what is not new.
  ///
  /// - Parameter newID: makes a random number above 0.
  /// - Returns: false when the response was replaced by an error, without records.
  mutating func finish(
    _ context: Context, _ request: FetchRequest, version: Int16, _ response: inout FetchResponse, nowMs: Int64,
    newID: () -> Int32
  ) -> Bool {
    switch context {
    case .sessionless, .refused: return true
    case .mayBegin:
      grant(request, version: version, &response, nowMs: nowMs, newID: newID)
      return true
    case .of(let id, let epoch):
      guard var session = sessions[id], session.epoch == epoch else {
        response = FetchResponse()
        response.errorCode = sessions[id] == nil ? .fetchSessionIdNotFound : .invalidFetchSessionEpoch
        return false
      }
      sessions[id] = nil
      session.answer(&response)
      sessions[id] = session
      return true
    }
  }

  private mutating func grant(
    _ request: FetchRequest, version: Int16, _ response: inout FetchResponse, nowMs: Int64, newID: () -> Int32
  ) {
    let size = request.topics.reduce(0) { $0 + $1.partitions.count }
    let isPrivileged = request.replicaID >= 0 || request.replicaState.replicaID >= 0
    guard size > 0, slots > 0, partitionCount + size <= partitionsMax else { return }
    if sessions.count >= slots, !evict(for: Worth(isPrivileged: isPrivileged, size: size), nowMs: nowMs) { return }
    var id = newID()
    while id <= 0 || sessions[id] != nil { id = newID() }
    var session = FetchSession(id: id, isPrivileged: isPrivileged, usesTopicIDs: version >= 13, nowMs: nowMs)
    session.update(request.topics)
    session.answer(&response, isFull: true)
    insert(session)
  }

  private mutating func insert(_ session: FetchSession) {
    sessions[session.id] = session
    partitionCount += session.count
  }

  private mutating func remove(_ id: Int32) { partitionCount -= sessions.removeValue(forKey: id)?.count ?? 0 }

  // MARK: Eviction

  private struct Worth: Comparable {
    var isPrivileged: Bool
    var size: Int

    static func < (a: Worth, b: Worth) -> Bool {
      a.isPrivileged == b.isPrivileged ? a.size < b.size : !a.isPrivileged
    }
  }

  /// Makes room for a session; false when none may go.
  private mutating func evict(for new: Worth, nowMs: Int64) -> Bool {
    let oldest = sessions.values.min { ($0.lastUsedMs, $0.id) < ($1.lastUsedMs, $1.id) }
    guard let oldest else { return false }
    if nowMs - oldest.lastUsedMs > Self.evictionMs {
      remove(oldest.id)
      return true
    }
    let evictable = sessions.values.filter { session in
      nowMs - session.createdMs > Self.evictionMs || new.isPrivileged && !session.isPrivileged
    }
    func worth(_ session: FetchSession) -> Worth { Worth(isPrivileged: session.isPrivileged, size: session.count) }
    let least = evictable.min { worth($0) == worth($1) ? $0.id < $1.id : worth($0) < worth($1) }
    guard let least, worth(least) <= new else { return false }
    remove(least.id)
    return true
  }
}
