import Model
import Wire

/// One incremental fetch session (KIP-227): the partitions that a client fetches again and again, so that its requests name only what
/// changes, and its responses too. A value, without a clock or a lock.
///
/// The partitions have an order. A response is filled in that order, and a partition whose records were sent goes to its end: where a
/// response has room for few partitions, each has its turn.
struct FetchSession: Sendable {
  /// A partition as the requests name it: by the topic's name, or by its id.
  struct Key: Hashable {
    var topic: String
    var topicID: TopicID
    var partition: Int32
  }

  private struct Entry {
    var key: Key
    var wanted: FetchRequest.Partition
    /// What the client was told last; unknown before, and after an error, so that it is told again.
    var highWatermark: Offset = .unknown
    var logStart: Offset = .unknown
  }

  let id: Int32
  /// A follower's: it may take the place of a consumer's session.
  let isPrivileged: Bool
  /// Whether the requests name topics by their ids; it cannot change within a session.
  let usesTopicIDs: Bool
  let createdMs: Int64
  var lastUsedMs: Int64
  /// What the next request must say.
  private(set) var epoch: Int32 = 1
  /// In their order; nil where one has moved away or was forgotten.
  private var entries: [Entry?] = []
  /// Where each partition stands among the entries.
  private var places: [Key: Int] = [:]

  init(id: Int32, isPrivileged: Bool, usesTopicIDs: Bool, nowMs: Int64) {
    self.id = id
    self.isPrivileged = isPrivileged
    self.usesTopicIDs = usesTopicIDs
    createdMs = nowMs
    lastUsedMs = nowMs
  }

  /// The number of partitions.
  var count: Int { places.count }

  /// The epoch after `epoch`: from 1 to the largest number and again.
  static func next(after epoch: Int32) -> Int32 { epoch < 0 ? epoch : epoch == .max ? 1 : epoch + 1 }

  mutating func advance(nowMs: Int64) {
    epoch = Self.next(after: epoch)
    lastUsedMs = nowMs
  }

  // MARK: Requests

  /// Takes in what a request says: partitions that are new or wanted otherwise, and those to forget.
  mutating func update(_ topics: [FetchRequest.Topic], forgetting forgotten: [FetchRequest.ForgottenTopic] = []) {
    for topic in topics {
      for wanted in topic.partitions {
        let key = Key(topic: topic.topic, topicID: topic.topicID, partition: wanted.partition)
        if let place = places[key] { entries[place]?.wanted = wanted } else { append(Entry(key: key, wanted: wanted)) }
      }
    }
    for topic in forgotten {
      for partition in topic.partitions {
        _ = remove(Key(topic: topic.topic, topicID: topic.topicID, partition: partition))
      }
    }
  }

  /// The partitions to read, in their order; neighbours of one topic are together.
  var topics: [FetchRequest.Topic] {
    var topics: [FetchRequest.Topic] = []
    for case let entry? in entries {
      if topics.last?.topic != entry.key.topic || topics.last?.topicID != entry.key.topicID {
        var topic = FetchRequest.Topic()
        topic.topic = entry.key.topic
        topic.topicID = entry.key.topicID
        topics.append(topic)
      }
      topics[topics.count - 1].partitions.append(entry.wanted)
    }
    return topics
  }

  // MARK: Responses

  /// Takes in a response, leaves out the partitions of which it has nothing new, and moves those with records to the end.
  ///
  /// - Parameter isFull: every partition is reported: the response is the session's first.
  mutating func answer(_ response: inout FetchResponse, isFull: Bool = false) {
    response.sessionID = id
    var topics: [FetchResponse.Topic] = []
    for topic in response.responses {
      var kept = topic
      kept.partitions = topic.partitions.filter { partition in
        let key = Key(topic: topic.topic, topicID: topic.topicID, partition: partition.partitionIndex)
        return isNew(partition, of: key) || isFull
      }
      if !kept.partitions.isEmpty { topics.append(kept) }
    }
    response.responses = topics
  }

  private mutating func isNew(_ partition: FetchResponse.Partition, of key: Key) -> Bool {
    guard let place = places[key], var entry = entries[place] else { return true }
    let hasRecords = partition.records.byteCount > 0
    let isError = partition.errorCode != .none
    let isNew =
      hasRecords || isError || partition.divergingEpoch.epoch >= 0 || partition.preferredReadReplica >= 0
      || entry.highWatermark != partition.highWatermark || entry.logStart != partition.logStartOffset
    entry.highWatermark = isError ? .unknown : partition.highWatermark
    entry.logStart = partition.logStartOffset
    entries[place] = entry
    if hasRecords, let moved = remove(key) { append(moved) }
    return isNew
  }

  // MARK: The order

  private mutating func append(_ entry: Entry) {
    places[entry.key] = entries.count
    entries.append(entry)
  }

  private mutating func remove(_ key: Key) -> Entry? {
    guard let place = places.removeValue(forKey: key), let entry = entries[place] else { return nil }
    entries[place] = nil
    // At most half of the places are empty, so a move costs little on average.
    if entries.count > 16, entries.count > 2 * places.count { closeUp() }
    return entry
  }

  private mutating func closeUp() {
    let kept = entries.compactMap { $0 }
    entries = []
    for entry in kept { append(entry) }
  }
}
