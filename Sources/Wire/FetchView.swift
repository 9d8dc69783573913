/// Reads a Fetch request where it lies in the receive buffer: nothing is copied, and nothing is allocated for it.
///
/// It serves what consumers without a fetch session send: versions 4 to 17, no session, no rack, no tagged fields.
/// `FetchRequest` reads the others, and says what is wrong with those that are malformed. For a request that both read they agree (WireTests
/// compare them).
package struct FetchView: Equatable {
  package static let versions: ClosedRange<Int16> = 4...17

  package var version: Int16 = 0
  package var correlationID: Int32 = 0
  package var maxWaitMs: Int32 = 0
  package var minBytes: Int32 = 0
  package var maxBytes: Int32 = 0
  /// 0 or 1.
  package var isolationLevel: Int8 = 0

  /// One partition. Positions count bytes from the start of what was read.
  package struct Place: Equatable {
    /// The topic's name, or from version 13 the 16 bytes of its id.
    package var topicStart: Int
    package var topicLength: Int
    package var partition: Int32
    package var currentLeaderEpoch: Int32
    package var fetchOffset: Int64
    package var lastFetchedEpoch: Int32
    package var maxBytes: Int32
    /// The number of places of this topic in this request, in the first of them; 0 in the others.
    package var placesOfTopic: Int32
  }

  package init() {}

  /// Reads the request in `frame`, without the frame's length, and appends a place for each partition.
  ///
  /// - Parameters:
  ///   - origin: what is added to every position.
  ///   - placesMax: a request with more partitions is not read.
  /// - Returns: nil for a request that `FetchRequest` is to read; `places` is then as before.
  package init?(
    reading frame: UnsafeRawBufferPointer, origin: Int = 0, placesMax: Int, into places: inout [Place]
  ) {
    let before = places.count
    var bytes = PlainReader(frame)
    guard read(&bytes, origin, placesMax, &places), bytes.isWhole else {
      places.removeLast(places.count - before)
      return nil
    }
  }

  @inline(__always)
  private mutating func read(
    _ bytes: inout PlainReader, _ origin: Int, _ placesMax: Int, _ places: inout [Place]
  ) -> Bool {
    guard bytes.int16() == FetchRequest.api.key else { return false }
    version = bytes.int16()
    guard Self.versions.contains(version) else { return false }
    correlationID = bytes.int32()
    let clientID = Int(bytes.int16())
    if clientID > 0 { bytes.skip(clientID) }
    let isFlexible = FetchRequest.isFlexible(version)
    if isFlexible { guard bytes.varint() == 0 else { return false } }
    // A follower's fetch says more than which bytes it wants.
    if version <= 14 { guard bytes.int32() < 0 else { return false } }
    maxWaitMs = bytes.int32()
    minBytes = bytes.int32()
    maxBytes = bytes.int32()
    isolationLevel = bytes.int8()
    guard isolationLevel == 0 || isolationLevel == 1 else { return false }
    if version >= 7 { guard bytes.int32() == 0, bytes.int32() == -1 else { return false } }
    let topics = isFlexible ? bytes.varint() - 1 : Int(bytes.int32())
    guard bytes.isWhole, topics > 0, topics <= placesMax else { return false }
    var left = placesMax
    for _ in 0..<topics {
      let length = version >= 13 ? 16 : isFlexible ? bytes.varint() - 1 : Int(bytes.int16())
      guard length > 0 else { return false }
      let start = origin + bytes.position
      bytes.skip(length)
      let partitions = isFlexible ? bytes.varint() - 1 : Int(bytes.int32())
      guard bytes.isWhole, partitions > 0, partitions <= left else { return false }
      left -= partitions
      for index in 0..<partitions {
        var place = Place(
          topicStart: start, topicLength: length, partition: bytes.int32(), currentLeaderEpoch: -1, fetchOffset: 0,
          lastFetchedEpoch: -1, maxBytes: 0, placesOfTopic: index == 0 ? Int32(partitions) : 0)
        if version >= 9 { place.currentLeaderEpoch = bytes.int32() }
        place.fetchOffset = bytes.int64()
        if version >= 12 { place.lastFetchedEpoch = bytes.int32() }
        if version >= 5 { _ = bytes.int64() }
        place.maxBytes = bytes.int32()
        if isFlexible { guard bytes.varint() == 0 else { return false } }
        guard bytes.isWhole else { return false }
        places.append(place)
      }
      if isFlexible { guard bytes.varint() == 0 else { return false } }
    }
    if version >= 7 { guard (isFlexible ? bytes.varint() - 1 : Int(bytes.int32())) == 0 else { return false } }
    if version >= 11 { guard (isFlexible ? bytes.varint() - 1 : Int(bytes.int16())) == 0 else { return false } }
    if isFlexible { guard bytes.varint() == 0 else { return false } }
    return true
  }
}
