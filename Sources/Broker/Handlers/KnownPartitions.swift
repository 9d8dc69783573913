import CMillrace
import Compression
import Glibc
import Model
import Security
import Storage

/// Finds partitions by the bytes of their topic's name, for producers that name the same ones again and again: without a string made of
/// each, and without a look into the metadata.
///
/// Confined to one event loop.
final class KnownPartitions {
  struct Entry {
    let topic: Topic
    let partition: Partition
    /// The checks of what is produced; nil where batches are to be looked at otherwise.
    let rules: PlainBatchRules?
    let name: [UInt8]
    /// Whether `name` is not the topic's name but its id.
    let isByID: Bool
    let index: Int32
    /// Where it stands among the entries, and its number among all that stood there.
    fileprivate let slot: Int
    fileprivate let number: UInt64
  }

  fileprivate static let count = 256
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

/// The checks of a produced batch, for topics that ask for no others: producers' timestamps, no compaction, batches stored as they come.
struct PlainBatchRules {
  let maxMessageBytes: Int
  let timestampBeforeMaxMs: Int64
  let timestampAfterMaxMs: Int64

  init?(_ config: TopicConfig) {
    guard config.storedCodec == nil, !config.timestampIsLogAppendTime, !config.cleanupPolicy.contains(.compact) else {
      return nil
    }
    maxMessageBytes = config.maxMessageBytes
    timestampBeforeMaxMs = config.timestampBeforeMaxMs
    timestampAfterMaxMs = config.timestampAfterMaxMs
  }

  /// Reads the header of the one batch that `bytes` must be; nil when something is wrong or unusual, which `ProducedBatch.checked` finds again
  /// and names.
  ///
  /// - Returns: the header, and whether the batch is checked. Compressed records, and those with headers, are left to `ProducedBatch.checked`: no
  ///   checksum is computed here that it would compute again.
  func header(of bytes: UnsafeRawBufferPointer, nowMs: Int64) -> (header: RecordBatchHeader, isChecked: Bool)? {
    guard bytes.count >= BatchField.records, bytes.count <= maxMessageBytes else { return nil }
    let header = RecordBatchHeader(reading: bytes)
    guard header.magic == 2, header.sizeInBytes == bytes.count, header.count > 0,
      Int64(header.count) == Int64(header.lastOffsetDelta) + 1, header.baseOffset <= .largestBase,
      // Beside the codec no attribute: no transaction, no control batch, no time of the broker.
      header.attributes.rawValue & ~7 == 0, header.maxTimestamp >= -1
    else { return nil }
    if header.hasProducer, header.baseSequence < 0 || header.producerEpoch < 0 { return nil }
    guard header.attributes.codecNumber == Codec.none.rawValue,
      let times = header.plainTimestamps(of: UnsafeRawBufferPointer(rebasing: bytes[BatchField.records...])),
      times.lowerBound >= earliest(nowMs), times.upperBound <= latest(nowMs),
      header.maxTimestamp == max(-1, times.upperBound)
    else { return (header, false) }
    let computed = millrace_crc32c(0, bytes.baseAddress! + BatchField.attributes, bytes.count - BatchField.attributes)
    return computed == header.crc ? (header, true) : nil
  }

  private func earliest(_ nowMs: Int64) -> Int64 {
    timestampBeforeMaxMs == .max ? .min : nowMs.subtractingClamped(timestampBeforeMaxMs)
  }

  private func latest(_ nowMs: Int64) -> Int64 { nowMs.addingClamped(timestampAfterMaxMs) }
}

/// What requesters may do with topics, as far as one event loop has looked it up: a connection that writes to the same topics again and again
/// does not have the ACLs searched each time. Forgotten when the ACLs change.
///
/// Confined to one event loop.
final class LoopDecisions {
  /// The decisions for one requester, in the places of `KnownPartitions`' entries.
  final class OfRequester {
    private struct Decision {
      /// The entry for whose topic it was made; 0: none.
      var entry: UInt64 = 0
      var operations: OperationSet = []
    }

    private let snapshot: AccessSnapshot
    private let requester: Requester
    private var decisions = [Decision](repeating: Decision(), count: KnownPartitions.count)

    fileprivate init(_ snapshot: AccessSnapshot, _ requester: Requester) {
      self.snapshot = snapshot
      self.requester = requester
    }

    fileprivate func operations(on topic: String, slot: Int, number: UInt64) -> OperationSet {
      if decisions[slot].entry == number { return decisions[slot].operations }
      let operations = snapshot.authorizer.operations(requester, on: .topic, topic)
      decisions[slot] = Decision(entry: number, operations: operations)
      return operations
    }
  }

  private let control: AccessControl
  private var snapshot: AccessSnapshot
  private var requesters: [Requester: OfRequester] = [:]

  init(_ control: AccessControl) {
    self.control = control
    snapshot = control.snapshot
  }

  func of(_ requester: Requester) -> OfRequester {
    let now = control.snapshot
    if now !== snapshot || requesters.count >= Limits.loopRequesters { requesters = [:] }
    snapshot = now
    if let known = requesters[requester] { return known }
    let new = OfRequester(now, requester)
    requesters[requester] = new
    return new
  }
}
