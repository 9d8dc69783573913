import Model
package import NIOCore

/// Writes Produce requests of one batch each: the same bytes as `ProduceRequest` has, without a value for each of them.
///
/// Made once for a connection and a topic. What such requests do not share is the length, the correlation id, the partition and the
/// records; everything else is copied from the first one.
///
///     length 4 │ api key 2 │ version 2 │ correlation id 4 │ client id │ … │ topics 1 │ name │ partitions 1 │ partition 4 │ records │ tags
package struct ProduceFrame: Sendable {
  /// The versions that are written: a batch of format 2 needs version 3.
  package static let versions: ClosedRange<Int16> = 3...12

  package let version: Int16
  /// From the length to the number of partitions. Length and correlation id are 0.
  private let shared: [UInt8]
  private let isFlexible: Bool
  /// The bytes behind the records: the tagged fields, of which there are none, of partition, topic and request.
  private let tagBytes: Int

  private static let correlationPosition = 8
  /// The most bytes of the partition's index and the records' length.
  private static let ownBytesMax = 9

  /// - Precondition: `versions` contains `version`.
  package init(
    version: Int16, clientID: String?, transactionalID: String?, acks: Int16, timeoutMs: Int32, topic: String
  ) {
    precondition(Self.versions.contains(version), "Produce version \(version) is not written here")
    self.version = version
    isFlexible = ProduceRequest.isFlexible(version)
    tagBytes = isFlexible ? 3 : 0
    var request = ProduceRequest()
    request.transactionalID = transactionalID
    request.acks = acks
    request.timeoutMs = timeoutMs
    request.add(.bytes(nil), to: TopicPartition(topic, 0))
    guard
      let whole = Frame.request(request, version: version, correlationID: 0, clientID: clientID).joined?
        .readableBytesView
    else { preconditionFailure("a request without file ranges has all its bytes") }
    // Behind the shared part come the index, a length that says null, and the tags.
    let nullBytes = isFlexible ? 1 : 4
    var shared = Array(whole.dropLast(4 + nullBytes + tagBytes))
    for position in 0..<Frame.prefixBytes { shared[position] = 0 }
    self.shared = shared
  }

  /// Appends the frame up to its records.
  ///
  /// - Returns: the size of the whole frame, with its prefix.
  /// - Precondition: `recordsBytes` is below 2^30.
  @discardableResult
  package func writeHead(
    correlationID: Int32, partition: Int32, recordsBytes: Int, to buffer: inout ByteBuffer
  ) -> Int {
    precondition(recordsBytes >= 0 && recordsBytes < 1 << 30, "a batch of \(recordsBytes) bytes is no batch")
    var frameBytes = 0
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: shared.count + Self.ownBytesMax) { room in
      var bytes = PlainWriter(room)
      shared.withUnsafeBytes { bytes.copy($0) }
      bytes.put(partition)
      if isFlexible { bytes.varint(recordsBytes + 1) } else { bytes.put(Int32(truncatingIfNeeded: recordsBytes)) }
      frameBytes = bytes.position + recordsBytes + tagBytes
      room.storeBytes(of: Int32(truncatingIfNeeded: frameBytes - Frame.prefixBytes).bigEndian, as: Int32.self)
      room.storeBytes(of: correlationID.bigEndian, toByteOffset: Self.correlationPosition, as: Int32.self)
      return bytes.position
    }
    return frameBytes
  }

  /// Appends what follows the records.
  package func writeTail(to buffer: inout ByteBuffer) {
    if tagBytes > 0 { buffer.writeRepeatingByte(0, count: tagBytes) }
  }
}

/// Reads the response to a `ProduceFrame` where it lies in the receive buffer.
///
/// It reads what nearly every response is: one partition, without an error and without tagged fields. `ProduceResponse` reads the
/// others, and says what is wrong with those that are malformed.
package struct ProduceReceipt: Equatable {
  package var partition: Int32
  package var baseOffset: Int64

  /// - Parameter frame: the response without its length.
  /// - Returns: nil for a response that `ProduceResponse` is to read.
  package init?(reading frame: UnsafeRawBufferPointer, version: Int16) {
    guard ProduceFrame.versions.contains(version) else { return nil }
    let isFlexible = ProduceRequest.isFlexible(version)
    var bytes = PlainReader(frame)
    _ = bytes.int32()
    if isFlexible { guard bytes.varint() == 0 else { return nil } }
    guard (isFlexible ? bytes.varint() - 1 : Int(bytes.int32())) == 1 else { return nil }
    let nameLength = isFlexible ? bytes.varint() - 1 : Int(bytes.int16())
    guard nameLength > 0 else { return nil }
    let name = bytes.position
    bytes.skip(nameLength)
    // Topics have ASCII names; whether others are text is not looked into here.
    guard bytes.isWhole, frame[name..<name + nameLength].allSatisfy({ $0 < 0x80 }) else { return nil }
    guard (isFlexible ? bytes.varint() - 1 : Int(bytes.int32())) == 1 else { return nil }
    partition = bytes.int32()
    guard bytes.int16() == 0 else { return nil }
    baseOffset = bytes.int64()
    _ = bytes.int64()
    if version >= 5 { _ = bytes.int64() }
    if version >= 8 {
      // No record errors and no message.
      guard isFlexible ? bytes.varint() == 1 && bytes.varint() == 0 : bytes.int32() == 0 && bytes.int16() == -1 else {
        return nil
      }
    }
    if isFlexible { guard bytes.varint() == 0, bytes.varint() == 0 else { return nil } }
    _ = bytes.int32()
    if isFlexible { guard bytes.varint() == 0 else { return nil } }
    guard bytes.isWhole, bytes.position == frame.count else { return nil }
  }
}
