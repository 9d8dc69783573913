import NIOCore
import Wire

/// Serves the requests of one event loop that need no handler of their own: runs of Produce requests, and Fetch requests that need not wait.
final class LoopRuns: RequestRuns {
  private let produces: ProduceRun
  private let fetches: FetchRun
  private let run = RequestRun()

  init(_ broker: LocalBroker) {
    let known = KnownPartitions()
    produces = ProduceRun(broker, known)
    fetches = FetchRun(broker, known)
  }

  func serve(_ bytes: ByteBuffer, from origin: RequestOrigin, requestsMax: Int) -> RequestRun {
    run.clear()
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
