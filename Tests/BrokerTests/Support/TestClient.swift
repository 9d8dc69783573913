import Glibc
import Model
import NIOCore
import TestSupport
import Testing
import Wire

/// A client that speaks in frames on a blocking socket, so that a test says exactly which bytes arrive and in which order.
final class TestClient {
  private let socket: RawSocket
  private var received = ByteBuffer()
  private var nextCorrelationID: Int32 = 1

  /// A broker that does not answer within this is one that never will: the test then fails instead of hanging.
  private static let patienceSeconds = 60

  init(port: UInt16, isIPv6: Bool = false) throws {
    socket = try RawSocket(port: port, patienceSeconds: Self.patienceSeconds, isIPv6: isIPv6)
  }

  /// The connection will end as that of a process that dies: with RST, whatever was still under way.
  func resetAtEnd() { socket.resetAtEnd() }

  // MARK: Bytes

  func send(_ bytes: ByteBuffer) throws {
    let count = bytes.withUnsafeReadableBytes { socket.send($0) }
    guard count == bytes.readableBytes else { throw POSIXFailure(code: errno) }
  }

  func send(_ bytes: [UInt8]) throws { try send(ByteBuffer(bytes: bytes)) }

  /// The next whole frame; nil when the broker has closed the connection.
  func receiveFrame() throws -> ByteBuffer? {
    while true {
      if let frame = try Frame.next(in: &received, limit: .max) { return frame }
      let count = received.writeWithUnsafeMutableBytes(minimumWritableBytes: 65_536) { room in
        max(0, socket.receive(room))
      }
      if count == 0 {
        let code = errno
        try #require(code != EAGAIN, "no answer for \(Self.patienceSeconds) s")
        return nil
      }
    }
  }

  /// Waits until the broker has sent something, and leaves it where it is.
  func awaitBytes() throws {
    var byte: UInt8 = 0
    let count = withUnsafeMutableBytes(of: &byte) { socket.receive($0, flags: Int32(MSG_PEEK)) }
    try #require(count == 1, "nothing came")
  }

  /// Something has come that was not received yet.
  var hasBytes: Bool {
    var byte: UInt8 = 0
    return withUnsafeMutableBytes(of: &byte) { socket.receive($0, flags: Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) } == 1
  }

  /// True when the broker closes the connection without another byte.
  func isClosed() throws -> Bool { try receiveFrame() == nil }

  // MARK: Requests

  /// Sends a request and returns its correlation id.
  @discardableResult
  func send<R: Request>(_ request: R, version: Int16, clientID: String? = "test") throws -> Int32 {
    let id = nextCorrelationID
    nextCorrelationID += 1
    let parts = Frame.request(request, version: version, correlationID: id, clientID: clientID)
    try send(try #require(parts.joined))
    return id
  }

  /// The next answer, which must be to the request of `correlationID`.
  func receive<R: Request>(_ type: R.Type, version: Int16, correlationID: Int32) throws -> R.Answer {
    var frame = try #require(try receiveFrame(), "the broker closed the connection instead of answering \(R.self)")
    let header = try ResponseHeader(reading: &frame, version: R.api.responseHeaderVersion(version))
    #expect(header.correlationID == correlationID)
    let answer = try R.Answer(reading: &frame, version: version)
    #expect(frame.readableBytes == 0, "bytes are left behind \(R.Answer.self) v\(version)")
    return answer
  }

  func ask<R: Request>(_ request: R, version: Int16) throws -> R.Answer {
    let id = try send(request, version: version)
    return try receive(R.self, version: version, correlationID: id)
  }
}
