import NIOCore
import Security
import Wire

/// Serves the requests of one event loop that need no handler of their own: runs of Produce requests, and Fetch requests that need not wait.
final class LoopRuns: RequestRuns {
  private let produces: ProduceRun
  private let fetches: FetchRun
  private let run = RequestRun()
  private let known = KnownPartitions()
  private let quotas: Quotas
  /// The most bytes of records in a Fetch response.
  private let fetchBytesMax: Int
  private let eventLoop: any EventLoop
  /// nil where there is no authorizer.
  private let decisions: LoopDecisions?

  init(_ broker: LocalBroker, on eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
    quotas = broker.quotas
    fetchBytesMax = broker.config.fetchMaxBytes
    decisions = broker.access.map { LoopDecisions($0) }
    produces = ProduceRun(broker, known)
    fetches = FetchRun(broker, known)
  }

  func serve(_ bytes: ByteBuffer, from origin: RequestOrigin, requestsMax: Int) -> RequestRun {
    run.clear()
    if quotas.isActive {
      serveCounted(bytes, origin, requestsMax)
    } else {
      serve(bytes, origin, requestsMax)
    }
    return run
  }

  private func serve(_ bytes: ByteBuffer, _ origin: RequestOrigin, _ requestsMax: Int) {
    if let decisions { known.ask(decisions.of(origin.requester)) }
    bytes.withUnsafeReadableBytes { frames in
      // The API's key follows the frame's length.
      guard frames.count > Frame.prefixBytes + 2, frames[Frame.prefixBytes] == 0 else { return }
      switch Int16(frames[Frame.prefixBytes + 1]) {
      case ProduceRequest.api.key: produces.serve(frames, bytes, requestsMax: requestsMax, run)
      case FetchRequest.api.key: fetches.serve(frames, run)
      default: break
      }
    }
  }

  /// Serves requests together where there are quotas and the client stays within its own. All requests are taken to have the client id of the first:
  /// which it is, is for the client to say anyway.
  @inline(never)
  private func serveCounted(_ bytes: ByteBuffer, _ origin: RequestOrigin, _ requestsMax: Int) {
    guard let head = ClientOfRequest(reading: bytes) else { return }
    let user = origin.principal.name
    let (key, bytesMax): (QuotaKey, Int)
    switch head.apiKey {
    case FetchRequest.api.key: (key, bytesMax) = (.consumerByteRate, fetchBytesMax)
    case ProduceRequest.api.key: (key, bytesMax) = (.producerByteRate, bytes.readableBytes)
    default: return
    }
    guard let together = quotas.together(key, bytesMax: Double(bytesMax), user: user, clientID: head.clientID) else {
      return
    }
    let began = together.countsTime ? eventLoop.now : .uptimeNanoseconds(0)
    serve(bytes, origin, requestsMax)
    guard run.requests > 0 else { return }
    let took = together.countsTime ? eventLoop.now - began : .zero
    let counted = key == .producerByteRate ? run.byteCount - run.requests * Frame.prefixBytes : run.recordBytes
    // Nothing to wait for: they were looked at in advance, with all that stood behind them.
    quotas.recordTogether(together, key, bytes: counted, took, user: user, clientID: head.clientID)
  }
}

/// The start of the request header at the front of bytes.
private struct ClientOfRequest {
  let apiKey: Int16
  let clientID: String

  /// Nil where it has not arrived whole, or is none.
  init?(reading bytes: ByteBuffer) {
    var bytes = bytes
    bytes.moveReaderIndex(forwardBy: min(Frame.prefixBytes, bytes.readableBytes))
    guard let (apiKey, _, _, length) = bytes.readMultipleIntegers(as: (Int16, Int16, Int32, Int16).self) else {
      return nil
    }
    self.apiKey = apiKey
    guard length >= 0 else {
      clientID = ""
      return
    }
    guard let text = bytes.readString(length: Int(length)) else { return nil }
    clientID = text
  }
}
