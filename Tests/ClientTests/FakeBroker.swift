import Model
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Wire

@testable import Client

/// A server inside the test that speaks Kafka's frames: each request is given to `answer`, whose bytes go back.
final class FakeBroker: Sendable {
  /// What it throws fails the test, and ends the connection.
  typealias Answer = @Sendable (RequestHeader, ByteBuffer) throws -> Reply

  enum Reply: Sendable {
    case bytes(ByteBuffer)
    case silence
    case close
  }

  let endpoint: Endpoint
  private let channel: any Channel

  static func start(on group: any EventLoopGroup, answer: @escaping Answer) async throws -> FakeBroker {
    let channel = try await ServerBootstrap(group: group)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Handler(answer))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return FakeBroker(channel)
  }

  private init(_ channel: any Channel) {
    self.channel = channel
    endpoint = Endpoint(host: "127.0.0.1", port: channel.localAddress!.port!)
  }

  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let answer: Answer
    private let frames = FrameReader()

    init(_ answer: @escaping Answer) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      do {
        _ = frames.append(unwrapInboundIn(data))
        while let frame = try frames.next() {
          var body = frame
          let header = try RequestHeader(reading: &body)
          switch try answer(header, body) {
          case .bytes(let bytes): context.writeAndFlush(NIOAny(bytes), promise: nil)
          case .silence: break
          case .close: context.close(promise: nil)
          }
        }
      } catch {
        Issue.record("the fake broker cannot serve: \(error)")
        context.close(promise: nil)
      }
    }
  }

  /// The frame of a response to a request.
  static func reply<R: Response>(_ response: R, to header: RequestHeader) -> Reply {
    .bytes(Frame.response(response, version: header.apiVersion, correlationID: header.correlationID).joined!)
  }

  /// The versions of everything we know.
  static func versions(_ header: RequestHeader) -> Reply {
    var response = ApiVersionsResponse()
    response.apiKeys = Messages.requests.map { request in
      .with {
        $0.apiKey = request.api.key
        $0.minVersion = request.api.versions.lowerBound
        $0.maxVersion = request.api.versions.upperBound
      }
    }
    return reply(response, to: header)
  }
}

enum TestClock {
  @Sendable static func nowNs() -> UInt64 { NIODeadline.now().uptimeNanoseconds }

  /// Patient: with all tests at once on two cores a thread has been seen to wait for ten seconds.
  static func options(requestTimeoutMs: Int = 60_000) -> ConnectionOptions {
    var options = ConnectionOptions(now: nowNs)
    options.requestTimeoutMs = requestTimeoutMs
    options.connectTimeoutMs = 60_000
    return options
  }
}

/// Runs `body` with an event loop group that is shut down afterwards.
func withGroup<T>(_ body: (MultiThreadedEventLoopGroup) async throws -> T) async throws -> T {
  let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
  let result: Result<T, any Error>
  do {
    result = .success(try await body(group))
  } catch {
    result = .failure(error)
  }
  try await group.shutdownGracefully()
  return try result.get()
}

/// Something callbacks on an event loop collect and a test awaits.
final class Collected<Element: Sendable>: Sendable {
  private struct State {
    var elements: [Element] = []
    var wanted = Int.max
    var waiter: CheckedContinuation<[Element], Never>?
  }
  private let state = Mutex(State())

  func add(_ element: Element) {
    let ready = state.withLock { state -> (CheckedContinuation<[Element], Never>, [Element])? in
      state.elements.append(element)
      guard state.elements.count >= state.wanted, let waiter = state.waiter else { return nil }
      state.waiter = nil
      return (waiter, state.elements)
    }
    if let (waiter, elements) = ready { waiter.resume(returning: elements) }
  }

  /// The elements, once there are `count` of them.
  func first(_ count: Int) async -> [Element] {
    await withCheckedContinuation { continuation in
      let ready = state.withLock { state -> [Element]? in
        guard state.elements.count < count else { return state.elements }
        state.wanted = count
        state.waiter = continuation
        return nil
      }
      if let ready { continuation.resume(returning: ready) }
    }
  }

  var all: [Element] { state.withLock { $0.elements } }
}
