package import Model
package import NIOCore

/// Writes the response to a `ProduceView` whose every batch was appended, straight into a buffer: the same bytes as `ProduceResponse` has.
package struct ProduceAnswer {
  /// What is told of one batch.
  package struct Batch: Equatable {
    package var baseOffset: Offset
    package var logAppendTimeMs: Int64
    package var logStartOffset: Offset

    package init(baseOffset: Offset, logAppendTimeMs: Int64, logStartOffset: Offset) {
      self.baseOffset = baseOffset
      self.logAppendTimeMs = logAppendTimeMs
      self.logStartOffset = logStartOffset
    }
  }

  /// The most bytes of a response without its topics, and of a topic without its name and partitions.
  private static let frameBytes = 24, topicBytes = 16
  /// The most bytes of a partition.
  private static let partitionBytes = 48

  /// Appends the whole frame.
  ///
  /// - Parameters:
  ///   - frames: what the positions of `places` count from.
  ///   - places: those of the request.
  ///   - batch: what is told of the place with this index in `places`.
  package static func write(
    _ view: ProduceView, _ frames: UnsafeRawBufferPointer, _ places: ArraySlice<ProduceView.Place>,
    to buffer: inout ByteBuffer, _ batch: (Int) -> Batch
  ) {
    var bytesMax = frameBytes
    for place in places {
      bytesMax += partitionBytes + (place.placesOfTopic > 0 ? topicBytes + place.nameLength : 0)
    }
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bytesMax) { room in
      var bytes = PlainWriter(room)
      let isFlexible = ProduceRequest.isFlexible(view.version)
      bytes.put(Int32(0))
      bytes.put(view.correlationID)
      if isFlexible { bytes.put(UInt8(0)) }
      var topics = 0
      for place in places where place.placesOfTopic > 0 { topics += 1 }
      bytes.count(topics, isFlexible)
      var left: Int32 = 0
      for (index, place) in zip(places.indices, places) {
        if place.placesOfTopic > 0 {
          left = place.placesOfTopic
          if isFlexible {
            bytes.varint(place.nameLength + 1)
          } else {
            bytes.put(Int16(truncatingIfNeeded: place.nameLength))
          }
          bytes.copy(UnsafeRawBufferPointer(rebasing: frames[place.nameStart..<place.nameStart + place.nameLength]))
          bytes.count(Int(left), isFlexible)
        }
        let told = batch(index)
        bytes.put(place.partition)
        bytes.put(Int16(0))
        bytes.put(told.baseOffset.rawValue)
        bytes.put(told.logAppendTimeMs)
        if view.version >= 5 { bytes.put(told.logStartOffset.rawValue) }
        if isFlexible {
          // No record errors, no message, no tagged fields.
          bytes.put(UInt8(1))
          bytes.put(Int16(0))
        } else if view.version >= 8 {
          bytes.put(Int32(0))
          bytes.put(Int16(-1))
        }
        left -= 1
        if left == 0, isFlexible { bytes.put(UInt8(0)) }
      }
      bytes.put(Int32(0))
      if isFlexible { bytes.put(UInt8(0)) }
      room.storeBytes(of: Int32(bytes.position - Frame.prefixBytes).bigEndian, toByteOffset: 0, as: Int32.self)
      return bytes.position
    }
  }
}
