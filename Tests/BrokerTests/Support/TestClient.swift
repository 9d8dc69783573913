import CMillrace
import Glibc
import Model
import NIOCore
import Testing
import Wire

/// A client that speaks in frames on a blocking socket, so that a test says exactly which bytes arrive and in which order.
final class TestClient {
  let socket: Int32
  private var received = ByteBuffer()
  private var nextCorrelationID: Int32 = 1

  /// A broker that does not answer within this is one that never will: the test then fails instead of hanging.
  private static let patienceSeconds = 20

  init(port: UInt16) throws {
    socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else { throw POSIXFailure(code: errno) }
    var patience = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    var on: Int32 = 1
    setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  deinit { close(socket) }

  /// The connection will end as that of a process that dies: with RST, whatever was still under way.
  func resetAtEnd() {
    var atOnce = linger(l_onoff: 1, l_linger: 0)
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
  }

  // MARK: Bytes

  func send(_ bytes: ByteBuffer) throws {
    var rest = bytes
    while rest.readableBytes > 0 {
      let count = rest.withUnsafeReadableBytes {
        Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw POSIXFailure(code: errno) }
      rest.moveReaderIndex(forwardBy: count)
    }
  }

  func send(_ bytes: [UInt8]) throws { try send(ByteBuffer(bytes: bytes)) }

  /// The next whole frame; nil when the broker has closed the connection.
  func receiveFrame() throws -> ByteBuffer? {
    while true {
      if let frame = try Frame.next(in: &received, limit: .max) { return frame }
      let count = received.writeWithUnsafeMutableBytes(minimumWritableBytes: 65_536) { room in
        max(0, recv(socket, room.baseAddress, room.count, 0))
      }
      if count == 0 {
        let code = errno
        try #require(code != EAGAIN, "no answer for \(Self.patienceSeconds) s")
        return nil
      }
    }
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
