import Crypto
import Foundation

/// The record layer of TLS 1.3 (RFC 8446, 5.2) with AES-128-GCM, and no handshake: what encryption costs whoever sends.
///
/// A record is a header of 5 bytes, which is authenticated, and up to 16 KiB with their content type, encrypted, and a tag of 16
/// bytes. The nonce is the number of the record, counted from 0, over an initial vector. The key is no secret: both ends of a
/// measurement are in one process.
enum SealedRecords {
  static let contentBytesMax = 16_384
  static let headerBytes = 5, typeBytes = 1, tagBytes = 16
  private static let nonceBytes = 12
  /// The type of application data, in the header and behind the content.
  private static let applicationData: UInt8 = 23

  /// What `contentBytes` come to on the wire.
  static func sealedBytes(_ contentBytes: Int) -> Int {
    let records = (contentBytes + contentBytesMax - 1) / contentBytesMax
    return contentBytes + records * (headerBytes + typeBytes + tagBytes)
  }

  private static let key = SymmetricKey(data: (0..<16).map { UInt8($0) })

  /// The 12 bytes of a nonce: the stream's number, so that no two streams share one, and the record's.
  private static func nonce(_ stream: Int, _ record: UInt64) -> AES.GCM.Nonce? {
    let bytes = [UInt32(truncatingIfNeeded: stream).bytes, record.bytes].joined()
    return try? AES.GCM.Nonce(data: Array(bytes))
  }

  private static func header(ofBody bodyBytes: Int) -> [UInt8] {
    [applicationData, 3, 3, UInt8(truncatingIfNeeded: bodyBytes >> 8), UInt8(truncatingIfNeeded: bodyBytes)]
  }

  /// The sending side of one stream.
  struct Sealer {
    let stream: Int
    private var record: UInt64 = 0

    init(stream: Int) { self.stream = stream }

    /// Seals the first `contentBytes` of `buffer` in records.
    ///
    /// - Parameters:
    ///   - buffer: has room for one byte more: each record's type is written behind its content, and what stood there put back.
    ///   - out: has room for `sealedBytes` of them.
    /// - Returns: how many bytes of `out` are written.
    mutating func seal(
      _ contentBytes: Int, of buffer: UnsafeMutableRawBufferPointer, into out: UnsafeMutableRawBufferPointer
    ) throws(MechanismError) -> Int {
      var (place, written) = (0, 0)
      while place < contentBytes {
        let end = place + min(contentBytesMax, contentBytes - place)
        let kept = buffer[end]
        buffer[end] = applicationData
        written += try seal(
          inner: UnsafeRawBufferPointer(rebasing: buffer[place...end]),
          into: UnsafeMutableRawBufferPointer(rebasing: out[written...]))
        buffer[end] = kept
        place = end
      }
      return written
    }

    /// - Parameter inner: a content and its type, which are encrypted in one piece.
    private mutating func seal(
      inner: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer
    ) throws(MechanismError) -> Int {
      let bodyBytes = inner.count + tagBytes
      let header = header(ofBody: bodyBytes)
      guard let nonce = nonce(stream, record),
        let box = try? AES.GCM.seal(inner, using: key, nonce: nonce, authenticating: header),
        // Nonce, ciphertext, tag.
        let body = box.combined?.dropFirst(nonceBytes), body.count == bodyBytes
      else { throw .corrupted("record \(record) could not be sealed") }
      record += 1
      out.copyBytes(from: header)
      body.copyBytes(to: UnsafeMutableRawBufferPointer(rebasing: out[headerBytes...]))
      return headerBytes + bodyBytes
    }
  }

  /// The receiving side of one stream: what a sealer has sealed, in pieces of any size.
  struct Opener {
    let stream: Int
    private var record: UInt64 = 0
    private var waiting: [UInt8] = []

    init(stream: Int) { self.stream = stream }

    /// Whether a record has begun and not ended.
    var isInMidst: Bool { !waiting.isEmpty }

    /// - Parameter content: gets the content of each record that is whole now.
    /// - Throws: for what no sealer of this stream has sealed at this place.
    mutating func take(
      _ bytes: UnsafeRawBufferPointer, content: (UnsafeRawBufferPointer) -> Void
    ) throws(MechanismError) {
      waiting.append(contentsOf: bytes)
      var place = 0
      while waiting.count - place >= headerBytes {
        let header = Array(waiting[place..<place + headerBytes])
        let bodyBytes = Int(header[3]) << 8 | Int(header[4])
        guard waiting.count - place >= headerBytes + bodyBytes else { break }
        let body = waiting[(place + headerBytes)..<(place + headerBytes + bodyBytes)]
        try open(header, body, content)
        place += headerBytes + bodyBytes
      }
      waiting.removeFirst(place)
    }

    private mutating func open(
      _ header: [UInt8], _ body: ArraySlice<UInt8>, _ content: (UnsafeRawBufferPointer) -> Void
    ) throws(MechanismError) {
      guard body.count > tagBytes, let nonce = nonce(stream, record),
        let box = try? AES.GCM.SealedBox(
          nonce: nonce, ciphertext: body.dropLast(tagBytes), tag: body.suffix(tagBytes)),
        let inner = try? AES.GCM.open(box, using: key, authenticating: header), inner.last == applicationData
      else { throw .corrupted("record \(record) does not open: other bytes, or another order") }
      record += 1
      inner.withUnsafeBytes { content(UnsafeRawBufferPointer(rebasing: $0.dropLast(typeBytes))) }
    }
  }
}

extension FixedWidthInteger {
  /// Big-endian.
  fileprivate var bytes: [UInt8] { withUnsafeBytes(of: bigEndian) { Array($0) } }
}
