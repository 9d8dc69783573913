import Base
import Client
import Model
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Wire

@testable import Load

@Suite("Connections a second")
struct ConnectTests {
  private static func plan(_ arguments: [String]) throws(PlanError) -> ConnectPlan {
    try ConnectPlan(arguments: ["--bootstrap-server", "127.0.0.1:1"] + arguments)
  }

  @Test("flags read back, with their defaults")
  func flags() throws {
    let plain = try Self.plan(["--num-connections", "5"])
    #expect(plain.connections == 5 && plain.concurrency == 8 && plain.threads == 1 && plain.commandConfig == nil)
    #expect(!plain.printsJSON && !plain.isQuiet && plain.timeoutMs == 30_000)
    let all = try Self.plan([
      "--num-connections=1000000", "--concurrency", "4", "--threads=2", "--command-config", "c", "--json", "--quiet",
      "--timeout-ms", "100",
    ])
    #expect(all.connections == 1_000_000 && all.concurrency == 4 && all.threads == 2 && all.commandConfig == "c")
    #expect(all.printsJSON && all.isQuiet && all.timeoutMs == 100)
  }

  @Test(
    "what cannot be run is refused with the flag's name",
    arguments: [
      ([], "--num-connections is missing"), (["--num-connections", "0"], "num-connections"),
      (["--num-connections", "1000001"], "num-connections"), (["--num-connections", "1.5"], "num-connections"),
      (["--num-connections", "9223372036854775808"], "num-connections"),
      (["--num-connections", "1", "--concurrency", "0"], "concurrency"),
      (["--num-connections", "1", "--concurrency", "16384"], "concurrency"),
      (["--num-connections", "1", "--timeout-ms", "0"], "timeout-ms"),
      (["--num-connections", "1", "--topic", "t"], "unknown setting '--topic'"),
      (["--num-connections"], "needs a value"), (["--num-connections", "1", "--json=yes"], "takes no value"),
    ])
  func refused(arguments: [String], word: String) {
    let error = #expect(throws: PlanError.self) { try Self.plan(arguments) }
    #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
  }

  @Test("the loops' shares come to all connections and workers, and no worker is without a connection")
  func shares() throws {
    for (connections, concurrency, threads) in [(10, 4, 1), (10, 4, 3), (2, 8, 3), (1, 1, 4), (7, 3, 7), (100, 1, 3)] {
      var plan = try Self.plan(["--num-connections", "\(connections)"])
      (plan.concurrency, plan.threads) = (concurrency, threads)
      let shares = (0..<threads).map(plan.share)
      #expect(shares.reduce(0) { $0 + $1.connections } == connections)
      #expect(shares.allSatisfy { $0.workers <= $0.connections && ($0.connections == 0 || $0.workers > 0) })
      #expect(shares.reduce(0) { $0 + $1.workers } <= max(concurrency, threads))
    }
  }

  // MARK: Against a server

  /// Answers ApiVersions on a socket of this process; after `refusesAfter` connections it closes new ones unanswered.
  private final class Greeter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private var received = ByteBuffer()
    private let isRefused: Bool

    init(isRefused: Bool) { self.isRefused = isRefused }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      if isRefused { return context.close(promise: nil) }
      var bytes = unwrapInboundIn(data)
      received.writeBuffer(&bytes)
      while var frame = try? Frame.next(in: &received, limit: 1 << 20) {
        guard let header = try? RequestHeader(reading: &frame) else { return context.close(promise: nil) }
        var answer = ApiVersionsResponse()
        answer.apiKeys = [.with { ($0.apiKey, $0.minVersion, $0.maxVersion) = (18, 0, 3) }]
        let message = Frame.response(answer, version: header.apiVersion, correlationID: header.correlationID)
        for part in message.parts {
          if case .bytes(let bytes) = part { context.write(NIOAny(bytes), promise: nil) }
        }
      }
      context.flush()
    }
  }

  private final class Accepted: Sendable {
    private let count = Atomic<Int>(0)
    func countOne() -> Int { count.add(1, ordering: .relaxed).newValue }
  }

  /// Runs a plan against such a server.
  private static func run(
    connections: Int, concurrency: Int, threads: Int = 1, refusesAfter: Int = .max
  ) async throws -> ConnectReport {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let accepted = Accepted()
    let server = try await ServerBootstrap(group: group)
      .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Greeter(isRefused: accepted.countOne() > refusesAfter))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    var plan = try Self.plan([
      "--num-connections", "\(connections)", "--concurrency", "\(concurrency)", "--threads", "\(threads)",
    ])
    plan.bootstrapServers = [Endpoint(host: "127.0.0.1", port: server.localAddress?.port ?? 0)]
    let report = try await ConnectRun(plan, isInterrupted: { false }, tell: { _ in }).run()
    try await server.close()
    try await group.shutdownGracefully()
    return report
  }

  @Test("all connections asked for are made, each is a latency, and the rate is theirs", arguments: [1, 2])
  func made(threads: Int) async throws {
    let report = try await Self.run(connections: 200, concurrency: 4, threads: threads)
    #expect(report.isGood && report.counts.made == 200 && report.counts.errors == 0, "\(report.summary)")
    #expect(report.counts.latency.count == 200 && report.counts.latency.nonPositive == 0)
    #expect(abs(report.connectionsPerSecond - 200 / report.seconds) < 1e-6)
    let fields = Dictionary(report.fields.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    #expect(fields["connections_made"] == .int(200) && fields["errors"] == .int(0) && fields["first_error"] == .null)
    #expect(fields["connect_p50_ms"] != .null && fields["connect_p99_ms"] == .null, "200 have no 99th percentile")
  }

  @Test("connections that are closed without an answer are errors, with the first one's words, and the run is not good")
  func closed() async throws {
    let report = try await Self.run(connections: 20, concurrency: 2, refusesAfter: 15)
    #expect(!report.isGood && report.counts.made == 15 && report.counts.errors == 5, "\(report.summary)")
    #expect(report.counts.firstError?.contains("127.0.0.1") == true, "\(report.counts.firstError ?? "")")
  }

  @Test("after a hundred failures it gives up")
  func givesUp() async throws {
    let report = try await Self.run(connections: 5000, concurrency: 4, refusesAfter: 0)
    #expect(!report.isGood && report.counts.made == 0)
    #expect((100...104).contains(report.counts.errors), "\(report.counts.errors)")
  }
}
