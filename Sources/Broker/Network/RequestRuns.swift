package import NIOCore

/// Serves requests of one read together, where that costs less than one by one. Confined to one event loop, whose connections share it.
package protocol RequestRuns: AnyObject {
  /// Serves the requests at the front of `bytes`, in their order, up to the first that is to be served by itself, or that has not arrived
  /// whole.
  ///
  /// - Parameters:
  ///   - origin: the connection of all of them.
  ///   - requestsMax: at least 1.
  /// - Returns: what became of them, until the next call.
  func serve(_ bytes: ByteBuffer, from origin: RequestOrigin, requestsMax: Int) -> RequestRun
}

/// The outcome of requests that were served together. One object for all runs of an event loop.
package final class RequestRun {
  /// One of the requests, where not all have their response.
  package enum Outcome {
    /// So many of the bytes of `responses`; 0 when the client asked for none.
    case response(byteCount: Int)
    /// The response comes when the slot is completed: the function is called with it, in its turn.
    case later((ResponseSlot) -> Void)
    /// The connection closes when this request's turn comes.
    case close
  }

  /// How many requests were served.
  package var requests = 0
  /// The bytes of these requests.
  package var byteCount = 0
  /// The bytes of the records in the responses to Fetch requests.
  package var recordBytes = 0
  /// The frames of all responses that are there, in the order of the requests; nil when there are none.
  package var responses: ByteBuffer?
  /// The response of the one request that was served, where it is not only bytes. Taken, not left: its files stay open meanwhile. Who takes it
  /// may leave an empty array with room for the next.
  package var parts: [OutgoingResponse.Part] = []
  /// What became of each request; empty when all have a response, or none wants one.
  package var outcomes: [Outcome] = []
  /// What the event loop's meter is to be told, beside sizes and times: the errors in `responses`.
  var notes: [RequestMeter.Note] = []
  /// Requests of other connections that these satisfied, to be woken when all this is done with: they may come back for a run of their own.
  var woken: [Waiter] = []
  /// Partitions that could not be appended to, and what is to be done about it: then too, because it wakes who waits for them.
  var failed: [() -> Void] = []

  package init() {}

  /// Gives up the parts.
  func takeParts() -> [OutgoingResponse.Part] {
    guard !parts.isEmpty else { return [] }
    let taken = parts
    parts = []
    return taken
  }

  /// Gives up what is to be done when all this is done with; nil when nothing is.
  func takeAftermath() -> Aftermath? {
    guard !woken.isEmpty || !failed.isEmpty else { return nil }
    let taken = Aftermath(woken: woken, failed: failed)
    (woken, failed) = ([], [])
    return taken
  }

  /// Begins anew.
  func clear() {
    requests = 0
    byteCount = 0
    recordBytes = 0
    responses = nil
    if !parts.isEmpty { parts.removeAll(keepingCapacity: true) }
    if !outcomes.isEmpty { outcomes = [] }
    if !notes.isEmpty { notes = [] }
    if !woken.isEmpty { woken = [] }
    if !failed.isEmpty { failed = [] }
  }
}

/// What follows from requests that were served together, besides their responses.
struct Aftermath {
  let woken: [Waiter]
  let failed: [() -> Void]

  /// May come back to other connections of the event loop, and so to its `RequestRuns`.
  func happen() {
    for waiter in woken { waiter.wake(.satisfied) }
    for body in failed { body() }
  }
}
