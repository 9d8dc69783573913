package import NIOCore
package import Wire

/// Pipelines requests over one connection to one broker, which responds in the order of the requests.
///
/// Confined to its event loop, on which every method and callback is called: no lock, no hop and no `await` lies between a
/// record and the socket.
package final class BrokerConnection {
  package let eventLoop: any EventLoop
  package let endpoint: Endpoint
  /// The API versions in use, set by the broker's response to ApiVersions.
  package internal(set) var versions = ApiVersionTable.ours
  /// The TCP congestion control in use; nil without TCP.
  package internal(set) var congestionControl: String?
  /// Called once when the connection has ended, after all its outstanding requests have failed.
  package var onEnd: ((ClientError) -> Void)?
  package private(set) var bytesSent = 0
  package private(set) var bytesReceived = 0
  package private(set) var requestsSent = 0

  let clientID: String
  private let now: () -> UInt64
  private let requestTimeoutMs: Int
  private var transport: (any Transport)?
  private let frames: FrameReader
  private var unanswered = CircularBuffer<Unanswered>()
  private var nextCorrelationID: Int32 = 0
  private var failure: ClientError?
  private var timeoutCheck: Scheduled<Void>?

  /// Bytes of requests that the transport has not got yet: small requests leave in one buffer, by one system call.
  private var outgoing = ByteBuffer()
  /// The transport has got `outgoing`, and may still hold its memory.
  private var isHandedOver = false
  /// Called before and after the responses of one read are handled, with true and with false.
  package var reading: ((_ begins: Bool) -> Void)?

  private struct Unanswered {
    let correlationID: Int32
    let sentNs: UInt64
    let api: Int16
    let receiver: Receiver
  }

  private enum Receiver {
    case call((Result<ByteBuffer, ClientError>) -> Void)
    case batch(any ProducedBatch, version: Int16)
  }

  /// - Parameter now: CLOCK_MONOTONIC in nanoseconds.
  package convenience init(
    _ endpoint: Endpoint, on eventLoop: any EventLoop, transport: any Transport, clientID: String,
    requestTimeoutMs: Int, now: @escaping () -> UInt64
  ) {
    self.init(
      endpoint, on: eventLoop, transport: transport, clientID: clientID, requestTimeoutMs: requestTimeoutMs,
      frames: FrameReader(), now: now)
  }

  /// - Parameter frames: the reader that the transport receives into.
  init(
    _ endpoint: Endpoint, on eventLoop: any EventLoop, transport: any Transport, clientID: String,
    requestTimeoutMs: Int, frames: FrameReader, now: @escaping () -> UInt64
  ) {
    self.frames = frames
    self.endpoint = endpoint
    self.eventLoop = eventLoop
    self.transport = transport
    self.clientID = clientID
    self.requestTimeoutMs = requestTimeoutMs
    self.now = now
  }

  package var isOpen: Bool { failure == nil }
  /// The number of requests sent and awaiting a response.
  package var requestsInFlight: Int { unanswered.count }

  // MARK: Sending

  /// Queues a request; `flush` sends the queue. `then` is called with the response or the error.
  ///
  /// - Parameter limit: the highest version that the caller can fill in.
  package func send<R: Request>(
    _ request: consuming R, limit: Int16 = .max, then: @escaping (Result<R.Answer, ClientError>) -> Void
  ) {
    if let failure { return then(.failure(failure)) }
    guard let version = versions.version(of: R.api, limit: limit) else {
      return then(
        .failure(
          .noCommonVersion(
            endpoint, key: R.api.key, ours: R.api.versions, theirs: versions.offered(R.api))))
    }
    send(request, version: version, then: then)
  }

  func send<R: Request>(
    _ request: consuming R, version: Int16, then: @escaping (Result<R.Answer, ClientError>) -> Void
  ) {
    let endpoint = endpoint
    sendRaw(request, version: version) { result in
      switch result {
      case .failure(let error): then(.failure(error))
      case .success(let frame): then(Self.read(R.Answer.self, frame, version: version, from: endpoint))
      }
    }
  }

  /// Queues a request as `send` does; `answer` gets the response's frame undecoded.
  func sendRaw<R: Request>(
    _ request: consuming R, version: Int16, answer: @escaping (Result<ByteBuffer, ClientError>) -> Void
  ) {
    if let failure { return answer(.failure(failure)) }
    let correlationID = write(request, version: version)
    unanswered.append(
      Unanswered(correlationID: correlationID, sentNs: now(), api: R.api.key, receiver: .call(answer)))
  }

  /// Queues a Produce request of one batch as `send` does; nothing is allocated for it.
  ///
  /// - Parameters:
  ///   - records: the batch. It is copied if it is small; otherwise the connection holds it until the system has taken it.
  ///   - batch: gets the outcome; nil where the broker sends no response (acks=0).
  ///   - sentNs: the present time.
  func send(
    _ frame: ProduceFrame, partition: Int32, _ records: ByteBuffer, for batch: (any ProducedBatch)?, sentNs: UInt64
  ) {
    if let failure {
      batch?.failed(failure)
      return
    }
    let correlationID = takeCorrelationID()
    makeRoom()
    bytesSent += frame.writeHead(
      correlationID: correlationID, partition: partition, recordsBytes: records.readableBytes, to: &outgoing)
    put(records)
    makeRoom()
    frame.writeTail(to: &outgoing)
    guard let batch else { return }
    unanswered.append(
      Unanswered(
        correlationID: correlationID, sentNs: sentNs, api: ProduceRequest.api.key,
        receiver: .batch(batch, version: frame.version)))
  }

  /// Queues a request without a response (Produce with acks=0).
  package func sendUnanswered<R: Request>(_ request: consuming R) throws(ClientError) {
    if let failure { throw failure }
    guard let version = versions.version(of: R.api) else {
      throw .noCommonVersion(endpoint, key: R.api.key, ours: R.api.versions, theirs: versions.offered(R.api))
    }
    _ = write(request, version: version)
  }

  /// Sends the queued requests; `written` is called when the system has taken them.
  package func flush(written: (() -> Void)? = nil) {
    handOver()
    transport?.flush(written: written)
  }

  package func close() { fail(.closed(endpoint, reason: "closed by this client")) }

  private func write<R: Request>(_ request: consuming R, version: Int16) -> Int32 {
    let correlationID = takeCorrelationID()
    let message = Frame.request(request, version: version, correlationID: correlationID, clientID: clientID)
    for part in message.parts {
      guard case .bytes(let bytes) = part else { preconditionFailure("a request has no file ranges") }
      bytesSent += bytes.readableBytes
      put(bytes)
    }
    return correlationID
  }

  private func takeCorrelationID() -> Int32 {
    let correlationID = nextCorrelationID
    nextCorrelationID = correlationID == .max ? 0 : correlationID + 1
    requestsSent += 1
    return correlationID
  }

  /// Queues bytes: few are copied behind those that wait, many are given to the transport as they are.
  private func put(_ bytes: ByteBuffer) {
    guard bytes.readableBytes > ClientLimits.copiedBytesMax else {
      makeRoom()
      outgoing.writeImmutableBuffer(bytes)
      return
    }
    handOver()
    transport?.write(bytes)
  }

  /// Makes `outgoing` fit to be written to.
  @inline(__always)
  private func makeRoom() {
    if outgoing.readableBytes >= ClientLimits.gatheredBytesMax { handOver() }
    guard isHandedOver else { return }
    // Takes other memory where the transport still holds this.
    outgoing.clear()
    isHandedOver = false
  }

  /// Gives the gathered bytes to the transport.
  private func handOver() {
    guard !isHandedOver, outgoing.readableBytes > 0 else { return }
    isHandedOver = true
    transport?.write(outgoing)
  }

  // MARK: Authenticating again

  /// Has requests wait from now on, until `releaseRequests`.
  func holdRequests() {
    handOver()
    guard let transport else { return }
    self.transport = HeldRequests(transport, from: nextCorrelationID)
  }

  func releaseRequests() {
    handOver()
    guard let held = transport as? HeldRequests else { return }
    transport = held.transport
    held.release()
  }

  /// Sends a request at once, ahead of those that wait: its response comes before theirs.
  func sendAhead<R: Request>(_ request: consuming R, then: @escaping (Result<R.Answer, ClientError>) -> Void) {
    guard let held = transport as? HeldRequests else {
      send(request, then: then)
      return flush()
    }
    handOver()
    transport = held.transport
    let before = unanswered.count
    send(request, then: then)
    flush()
    guard failure == nil else { return }
    transport = held
    guard unanswered.count > before, let sent = unanswered.popLast() else { return }
    let place = unanswered.firstIndex { held.holds($0.correlationID) } ?? unanswered.endIndex
    unanswered.insert(sent, at: place)
  }

  /// Ends the connection with this error.
  func end(_ error: ClientError) { fail(error) }

  private static func read<A: Response>(
    _ type: A.Type, _ frame: ByteBuffer, version: Int16, from endpoint: Endpoint
  ) -> Result<A, ClientError> {
    var frame = frame
    do {
      _ = try ResponseHeader(reading: &frame, version: A.api.responseHeaderVersion(version))
      return .success(try A(reading: &frame, version: version))
    } catch {
      return .failure(.malformed(endpoint, what: "\(A.self) v\(version): \(error)"))
    }
  }

  // MARK: Receiving

  /// Handles bytes from the peer. Re-entrant: a callback may send, and a send that fails makes NIO read what is left. Responses
  /// keep their order all the same.
  package func received(_ bytes: ByteBuffer) {
    // Whoever is told of the beginning is told of the end, though the response to the first request may bring another listener.
    let reading = reading
    reading?(true)
    defer { reading?(false) }
    do {
      bytesReceived += frames.append(bytes)
      while let frame = try frames.next() { answered(frame) }
    } catch {
      fail(.malformed(endpoint, what: "\(error)"))
    }
  }

  /// Handles the end of the connection by the peer or the system.
  package func ended(reason: String) {
    fail(.closed(endpoint, reason: reason))
  }

  private func answered(_ frame: ByteBuffer) {
    guard failure == nil else { return }
    guard let correlationID = frame.getInteger(at: frame.readerIndex, as: Int32.self) else {
      return fail(.malformed(endpoint, what: "a response of \(frame.readableBytes) bytes"))
    }
    guard let first = unanswered.first, first.correlationID == correlationID else {
      let expected = unanswered.first.map { "\($0.correlationID)" } ?? "none"
      return fail(.malformed(endpoint, what: "a response with correlation id \(correlationID), expected \(expected)"))
    }
    unanswered.removeFirst()
    switch first.receiver {
    case .call(let answer): answer(.success(frame))
    case .batch(let batch, let version):
      if let receipt = frame.withUnsafeReadableBytes({ ProduceReceipt(reading: $0, version: version) }) {
        batch.acknowledged(receipt)
      } else {
        batch.answered(Self.read(ProduceResponse.self, frame, version: version, from: endpoint))
      }
    }
  }

  private func fail(_ error: ClientError) {
    guard failure == nil else { return }
    failure = error
    timeoutCheck?.cancel()
    transport?.close()
    transport = nil
    let failed = unanswered
    unanswered.removeAll()
    for request in failed {
      switch request.receiver {
      case .call(let answer): answer(.failure(error))
      case .batch(let batch, _): batch.failed(error)
      }
    }
    let onEnd = onEnd
    self.onEnd = nil
    onEnd?(error)
  }

  // MARK: Time

  /// Starts the request timeout: the connection ends when a response is later than `requestTimeoutMs`, since all later
  /// responses wait behind it.
  package func watchForTimeouts() {
    guard failure == nil else { return }
    let period = TimeAmount.milliseconds(Int64(max(50, min(1000, requestTimeoutMs / 4))))
    timeoutCheck = eventLoop.assumeIsolated().scheduleTask(in: period) { [weak self] in
      self?.checkTimeouts()
      self?.watchForTimeouts()
    }
  }

  private func checkTimeouts() {
    guard let oldest = unanswered.first else { return }
    let limitNs = UInt64(requestTimeoutMs) * 1_000_000
    let nowNs = now()
    guard nowNs > oldest.sentNs, nowNs - oldest.sentNs > limitNs else { return }
    fail(.timedOut(endpoint, what: "request of API \(oldest.api)", afterMs: requestTimeoutMs))
  }
}
