package import NIOCore

/// What of an LZ4 stream Kafka's Java clients can read: one frame of independent blocks, without a dictionary. liblz4 reads more,
/// and a consumer in Java stops for ever at a batch that holds it.
///
/// ```
/// magic 4 │ flags 1 │ block size 1 │ content size 8, if flagged │ header checksum 1
///   │ blocks: length 4 (LE; top bit: stored) │ bytes │ checksum 4, if flagged │ 0 0 0 0 │ content checksum 4, if flagged
/// ```
package enum JavaLZ4 {
  private static let magic: UInt32 = 0x184D_2204
  private static let dictionaryAndReserved: UInt8 = 0x03, contentChecksum: UInt8 = 0x04, contentSize: UInt8 = 0x08
  private static let blockChecksum: UInt8 = 0x10, independentBlocks: UInt8 = 0x20, version: UInt8 = 0xC0
  private static let storedFlag: UInt32 = 1 << 31

  /// Why a Java client cannot read `stream`; nil when it can. Reads the frame's header and the lengths of its blocks.
  package static func objection(to stream: ByteBuffer) -> String? {
    var rest = stream
    guard rest.readInteger(endianness: .little, as: UInt32.self) == magic else {
      return "the stream begins with no LZ4 frame"
    }
    guard let flags: UInt8 = rest.readInteger(), let sizes: UInt8 = rest.readInteger() else {
      return "the frame ends early"
    }
    guard flags & version == 0x40 else { return "the frame is of version \(flags >> 6)" }
    guard flags & independentBlocks != 0 else { return "the frame's blocks depend on each other" }
    guard flags & dictionaryAndReserved == 0 else { return "the frame wants a dictionary" }
    guard sizes & 0x8F == 0, (4...7).contains(sizes >> 4) else { return "the frame has blocks of size \(sizes)" }
    let headerBytes = (flags & contentSize != 0 ? 8 : 0) + 1
    guard rest.readSlice(length: headerBytes) != nil else { return "the frame ends early" }
    let blockEndBytes = flags & blockChecksum != 0 ? 4 : 0
    while let length = rest.readInteger(endianness: .little, as: UInt32.self) {
      let bytes = Int(length & ~storedFlag)
      guard bytes > 0 else {
        // What follows the end of its first frame a Java client does not look at.
        let left = rest.readableBytes - (flags & contentChecksum != 0 ? 4 : 0)
        return left == 0 ? nil : "\(left) bytes follow the frame"
      }
      guard rest.readSlice(length: bytes + blockEndBytes) != nil else { return "the frame ends early" }
    }
    return "the frame ends early"
  }
}
