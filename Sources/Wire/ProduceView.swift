/// Reads a Produce request where it lies in the receive buffer: nothing is copied, and nothing is allocated for it.
///
/// It serves what nearly every Produce request is: versions 3 to 12, no transaction, acks -1, 0 or 1, no tagged fields, data for
/// every partition. `ProduceRequest` reads the others, and says what is wrong with those that are malformed. For a request that both read
/// they agree (WireTests compare them).
package struct ProduceView: Equatable, BitwiseCopyable {
  package static let versions: ClosedRange<Int16> = 3...12

  package var version: Int16 = 0
  package var correlationID: Int32 = 0
  /// -1, 0 or 1.
  package var acks: Int16 = 0
  package var timeoutMs: Int32 = 0

  /// The data of one partition. Positions count bytes from the start of what was read.
  package struct Place: Equatable {
    package var nameStart: Int
    package var nameLength: Int
    package var partition: Int32
    package var recordsStart: Int
    package var recordsLength: Int
    /// The number of places of this topic in this request, in the first of them; 0 in the others.
    package var placesOfTopic: Int32
  }

  package init() {}

  /// Reads the request in `frame`, without the frame's length, and appends a place for each partition.
  ///
  /// - Parameters:
  ///   - origin: what is added to every position.
  ///   - placesMax: a request with more partitions is not read.
  /// - Returns: nil for a request that `ProduceRequest` is to read; `places` is then as before.
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
    guard bytes.int16() == ProduceRequest.api.key else { return false }
    version = bytes.int16()
    guard Self.versions.contains(version) else { return false }
    correlationID = bytes.int32()
    let clientID = Int(bytes.int16())
    if clientID > 0 { bytes.skip(clientID) }
    let isFlexible = ProduceRequest.isFlexible(version)
    if isFlexible {
      guard bytes.varint() == 0, bytes.varint() == 0 else { return false }
    } else {
      guard bytes.int16() < 0 else { return false }
    }
    acks = bytes.int16()
    timeoutMs = bytes.int32()
    guard acks >= -1, acks <= 1 else { return false }
    let topics = isFlexible ? bytes.varint() - 1 : Int(bytes.int32())
    guard bytes.isWhole, topics > 0, topics <= placesMax else { return false }
    var left = placesMax
    for _ in 0..<topics {
      let nameLength = isFlexible ? bytes.varint() - 1 : Int(bytes.int16())
      guard nameLength > 0 else { return false }
      let nameStart = origin + bytes.position
      bytes.skip(nameLength)
      let partitions = isFlexible ? bytes.varint() - 1 : Int(bytes.int32())
      guard bytes.isWhole, partitions > 0, partitions <= left else { return false }
      left -= partitions
      for index in 0..<partitions {
        let partition = bytes.int32()
        let length = isFlexible ? bytes.varint() - 1 : Int(bytes.int32())
        guard length > 0 else { return false }
        let start = origin + bytes.position
        bytes.skip(length)
        if isFlexible { guard bytes.varint() == 0 else { return false } }
        guard bytes.isWhole else { return false }
        places.append(
          Place(
            nameStart: nameStart, nameLength: nameLength, partition: partition, recordsStart: start,
            recordsLength: length, placesOfTopic: index == 0 ? Int32(partitions) : 0))
      }
      if isFlexible { guard bytes.varint() == 0 else { return false } }
    }
    if isFlexible { guard bytes.varint() == 0 else { return false } }
    return true
  }
}
