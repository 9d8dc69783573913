import Model
package import NIOCore
package import Security
package import Storage
package import Wire

/// What a handler returns: the response, or what happens to the request without one.
package enum HandlerResult<Body: Response>: Sendable {
  case now(Body)
  /// A response whose records are these file ranges, in order.
  case spliced(Body, [FileRange])
  /// The client asked for no response (acks=0).
  case silent
  /// The response follows when the `PendingResponse` of this request is completed.
  case pending
  /// The connection closes when the responses of earlier requests have been sent.
  case close
}

/// One request as its handler sees it: values, so that a handler needs no connection to be called.
package struct RequestContext: Sendable {
  package let version: Int16
  package let correlationID: Int32
  package let clientID: String?
  package let origin: RequestOrigin
  let slot: ResponseSlot
  /// What the request may do; nil where there is no authorizer, and everything is allowed.
  let access: Access?
  /// Completes the response of a request that is served in part: an `Amendment` of its API.
  fileprivate(set) var amendment: (any AnyAmendment)?

  /// Counts the request against its client's quotas; nil where there are none.
  fileprivate(set) var charge: QuotaCharge?

  init(
    version: Int16, correlationID: Int32, clientID: String?, origin: RequestOrigin, slot: ResponseSlot,
    access: Access? = nil, charge: QuotaCharge? = nil
  ) {
    self.charge = charge
    self.version = version
    self.correlationID = correlationID
    self.clientID = clientID
    self.origin = origin
    self.slot = slot
    self.access = access
  }

  /// The event loop of the request's connection: where its timers and its time are.
  package var eventLoop: any EventLoop { slot.eventLoop }

  /// Who asks.
  package var principal: Principal { origin.principal }

  /// Runs `body` later, on the event loop, when the connection ends before the pending response was given. Called by the handler, on
  /// the event loop, and only if the response has not been given.
  func whenClosed(_ body: @escaping @Sendable () -> Void) { slot.whenClosed(body) }

  /// Lets no later request of the connection start until `releaseConnection`. Called by the handler, on the event loop.
  func holdConnection() { slot.holdConnection() }

  /// Lets the connection's later requests start. Called on any thread.
  func releaseConnection() { slot.releaseConnection() }

  /// Returns what the handler completes later; the handler then returns `.pending`.
  func pending<Body: Response>(_ response: Body.Type = Body.self) -> PendingResponse<Body> {
    PendingResponse(
      version: version, correlationID: correlationID, slot: slot, amendment: amendment as? Amendment<Body>)
  }
}

/// A response that is made later. Complete it exactly once, from any thread.
package struct PendingResponse<Body: Response>: Sendable {
  let version: Int16
  let correlationID: Int32
  let slot: ResponseSlot
  /// Completes the response of a request that is served in part.
  let amendment: Amendment<Body>?

  init(version: Int16, correlationID: Int32, slot: ResponseSlot, amendment: Amendment<Body>? = nil) {
    self.version = version
    self.correlationID = correlationID
    self.slot = slot
    self.amendment = amendment
  }

  package func complete(_ response: Body, ranges: [FileRange] = []) {
    var response = response
    amendment?.complete(&response)
    slot.complete(
      .response(OutgoingResponse(response, ranges, version: version, correlationID: correlationID, for: slot)))
  }
}

/// One row of the handler table.
package struct Handler: Sendable {
  package let api: Api
  /// The versions that the handler serves.
  package let served: ClosedRange<Int16>
  /// The versions that ApiVersions lists; may begin below `served`.
  package let offered: ClosedRange<Int16>
  let serve: @Sendable (inout ByteBuffer, RequestContext) -> Served

  /// - Parameter offered: when it differs from `served`.
  static func on<R: GuardedRequest>(
    _ type: R.Type, _ served: ClosedRange<Int16>, offered: ClosedRange<Int16>? = nil,
    do body: @escaping @Sendable (R, RequestContext) -> HandlerResult<R.Answer>
  ) -> Handler {
    precondition(
      R.api.versions.contains(served.lowerBound) && R.api.versions.contains(served.upperBound),
      "\(R.self) has no layout for all of \(served)")
    return Handler(api: R.api, served: served, offered: offered ?? served) { bytes, context in
      let request: R
      do {
        request = try R(reading: &bytes, version: context.version)
      } catch {
        return .refuse("malformed \(R.self) v\(context.version): \(error)")
      }
      guard context.access != nil || context.charge != nil else { return outcome(body(request, context), context) }
      return serve(request, context, body)
    }
  }

  private static func outcome<Body: Response>(_ result: HandlerResult<Body>, _ context: RequestContext) -> Served {
    switch result {
    case .now(let response):
      return .response(
        OutgoingResponse(
          response, [], version: context.version, correlationID: context.correlationID, for: context.slot))
    case .spliced(let response, let ranges):
      return .response(
        OutgoingResponse(
          response, ranges, version: context.version, correlationID: context.correlationID, for: context.slot))
    case .silent: return .silent
    case .pending: return .pending
    case .close: return .close
    }
  }

  /// Serves what of a request its principal may ask for, and counts it against the client's quotas.
  private static func serve<R: GuardedRequest>(
    _ request: R, _ context: RequestContext, _ body: @Sendable (R, RequestContext) -> HandlerResult<R.Answer>
  ) -> Served {
    var request = request
    var context = context
    if request.isByBroker { context.charge = nil }
    let charge = context.charge
    let began = context.eventLoop.now
    let bytes = request.quotaBytes
    var completions: [@Sendable (inout R.Answer) -> Void] = []
    var result: HandlerResult<R.Answer>?
    switch context.access.map({ request.check($0, version: context.version) }) {
    case nil, .allowed: break
    case .refused(let answer): result = request.isUnanswered ? .close : .now(answer)
    case .partly(let complete): completions.append(complete)
    }
    if result == nil, let charge, let complete = request.withhold(charge, version: context.version) {
      completions.append(complete)
    }
    let isServedInPart = !completions.isEmpty
    if let charge { completions.append { charge.settle(bytes, &$0) } }
    let steps = completions
    let complete: @Sendable (inout R.Answer) -> Void = { answer in for step in steps { step(&answer) } }
    context.amendment = Amendment(complete)
    let ended = result ?? body(request, context)
    charge?.handled(in: context.eventLoop.now - began)
    switch ended {
    case .now(var response):
      complete(&response)
      return outcome(.now(response), context)
    case .spliced(var response, let ranges):
      complete(&response)
      return outcome(.spliced(response, ranges), context)
    case .silent:
      charge?.settleUnanswered(bytes)
      // A client that wants no answer learns of a refusal by the end of the connection.
      return isServedInPart ? .close : .silent
    case .pending: return .pending
    case .close: return .close
    }
  }
}

/// Holds the handler of every API this broker serves. ApiVersions lists each handler's `offered` versions.
package struct HandlerTable: RequestService {
  package let requestBytesMax: Int
  /// The handlers by API key: a request finds its handler by index.
  private let byKey: [Handler?]

  private let runs: @Sendable (any EventLoop) -> (any RequestRuns)?
  /// nil where there is no authorizer.
  private let access: AccessControl?
  private let quotas: Quotas?

  /// - Parameters:
  ///   - access: what requests are checked against; nil allows everything.
  ///   - runs: see `RequestService.makeRuns`.
  package init(
    _ handlers: [Handler], requestBytesMax: Int, access: AccessControl? = nil, quotas: Quotas? = nil,
    runs: @escaping @Sendable (any EventLoop) -> (any RequestRuns)? = { _ in nil }
  ) {
    self.access = access
    self.quotas = quotas
    self.requestBytesMax = requestBytesMax
    self.runs = runs
    var byKey = [Handler?](repeating: nil, count: Int(handlers.map(\.api.key).max() ?? -1) + 1)
    for handler in handlers {
      precondition(byKey[Int(handler.api.key)] == nil, "API \(handler.api.key) has two handlers")
      byKey[Int(handler.api.key)] = handler
    }
    self.byKey = byKey
  }

  private func charge(
    of origin: RequestOrigin, _ header: RequestHeader, _ frame: ByteBuffer, _ slot: ResponseSlot
  ) -> QuotaCharge? {
    guard let quotas, quotas.isActive else { return nil }
    return QuotaCharge(
      quotas, origin.requester, header, requestBytes: frame.readableBytes, slot: slot)
  }

  package func makeRuns(on eventLoop: any EventLoop) -> (any RequestRuns)? { runs(eventLoop) }

  /// The handlers in the order of their API keys.
  package var handlers: [Handler] { byKey.compactMap { $0 } }

  package func serve(_ frame: ByteBuffer, from origin: RequestOrigin, _ slot: ResponseSlot) -> Served {
    var bytes = frame
    let header: RequestHeader
    do {
      header = try RequestHeader(reading: &bytes)
    } catch {
      return .refuse("malformed request header: \(error)")
    }
    guard header.apiKey >= 0, Int(header.apiKey) < byKey.count, let handler = byKey[Int(header.apiKey)] else {
      return .refuse("API \(header.apiKey) is not served")
    }
    guard handler.served.contains(header.apiVersion) else {
      guard header.apiKey == Api.apiVersionsKey else {
        return .refuse("API \(header.apiKey) is served in versions \(handler.served), not \(header.apiVersion)")
      }
      return .response(ApiVersionsResponse.unsupportedVersion(handler, correlationID: header.correlationID, for: slot))
    }
    return handler.serve(
      &bytes,
      RequestContext(
        version: header.apiVersion, correlationID: header.correlationID, clientID: header.clientID,
        origin: origin, slot: slot, access: access?.access(of: origin),
        charge: charge(of: origin, header, frame, slot)))
  }
}

extension OutgoingResponse {
  /// The whole frame: header, body, and `ranges` where the body has spliced records.
  ///
  /// - Parameter slot: of the request, for what is counted of its errors.
  init<Body: Response>(
    _ response: consuming Body, _ ranges: [FileRange], version: Int16, correlationID: Int32, for slot: ResponseSlot
  ) {
    let frame = Frame.response(response, version: version, correlationID: correlationID)
    if !frame.errors.isEmpty { slot.note(.errors(frame.errors, api: Body.api.key)) }
    let pieces = frame.parts
    if pieces.count == 1, case .bytes(let bytes) = pieces[0] {
      self = .bytes(bytes)
      return
    }
    var parts: [Part] = []
    parts.reserveCapacity(pieces.count + ranges.count)
    var left = ranges[...]
    for piece in pieces {
      switch piece {
      case .bytes(let bytes): parts.append(.bytes(bytes))
      case .hole(var byteCount):
        while byteCount > 0 {
          guard let range = left.popFirst() else { preconditionFailure("a response has more records than ranges") }
          precondition(range.length <= byteCount, "a file range passes the records it stands for")
          parts.append(range.bytesInMemory.map { .bytes($0) } ?? .file(range))
          byteCount -= range.length
        }
      }
    }
    self = .parts(parts)
  }
}
