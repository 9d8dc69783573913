package import Client
package import NIOCore
package import NIOPosix
package import Wire

/// A server inside the test that speaks Kafka's frames: each request is given to `answer`, whose bytes go back.
package final class FakeBroker: Sendable {
  /// What it throws is given to `failed`, and ends the connection.
  package typealias Answer = @Sendable (RequestHeader, ByteBuffer) throws -> Reply

  package enum Reply: Sendable {
    case bytes(ByteBuffer)
    case silence
    case close
  }

  package let endpoint: Endpoint
  private let channel: any Channel

  package static func start(
    on group: any EventLoopGroup, failed: @escaping @Sendable (any Error) -> Void, answer: @escaping Answer
  ) async throws -> FakeBroker {
    let channel = try await ServerBootstrap(group: group)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Handler(answer, failed))
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
    private let failed: @Sendable (any Error) -> Void
    private var received = ByteBuffer()

    init(_ answer: @escaping Answer, _ failed: @escaping @Sendable (any Error) -> Void) {
      self.answer = answer
      self.failed = failed
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      do {
        received.writeImmutableBuffer(unwrapInboundIn(data))
        while let frame = try Frame.next(in: &received, limit: .max) {
          var body = frame
          let header = try RequestHeader(reading: &body)
          switch try answer(header, body) {
          case .bytes(let bytes): context.writeAndFlush(NIOAny(bytes), promise: nil)
          case .silence: break
          case .close: context.close(promise: nil)
          }
        }
      } catch {
        failed(error)
        context.close(promise: nil)
      }
    }
  }

  /// The frame of a response to a request.
  package static func reply<R: Response>(_ response: R, to header: RequestHeader) -> Reply {
    .bytes(Frame.response(response, version: header.apiVersion, correlationID: header.correlationID).joined!)
  }

  /// The versions of everything we know.
  package static func versions(_ header: RequestHeader) -> Reply {
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

/// Runs `body` with an event loop group that is shut down afterwards.
package func withGroup<T>(_ body: (MultiThreadedEventLoopGroup) async throws -> T) async throws -> T {
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
