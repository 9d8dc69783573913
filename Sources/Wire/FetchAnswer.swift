package import Model
package import NIOCore

/// Writes the response to a `FetchView` whose every partition was read without an error, in pieces between which the records stand: the
/// same bytes as `FetchResponse` has.
package struct FetchAnswer {
  /// What is told of one partition.
  package struct Partition: Equatable, BitwiseCopyable {
    package var highWatermark: Offset
    package var lastStableOffset: Offset
    package var logStartOffset: Offset
    /// The bytes of its records.
    package var recordsLength: Int

    package init(highWatermark: Offset, lastStableOffset: Offset, logStartOffset: Offset, recordsLength: Int) {
      self.highWatermark = highWatermark
      self.lastStableOffset = lastStableOffset
      self.logStartOffset = logStartOffset
      self.recordsLength = recordsLength
    }
  }

  /// The most bytes of a response without its topics, of a topic without its name and partitions, and of a partition without its records.
  private static let frameBytes = 32, topicBytes = 16, partitionBytes = 64

  /// Appends the whole frame but the records.
  ///
  /// - Parameters:
  ///   - frames: what the positions of `places` count from.
  ///   - places: those of the request.
  ///   - partition: what is told of the place with this index in `places`.
  ///   - cut: called where the records of a place are to stand, with its index and the bytes of the response before them since the last call;
  ///     not for a place without records.
  /// - Returns: the bytes behind the last cut.
  package static func write(
    _ view: FetchView, _ frames: UnsafeRawBufferPointer, _ places: ArraySlice<FetchView.Place>,
    to buffer: inout ByteBuffer, _ partition: (Int) -> Partition, cut: (Int, _ byteCount: Int) -> Void
  ) -> Int {
    var bytesMax = frameBytes
    for place in places {
      bytesMax += partitionBytes + (place.placesOfTopic > 0 ? topicBytes + place.topicLength : 0)
    }
    var last = 0
    var recordsBytes = 0
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bytesMax) { room in
      var bytes = PlainWriter(room)
      let version = view.version
      let isFlexible = FetchRequest.isFlexible(version)
      bytes.put(Int32(0))
      bytes.put(view.correlationID)
      if isFlexible { bytes.put(UInt8(0)) }
      bytes.put(Int32(0))
      if version >= 7 {
        bytes.put(Int16(0))
        bytes.put(Int32(0))
      }
      var topics = 0
      for place in places where place.placesOfTopic > 0 { topics += 1 }
      bytes.count(topics, isFlexible)
      var left: Int32 = 0
      for (index, place) in zip(places.indices, places) {
        if place.placesOfTopic > 0 {
          left = place.placesOfTopic
          if version < 13 {
            if isFlexible {
              bytes.varint(place.topicLength + 1)
            } else {
              bytes.put(Int16(truncatingIfNeeded: place.topicLength))
            }
          }
          bytes.copy(UnsafeRawBufferPointer(rebasing: frames[place.topicStart..<place.topicStart + place.topicLength]))
          bytes.count(Int(left), isFlexible)
        }
        let told = partition(index)
        bytes.put(place.partition)
        bytes.put(Int16(0))
        bytes.put(told.highWatermark.rawValue)
        bytes.put(told.lastStableOffset.rawValue)
        if version >= 5 { bytes.put(told.logStartOffset.rawValue) }
        // No aborted transactions: null for a reader of all records, and an empty list for one of committed ones.
        if isFlexible {
          bytes.put(UInt8(view.isolationLevel))
        } else {
          bytes.put(Int32(view.isolationLevel) - 1)
        }
        if version >= 11 { bytes.put(Int32(-1)) }
        if isFlexible { bytes.varint(told.recordsLength + 1) } else { bytes.put(Int32(told.recordsLength)) }
        if told.recordsLength > 0 {
          cut(index, bytes.position - last)
          last = bytes.position
          recordsBytes += told.recordsLength
        }
        if isFlexible { bytes.put(UInt8(0)) }
        left -= 1
        if left == 0, isFlexible { bytes.put(UInt8(0)) }
      }
      if isFlexible { bytes.put(UInt8(0)) }
      room.storeBytes(
        of: Int32(bytes.position - Frame.prefixBytes + recordsBytes).bigEndian, toByteOffset: 0, as: Int32.self)
      last = bytes.position - last
      return bytes.position
    }
    return last
  }
}
