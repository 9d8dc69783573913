import Model
import NIOCore
import Security
import Storage
import Wire

/// Serves a Fetch request that needs not wait, without a session: the response is written straight into a buffer, and the records stay in
/// their files.
///
/// Every other request is left to `LocalBroker.fetch`: one that must wait for bytes, one with an error, and what `FetchView` does not read. What
/// the two answer is the same.
///
/// Confined to its event loop. Its arrays are kept from request to request.
final class FetchRun {
  private let broker: LocalBroker
  private let known: KnownPartitions
  private let requestBytesMax: Int
  private let fetchBytesMax: Int
  private var places: [FetchView.Place] = []
  private var told: [FetchAnswer.Partition] = []
  /// The ranges of all partitions, in their order.
  private var ranges: [FileRange] = []
  /// The bytes of the response before each of `ranges`, since the one before.
  private var cuts: [Int] = []

  init(_ broker: LocalBroker, _ known: KnownPartitions) {
    self.broker = broker
    self.known = known
    requestBytesMax = broker.config.socketRequestMaxBytes
    fetchBytesMax = broker.config.fetchMaxBytes
  }

  /// - Parameter frames: the request's frame and what follows it.
  func serve(_ frames: UnsafeRawBufferPointer, _ run: RequestRun) {
    let length = Int(Int32(bigEndian: frames.loadUnaligned(as: Int32.self)))
    guard length > 0, length <= requestBytesMax, length <= frames.count - Frame.prefixBytes,
      let view = FetchView(
        reading: UnsafeRawBufferPointer(rebasing: frames[Frame.prefixBytes..<Frame.prefixBytes + length]),
        origin: Frame.prefixBytes, placesMax: Limits.fetchPlaces, into: &places)
    else { return }
    known.renew(broker.image)
    if hasNoDoubles(frames), read(view, frames) {
      run.requests = 1
      run.byteCount = Frame.prefixBytes + length
      for partition in told { run.recordBytes += partition.recordsLength }
      answer(view, frames, run)
    } else if !told.isEmpty {
      unread(view, frames)
    }
    places.removeAll(keepingCapacity: true)
    told.removeAll(keepingCapacity: true)
    ranges.removeAll(keepingCapacity: true)
  }

  /// False when a partition may be named twice: each topic once, and its partitions in rising order, is what is sure.
  private func hasNoDoubles(_ frames: UnsafeRawBufferPointer) -> Bool {
    var topics = 0
    var last: Int32 = -1
    for place in places {
      if place.placesOfTopic > 0 {
        topics += 1
        last = -1
      }
      guard place.partition > last else { return false }
      last = place.partition
    }
    guard topics > 1 else { return true }
    guard topics <= Limits.fetchTopicsCompared else { return false }
    for (index, place) in places.enumerated() where place.placesOfTopic > 0 {
      for earlier in places[..<index] where earlier.placesOfTopic > 0 {
        guard
          place.topicLength != earlier.topicLength
            || !frames[place.topicStart..<place.topicStart + place.topicLength]
              .elementsEqual(frames[earlier.topicStart..<earlier.topicStart + earlier.topicLength])
        else { return false }
      }
    }
    return true
  }

  /// Reads all partitions; false when one is to be told otherwise, or when there are too few bytes.
  private func read(_ view: FetchView, _ frames: UnsafeRawBufferPointer) -> Bool {
    let bytesMax = min(Int(view.maxBytes), fetchBytesMax)
    let bytesMin = min(max(Int(view.minBytes), 0), bytesMax)
    var byteCount = 0
    var mustNotWait = view.maxWaitMs <= 0
    for place in places {
      let name = UnsafeRawBufferPointer(rebasing: frames[place.topicStart..<place.topicStart + place.topicLength])
      guard let entry = known.find(name, isByID: view.version >= 13, place.partition), known.allows(.read, entry) else {
        return false
      }
      if view.version < 10, entry.topic.config.compressionType == .zstd { return false }
      let wanted = Partition.Wanted(
        offset: Offset(place.fetchOffset), maxBytes: min(Int(place.maxBytes), max(0, bytesMax - byteCount)),
        atLeastOneBatch: byteCount == 0, isReadCommitted: view.isolationLevel == 1,
        currentLeaderEpoch: place.currentLeaderEpoch, lastFetchedEpoch: place.lastFetchedEpoch)
      guard let read = try? entry.partition.read(wanted), read.diverging == nil, read.aborted.isEmpty else {
        return false
      }
      told.append(
        FetchAnswer.Partition(
          highWatermark: read.highWatermark, lastStableOffset: read.lastStableOffset,
          logStartOffset: read.logStartOffset, recordsLength: read.slice.byteCount))
      if let range = read.slice.range { ranges.append(range) }
      byteCount += read.slice.byteCount
      if read.slice.isCutBySegment { mustNotWait = true }
    }
    return byteCount >= bytesMin || mustNotWait
  }

  /// What was read is not sent: the request is served otherwise, and read again.
  private func unread(_ view: FetchView, _ frames: UnsafeRawBufferPointer) {
    for (place, partition) in zip(places, told) where partition.recordsLength > 0 {
      let name = UnsafeRawBufferPointer(rebasing: frames[place.topicStart..<place.topicStart + place.topicLength])
      known.find(name, isByID: view.version >= 13, place.partition)?.partition
        .unread(bytes: partition.recordsLength)
    }
  }

  private func answer(_ view: FetchView, _ frames: UnsafeRawBufferPointer, _ run: RequestRun) {
    var bytes = ByteBuffer()
    let rest = FetchAnswer.write(view, frames, places[...], to: &bytes, { told[$0] }) { _, byteCount in
      cuts.append(byteCount)
    }
    run.parts.reserveCapacity(1 + 2 * ranges.count)
    for (range, byteCount) in zip(ranges, cuts) {
      if let piece = bytes.readSlice(length: byteCount) { run.parts.append(.bytes(piece)) }
      run.parts.append(range.bytesInMemory.map { .bytes($0) } ?? .file(range))
    }
    if rest > 0 { run.parts.append(.bytes(bytes)) }
    cuts.removeAll(keepingCapacity: true)
  }
}
