import NIOCore
import Wire

/// Serves the requests of one event loop that need no handler of their own: runs of Produce requests, and Fetch requests that need not wait.
final class LoopRuns: RequestRuns {
  private let produces: ProduceRun
  private let fetches: FetchRun
  private let run = RequestRun()
  private let known = KnownPartitions()
  private let quotas: Quotas
  /// nil where there is no authorizer.
  private let decisions: LoopDecisions?

  init(_ broker: LocalBroker) {
    quotas = broker.quotas
    decisions = broker.access.map { LoopDecisions($0) }
    produces = ProduceRun(broker, known)
    fetches = FetchRun(broker, known)
  }

  func serve(_ bytes: ByteBuffer, from origin: RequestOrigin, requestsMax: Int) -> RequestRun {
    run.clear()
    // What is counted against quotas is counted request by request.
    if quotas.isActive { return run }
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
    return run
  }
}
