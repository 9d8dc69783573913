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
/// Confined to its event loop. Its lists are kept from request to request.
final class FetchRun {
  private let broker: LocalBroker
  private let known: KnownPartitions
  private let requestBytesMax: Int
  private let fetchBytesMax: Int
  /// What a response has without its records, or a little more, where it is of one partition.
  private static let responseBytesLikely = 128

  private var places: [FetchView.Place] = []
  private var told = KeptList<FetchAnswer.Partition>()
  /// The bytes of the response before each partition's records, since those before.
  private var cuts = KeptList<Int>()
  private var memory = ResponseMemory()
  /// Stands where the bytes before records will. Its own: the empty buffer of NIO is counted by all event loops.
  private let nothing = ByteBufferAllocator().buffer(capacity: 1)

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
    if hasNoDoubles(frames), read(view, frames, run) {
      run.requests = 1
      run.byteCount = Frame.prefixBytes + length
      for index in told.indices { run.recordBytes += told[index].recordsLength }
      answer(view, frames, run)
    } else if !told.isEmpty {
      run.parts.removeAll(keepingCapacity: true)
      unread(view, frames)
    }
    places.removeAll(keepingCapacity: true)
    told.removeAll()
  }

  /// False when a partition may be named twice: each topic once, and its partitions in rising order, is what is sure.
  private func hasNoDoubles(_ frames: UnsafeRawBufferPointer) -> Bool {
    var topics = 0
    var last: Int32 = -1
    for index in places.indices {
      if places[index].placesOfTopic > 0 {
        topics += 1
        last = -1
      }
      guard places[index].partition > last else { return false }
      last = places[index].partition
    }
    guard topics > 1 else { return true }
    guard topics <= Limits.fetchTopicsCompared else { return false }
    for index in places.indices where places[index].placesOfTopic > 0 {
      for before in 0..<index where places[before].placesOfTopic > 0 {
        let (place, earlier) = (places[index], places[before])
        guard
          place.topicLength != earlier.topicLength
            || !frames[place.topicStart..<place.topicStart + place.topicLength]
              .elementsEqual(frames[earlier.topicStart..<earlier.topicStart + earlier.topicLength])
        else { return false }
      }
    }
    return true
  }

  /// Reads all partitions; false when one is to be told otherwise, or when there are too few bytes. The parts of the response are the
  /// records of each partition that has some, and before them room for the bytes that precede them.
  private func read(_ view: FetchView, _ frames: UnsafeRawBufferPointer, _ run: RequestRun) -> Bool {
    let bytesMax = min(Int(view.maxBytes), fetchBytesMax)
    let bytesMin = min(max(Int(view.minBytes), 0), bytesMax)
    var byteCount = 0
    var mustNotWait = view.maxWaitMs <= 0
    for index in places.indices {
      let place = places[index]
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
      if let range = read.slice.range {
        run.parts.append(.bytes(nothing))
        if let bytes = range.bytesInMemory { run.parts.append(.bytes(bytes)) } else { run.parts.append(.file(range)) }
      }
      byteCount += read.slice.byteCount
      if read.slice.isCutBySegment { mustNotWait = true }
    }
    return byteCount >= bytesMin || mustNotWait
  }

  /// What was read is not sent: the request is served otherwise, and read again.
  private func unread(_ view: FetchView, _ frames: UnsafeRawBufferPointer) {
    for index in told.indices where told[index].recordsLength > 0 {
      let place = places[index]
      let name = UnsafeRawBufferPointer(rebasing: frames[place.topicStart..<place.topicStart + place.topicLength])
      known.find(name, isByID: view.version >= 13, place.partition)?.partition
        .unread(bytes: told[index].recordsLength)
    }
  }

  private func answer(_ view: FetchView, _ frames: UnsafeRawBufferPointer, _ run: RequestRun) {
    var bytes = memory.take(Self.responseBytesLikely)
    let rest = FetchAnswer.write(view, frames, places[...], to: &bytes, { told[$0] }) { _, byteCount in
      cuts.append(byteCount)
    }
    memory.keep(bytes)
    for index in cuts.indices {
      guard let piece = bytes.readSlice(length: cuts[index]) else {
        preconditionFailure("a response is shorter than it says")
      }
      run.parts[2 * index] = .bytes(piece)
    }
    if rest > 0 { run.parts.append(.bytes(bytes)) }
    cuts.removeAll()
  }
}
