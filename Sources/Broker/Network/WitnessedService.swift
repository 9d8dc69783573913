import NIOCore
import Security

/// Tells a witness of every request that reaches the handlers: whose it is, and of which API. The simulation has one, to check that nobody is served who
/// has not authenticated; a broker in the real world has none.
struct WitnessedService: RequestService {
  let service: any RequestService
  let witness: @Sendable (_ user: String, _ api: Int16) -> Void

  var requestBytesMax: Int { service.requestBytesMax }

  func serve(_ frame: ByteBuffer, from origin: RequestOrigin, _ slot: ResponseSlot) -> Served {
    note(frame, at: frame.readerIndex, origin)
    return service.serve(frame, from: origin, slot)
  }

  func makeRuns(on eventLoop: any EventLoop) -> (any RequestRuns)? {
    service.makeRuns(on: eventLoop).map { Runs(runs: $0, service: self) }
  }

  private func note(_ bytes: ByteBuffer, at index: Int, _ origin: RequestOrigin) {
    witness(origin.principal.name, bytes.getInteger(at: index, as: Int16.self) ?? -1)
  }

  private final class Runs: RequestRuns {
    let runs: any RequestRuns
    let service: WitnessedService

    init(runs: any RequestRuns, service: WitnessedService) {
      self.runs = runs
      self.service = service
    }

    func serve(_ bytes: ByteBuffer, from origin: RequestOrigin, requestsMax: Int) -> RequestRun {
      let run = runs.serve(bytes, from: origin, requestsMax: requestsMax)
      if run.requests > 0 { service.note(bytes, at: bytes.readerIndex + 4, origin) }
      return run
    }
  }
}
