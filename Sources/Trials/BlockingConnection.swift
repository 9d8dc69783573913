import Client
import Glibc
import NIOCore
import Wire

/// Says why a broker gave no answer: the connection broke, or the answer did not come in time.
struct NoAnswer: Error, CustomStringConvertible {
  let description: String
}

/// Sends one request at a time to one broker and waits for its answer, on the calling thread.
///
/// For trials, which look at when a broker answers: nothing stands between the socket and the clock. The broker is of the same build,
/// so the versions are ours.
final class BlockingConnection {
  private enum Limits {
    static let answerBytes = 256 << 20
    static let readBytes = 1 << 18
  }

  private let descriptor: Int32
  private var received = ByteBuffer()
  private var chunk: [UInt8]
  private var nextCorrelationID: Int32 = 0

  /// - Parameter patienceMs: for each answer.
  init(to endpoint: Endpoint, patienceMs: Int = 5_000) throws(NoAnswer) {
    chunk = [UInt8](repeating: 0, count: Limits.readBytes)
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw Self.failure("socket") }
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    var patience = timeval(tv_sec: patienceMs / 1000, tv_usec: patienceMs % 1000 * 1000)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(truncatingIfNeeded: endpoint.port).bigEndian
    guard inet_pton(AF_INET, endpoint.host, &address.sin_addr) == 1 else {
      throw NoAnswer(description: "\(endpoint.host) is no IPv4 address")
    }
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else { throw Self.failure("connect to \(endpoint)") }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  private static func failure(_ call: String) -> NoAnswer {
    NoAnswer(description: "\(call): \(String(cString: strerror(errno)))")
  }

  /// - Parameter limit: the highest version that the caller can fill in.
  func call<R: Request>(_ request: consuming R, limit: Int16 = .max) throws(NoAnswer) -> R.Answer {
    let version = min(limit, R.api.versions.upperBound)
    nextCorrelationID &+= 1
    let message = Frame.request(request, version: version, correlationID: nextCorrelationID, clientID: "millrace-trial")
    for part in message.parts {
      guard case .bytes(let bytes) = part else { continue }
      try send(bytes)
    }
    var frame = try nextFrame()
    do {
      let header = try ResponseHeader(reading: &frame, version: R.api.responseHeaderVersion(version))
      guard header.correlationID == nextCorrelationID else { throw NoAnswer(description: "another request's answer") }
      return try R.Answer(reading: &frame, version: version)
    } catch {
      throw (error as? NoAnswer) ?? NoAnswer(description: "\(error)")
    }
  }

  private func send(_ bytes: ByteBuffer) throws(NoAnswer) {
    let isSent = bytes.withUnsafeReadableBytes { bytes -> Bool in
      var sent = 0
      while sent < bytes.count {
        let count = Glibc.send(
          descriptor, bytes.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        sent += count
      }
      return true
    }
    guard isSent else { throw Self.failure("send") }
  }

  private func nextFrame() throws(NoAnswer) -> ByteBuffer {
    while true {
      do throws(FrameError) {
        if let frame = try Frame.next(in: &received, limit: Limits.answerBytes) { return frame }
      } catch { throw NoAnswer(description: "\(error)") }
      let count = recv(descriptor, &chunk, chunk.count, 0)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw count == 0 ? NoAnswer(description: "end of stream") : Self.failure("recv") }
      received.discardReadBytes()
      received.writeBytes(chunk[..<count])
    }
  }
}
