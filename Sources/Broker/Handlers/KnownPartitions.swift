import Glibc
import Model
import Security
import Storage

/// Finds partitions by the bytes of their topic's name, for producers that name the same ones again and again: without a string made of
/// each, and without a look into the metadata.
///
/// Confined to one event loop.
final class KnownPartitions {
  /// A class: a request takes a reference and not three of them.
  final class Entry {
    let topic: Topic
    let partition: Partition
    /// The checks of what is produced; nil where batches are to be looked at otherwise.
    let rules: PlainBatchRules?
    let name: [UInt8]
    /// Whether `name` is not the topic's name but its id.
    let isByID: Bool
    let index: Int32
    /// Where it stands among the entries, and its number among all that stood there.
    let slot: Int
    let number: UInt64

    init(
      topic: Topic, partition: Partition, rules: PlainBatchRules?, name: [UInt8], isByID: Bool, index: Int32, slot: Int,
      number: UInt64
    ) {
      self.topic = topic
      self.partition = partition
      self.rules = rules
      self.name = name
      self.isByID = isByID
      self.index = index
      self.slot = slot
      self.number = number
    }
  }

  static let count = 256
  private var image: MetadataImage?
  private var entries = [Entry?](repeating: nil, count: count)
  private var entriesMade: UInt64 = 0
  /// What the requester may do with the entries' topics; nil where there is no authorizer.
  private var decisions: LoopDecisions.OfRequester?

  /// Forgets what other metadata than this said.
  func renew(_ image: MetadataImage) {
    guard image !== self.image else { return }
    self.image = image
    entries = [Entry?](repeating: nil, count: Self.count)
  }

  /// The requests that follow are checked against these decisions.
  @inline(__always)
  func ask(_ decisions: LoopDecisions.OfRequester?) { self.decisions = decisions }

  /// Whether the requester may do something with the topic of an entry.
  @inline(__always)
  func allows(_ operation: AclOperation, _ entry: Entry) -> Bool {
    guard let decisions else { return true }
    return decisions.operations(on: entry.topic.name, slot: entry.slot, number: entry.number).contains(operation)
  }

  /// Returns nil for a topic or partition that is not there.
  ///
  /// - Parameters:
  ///   - name: not empty.
  ///   - isByID: whether `name` is the 16 bytes of the topic's id.
  func find(_ name: UnsafeRawBufferPointer, isByID: Bool = false, _ index: Int32) -> Entry? {
    let slot = Self.slot(name, index)
    if let entry = entries[slot], entry.index == index, entry.name.count == name.count, entry.isByID == isByID,
      entry.name.withUnsafeBytes({ memcmp($0.baseAddress!, name.baseAddress!, name.count) }) == 0
    {
      return entry
    }
    guard let topic = topic(name, isByID: isByID), let partition = topic.partition(index) else { return nil }
    let rules = PlainBatchRules(topic.config)
    entriesMade += 1
    let entry = Entry(
      topic: topic, partition: partition, rules: partition.takesGroups ? rules : nil, name: Array(name), isByID: isByID,
      index: index, slot: slot, number: entriesMade)
    entries[slot] = entry
    return entry
  }

  private func topic(_ name: UnsafeRawBufferPointer, isByID: Bool) -> Topic? {
    guard isByID else { return image?.named(String(decoding: name, as: UTF8.self)) }
    guard name.count == 16 else { return nil }
    let high = name.loadUnaligned(fromByteOffset: 0, as: UInt64.self).bigEndian
    let low = name.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian
    return image?.withID(TopicID(high: high, low: low))
  }

  /// - Precondition: the name is not empty.
  private static func slot(_ name: UnsafeRawBufferPointer, _ index: Int32) -> Int {
    // The last bytes of names differ most.
    var hash = UInt32(truncatingIfNeeded: name.count) &+ UInt32(bitPattern: index)
    for at in max(0, name.count - 8)..<name.count { hash = hash &* 31 &+ UInt32(name[at]) }
    return Int(hash % UInt32(count))
  }
}
