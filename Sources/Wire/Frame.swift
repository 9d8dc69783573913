package import NIOCore

/// Why a connection's bytes are not frames. After it there is no telling where the next frame starts, so the connection must be closed.
package enum FrameError: Error, Hashable, Sendable {
  case negativeLength(Int)
  case tooLarge(Int, limit: Int)
  /// The start of a frame went with a read that brought nothing.
  case startLost
}

extension FrameError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .negativeLength(let length): "a frame has the length \(length)"
    case .tooLarge(let length, let limit): "a frame of \(length) bytes is larger than the limit of \(limit)"
    case .startLost: "the start of a frame was lost with a read that brought nothing"
    }
  }
}

/// A message as it stands on the connection: its length as an int32, a header, the body.
package enum Frame {
  /// Bytes of the length prefix, which does not count itself.
  package static let prefixBytes = 4

  /// What most requests and answers fit into. A buffer that grows from nothing moves three times on the way there, which was a
  /// tenth of the instructions of a produce request.
  private static let bytesReserved = 256

  /// Kafka's default for `socket.request.max.bytes`.
  package static let requestBytesMax = 104_857_600

  /// The length of the frame that begins at `buffer`'s reader index, prefix not counted; nil when its four bytes have not arrived.
  ///
  /// Checked before anyone reserves memory for it.
  package static func length(of buffer: ByteBuffer, limit: Int) throws(FrameError) -> Int? {
    guard let prefix = buffer.getInteger(at: buffer.readerIndex, as: Int32.self) else { return nil }
    let length = Int(prefix)
    if length < 0 { throw .negativeLength(length) }
    if length > limit { throw .tooLarge(length, limit: limit) }
    return length
  }

  /// The length of the frame at the front of `buffer`, prefix counted; 0 when there is none.
  package static func wholeBytes(of buffer: ByteBuffer) -> Int {
    buffer.getInteger(at: buffer.readerIndex, as: Int32.self).map { prefixBytes + Int($0) } ?? 0
  }

  /// Takes the next whole frame from the front of `buffer`, without its prefix and without copying; nil until all of it is there.
  package static func next(in buffer: inout ByteBuffer, limit: Int) throws(FrameError) -> ByteBuffer? {
    guard let length = try length(of: buffer, limit: limit) else { return nil }
    guard buffer.readableBytes >= prefixBytes + length else { return nil }
    buffer.moveReaderIndex(forwardBy: prefixBytes)
    return buffer.readSlice(length: length)
  }

  /// A request ready to be sent.
  package static func request<R: Request>(
    _ body: consuming R, version: Int16, correlationID: Int32, clientID: String?
  ) -> WireParts {
    let headerVersion = R.api.requestHeaderVersion(version)
    var header = RequestHeader()
    header.apiKey = R.api.key
    header.apiVersion = version
    header.correlationID = correlationID
    header.clientID = clientID
    return framed(header, headerVersion, body, version)
  }

  /// An answer ready to be sent, in the version of its request.
  package static func response<R: Response>(
    _ body: consuming R, version: Int16, correlationID: Int32
  ) -> WireParts {
    var header = ResponseHeader()
    header.correlationID = correlationID
    return framed(header, R.api.responseHeaderVersion(version), body, version)
  }

  private static func framed<H: WireVersioned, B: WireVersioned>(
    _ header: consuming H, _ headerVersion: Int16, _ body: consuming B, _ version: Int16
  ) -> WireParts {
    var buffer = ByteBufferAllocator().buffer(capacity: bytesReserved)
    buffer.writeInteger(Int32(0))
    var wire = WireCursor(writing: buffer, version: headerVersion, flexible: H.isFlexible(headerVersion))
    header.write(to: &wire)
    wire = WireCursor(continuing: wire, version: version, flexible: B.isFlexible(version))
    body.write(to: &wire)
    wire.setLengthPrefix()
    return wire.finished
  }
}
