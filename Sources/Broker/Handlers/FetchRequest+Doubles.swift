import Model
import Wire

extension FetchRequest {
  /// Whether the request names one partition, and so none twice.
  var namesOnePartition: Bool { topics.count == 1 && topics[0].partitions.count == 1 }

  /// The request with each partition once, at its first mention. Kafka also keeps one of several; the cost of a fetch is then
  /// bounded by the number of partitions that exist.
  var withoutDoubles: FetchRequest {
    guard mayHaveDoubles else { return self }
    struct Key: Hashable {
      let topic: String
      let id: TopicID
      let partition: Int32
    }
    var seen: Set<Key> = []
    var request = self
    request.topics = topics.compactMap { topic in
      var kept = topic
      kept.partitions = topic.partitions.filter {
        seen.insert(Key(topic: topic.topic, id: topic.topicID, partition: $0.partition)).inserted
      }
      return kept.partitions.isEmpty && !topic.partitions.isEmpty ? nil : kept
    }
    return request
  }

  /// False only when no partition is named twice. Allocates nothing; it finds that for what consumers send: few topics, with
  /// partitions in rising order or rotated (3, 4, 0, 1, 2).
  private var mayHaveDoubles: Bool {
    guard topics.count <= 8 else { return true }
    // By index: a loop over the elements would copy each, and count references for it, on every fetch.
    for index in topics.indices {
      for earlier in 0..<index
      where topics[earlier].topic == topics[index].topic && topics[earlier].topicID == topics[index].topicID {
        return true
      }
      if !topics[index].isRisingOrRotated { return true }
    }
    return false
  }
}

extension FetchRequest.Topic {
  fileprivate var isRisingOrRotated: Bool {
    guard var last = partitions.first?.partition else { return true }
    let first = last
    var hasTurned = false
    for next in partitions.dropFirst() {
      if next.partition <= last {
        if hasTurned { return false }
        hasTurned = true
      }
      if hasTurned, next.partition >= first { return false }
      last = next.partition
    }
    return true
  }
}
