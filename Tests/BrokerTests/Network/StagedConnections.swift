import Dispatch
import Logging
import NIOCore
import NIOEmbedded
import Synchronization

@testable import Broker

/// Connections of one event loop without sockets, whose time the test owns and whose requests a closure serves.
final class StagedConnections {
  /// An event loop whose time also passes while something runs on it.
  final class TickingLoop: EventLoop {
    let base = EmbeddedEventLoop()
    private let passed = Mutex(TimeAmount.nanoseconds(0))

    var now: NIODeadline { base.now + passed.withLock { $0 } }
    var inEventLoop: Bool { base.inEventLoop }

    func tick(_ amount: TimeAmount) { passed.withLock { $0 = $0 + amount } }

    func execute(_ task: @escaping @Sendable () -> Void) { base.execute(task) }

    func scheduleTask<T>(deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
      base.scheduleTask(in: deadline - now, task)
    }

    func scheduleTask<T>(in amount: TimeAmount, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
      base.scheduleTask(in: amount, task)
    }

    func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
      base.shutdownGracefully(queue: queue, callback)
    }
  }

  struct Service: RequestService {
    let requestBytesMax = 1 << 20
    let body: @Sendable (ByteBuffer, RequestOrigin, ResponseSlot) -> Served

    func serve(_ frame: ByteBuffer, from origin: RequestOrigin, _ slot: ResponseSlot) -> Served {
      body(frame, origin, slot)
    }
  }

  let loop = TickingLoop()
  let connections: ConnectionLoop
  /// The newest connection, unless it has been freed.
  private(set) weak var newest: Connection?
  private let service: Service

  init(_ body: @escaping @Sendable (ByteBuffer, RequestOrigin, ResponseSlot) -> Served) {
    service = Service(body: body)
    connections = ConnectionLoop(
      eventLoop: loop, receiveBufferBytes: 65536, largeBytesMax: 1 << 20, idleMax: nil, coldReads: nil)
  }

  /// One more connection, open.
  func connect() throws -> EmbeddedChannel {
    let channel = EmbeddedChannel(loop: loop.base)
    let connection = Connection(
      listener: "PLAINTEXT", service: service, loop: connections,
      received: ReceivedBytes(buffers: connections.buffers),
      limits: ConnectionLimits(requestsInFlight: 32, readPath: .sendfile), log: Logger(label: "test"))
    newest = connection
    try channel.pipeline.syncOperations.addHandler(connection)
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 9092)).wait()
    return channel
  }

  /// `count` frames that hold `text`, as one read brings them.
  static func frames(_ text: String, _ count: Int) -> ByteBuffer {
    var bytes = ByteBuffer()
    for _ in 0..<count {
      bytes.writeInteger(Int32(text.utf8.count))
      bytes.writeString(text)
    }
    return bytes
  }
}
