import Model
package import NIOCore
package import Storage
package import Wire

/// What a handler returns: the answer, or what becomes of the request without one.
package enum Reply<Answer: Response>: Sendable {
  case now(Answer)
  /// An answer whose spliced records are these ranges, in order.
  case spliced(Answer, [FileRange])
  /// The client asked for no answer (acks=0).
  case silent
  /// A `PendingAnswer` of this request will be completed.
  case later
  /// The connection must close when this request's turn to answer has come.
  case close
}

/// One request as its handler sees it: values, so that a handler needs no connection to be called.
package struct RequestContext: Sendable {
  package let version: Int16
  package let correlationID: Int32
  package let clientID: String?
  package let origin: RequestOrigin
  let reply: PendingReply

  /// The event loop of the request's connection: where its timers and its time are.
  package var eventLoop: any EventLoop { reply.eventLoop }

  /// Returns the place of an answer that must wait. The handler returns `.later`.
  func pending<Answer: Response>(_ answer: Answer.Type = Answer.self) -> PendingAnswer<Answer> {
    PendingAnswer(version: version, correlationID: correlationID, reply: reply)
  }
}

/// The place of an answer that had to wait. Complete it once, from any thread.
package struct PendingAnswer<Answer: Response>: Sendable {
  let version: Int16
  let correlationID: Int32
  let reply: PendingReply

  package func complete(_ answer: Answer, ranges: [FileRange] = []) {
    reply.complete(.reply(OutgoingReply(answer, ranges, version: version, correlationID: correlationID)))
  }
}

/// One row of the handler table.
package struct Handler: Sendable {
  package let api: Api
  /// The versions that the handler answers.
  package let served: ClosedRange<Int16>
  /// The versions that ApiVersions lists; may begin below `served`.
  package let offered: ClosedRange<Int16>
  let serve: @Sendable (inout ByteBuffer, RequestContext) -> Served

  /// - Parameter offered: when it differs from `served`.
  static func on<R: Request>(
    _ type: R.Type, _ served: ClosedRange<Int16>, offered: ClosedRange<Int16>? = nil,
    do body: @escaping @Sendable (R, RequestContext) -> Reply<R.Answer>
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
      switch body(request, context) {
      case .now(let answer):
        return .reply(OutgoingReply(answer, [], version: context.version, correlationID: context.correlationID))
      case .spliced(let answer, let ranges):
        return .reply(OutgoingReply(answer, ranges, version: context.version, correlationID: context.correlationID))
      case .silent: return .silent
      case .later: return .later
      case .close: return .close
      }
    }
  }
}

/// Holds the handler of every API this broker serves. ApiVersions lists each handler's `offered` versions.
package struct HandlerTable: RequestService {
  package let requestBytesMax: Int
  /// The handlers by API key: a request finds its handler by index.
  private let byKey: [Handler?]

  package init(_ handlers: [Handler], requestBytesMax: Int) {
    self.requestBytesMax = requestBytesMax
    var byKey = [Handler?](repeating: nil, count: Int(handlers.map(\.api.key).max() ?? -1) + 1)
    for handler in handlers {
      precondition(byKey[Int(handler.api.key)] == nil, "API \(handler.api.key) has two handlers")
      byKey[Int(handler.api.key)] = handler
    }
    self.byKey = byKey
  }

  /// The handlers in the order of their API keys.
  package var handlers: [Handler] { byKey.compactMap { $0 } }

  package func serve(_ frame: ByteBuffer, from origin: RequestOrigin, _ reply: PendingReply) -> Served {
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
      return .reply(ApiVersionsResponse.unsupportedVersion(handler, correlationID: header.correlationID))
    }
    return handler.serve(
      &bytes,
      RequestContext(
        version: header.apiVersion, correlationID: header.correlationID, clientID: header.clientID,
        origin: origin, reply: reply))
  }
}

extension OutgoingReply {
  /// The whole frame: header, body, and `ranges` where the body has spliced records.
  init<Answer: Response>(
    _ answer: consuming Answer, _ ranges: [FileRange], version: Int16, correlationID: Int32
  ) {
    let pieces = Frame.response(answer, version: version, correlationID: correlationID).parts
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
          guard let range = left.popFirst() else { preconditionFailure("an answer has more records than ranges") }
          precondition(range.length <= byteCount, "a file range passes the records it stands for")
          parts.append(range.bytesInMemory.map { .bytes($0) } ?? .file(range))
          byteCount -= range.length
        }
      }
    }
    self = .parts(parts)
  }
}
