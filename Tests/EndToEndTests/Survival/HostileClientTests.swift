import Client
import Foundation
import Model
import NIOCore
import NIOPosix
import TestSupport
import Testing
import Wire

@Suite("While some misbehave, the broker serves the others and its memory stays bounded", .serialized)
struct HostileClientTests {
  @Test("a gigabyte of random bytes", .timeLimit(.minutes(15)), arguments: [Seed.fresh])
  func garbage(seed: Seed) async throws {
    try await withSiege { siege in
      let admin = try await Bystander.connect(to: siege.bystander.endpoint, on: siege.bystander.group)
      _ = try await admin.createTopic("victim", partitions: 3)
      await admin.close()
      let port = siege.broker.port
      let bound =
        MemoryBound.sharedBuffers + MemoryBound.slack + Garbage.threads * MemoryBound.largeFrame(Garbage.frameBytesMax)
      let sent = try await siege.endure(growingAtMost: bound, "garbage, \(seed)") {
        try Garbage(port: port, seed: seed).send(1 << 30)
      }
      #expect(sent.bytes >= 1 << 30)
    }
  }

  @Test("1,000 idle connections, most of which stopped within a request", .timeLimit(.minutes(15)))
  func idle() async throws {
    let connections = 1000
    try raiseDescriptorLimit(to: connections + 500)
    // The kernel drops what comes when the backlog is full, and the client tries again a second later.
    try await withSiege(["socket.listen.backlog.size=1024"]) { siege in
      let port = siege.broker.port
      let bound = MemoryBound.sharedBuffers + MemoryBound.slack + connections * MemoryBound.connection
      let held = try await siege.endure(growingAtMost: bound, "idle connections") {
        Held(
          sockets: try (0..<connections).map { index in
            let socket = try RawSocket(port: port, patienceSeconds: 60)
            let start: [UInt8] =
              switch index % 5 {
              case 0: []
              case 1: [0, 0]
              case 2: [0, 0, 0x27, 0x10] + [UInt8](repeating: 0, count: 100)
              // A frame that claims 1 MiB, so that each event loop grants such claims.
              case 3: [0, 0x10, 0, 0] + [UInt8](repeating: 0, count: 100)
              default: Requests.metadata([])
              }
            #expect(start.withUnsafeBytes { socket.send($0) } == start.count)
            return socket
          })
      }
      // Those that asked are answered, and nobody was sent away.
      for (index, socket) in held.sockets.enumerated() {
        var byte: UInt8 = 0
        let flags = index % 5 == 4 ? 0 : Int32(MSG_DONTWAIT)
        let count = withUnsafeMutableBytes(of: &byte) { socket.receive($0, flags: flags) }
        #expect(index % 5 == 4 ? count == 1 : count < 0 && errno == EAGAIN, "connection \(index): \(count), \(errno)")
      }
    }
  }

  @Test("more connections than there are descriptors: those that came first are served, and segments roll")
  func descriptors() async throws {
    try raiseDescriptorLimit(to: 1000)
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-e2e-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let broker = try BrokerProcess.start(
      in: directory.path, ["log.segment.bytes=10000", "socket.listen.backlog.size=1024"],
      descriptorsMax: (soft: 64, hard: 300))
    let limits = try String(readingFile: "/proc/\(broker.pid)/limits")
    let line = limits.split(separator: "\n").first { $0.hasPrefix("Max open files") }
    #expect(line?.split(separator: " ").dropFirst(3).first == "300", "the soft limit is raised to the hard one")
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let admin = try await Bystander.connect(to: Endpoint(host: "127.0.0.1", port: Int(broker.port)), on: group)
    _ = try await admin.createTopic("t", partitions: 1)
    var held: [RawSocket] = []
    for _ in 0..<500 { held.append(try RawSocket(port: broker.port, patienceSeconds: 60)) }
    // 20 segments, with their indexes and snapshots.
    for _ in 0..<200 {
      let answer = try await admin.call(try Bystander.produce([UInt8](repeating: 1, count: 1000), to: "t"))
      #expect(answer.responses.first?.partitionResponses.first?.errorCode == ErrorCode.none)
    }
    let log = try broker.logText()
    #expect(log.contains("refusing a connection: too many"), "\(log.suffix(500))")
    #expect(!log.contains("ERROR"), "\(log.suffix(500))")
    await admin.close()
    #expect(held.count == 500)
    try await group.shutdownGracefully()
    #expect(try broker.end(by: SIGTERM) == 0)
  }

  @Test("clients that claim all there is for large requests, and send nothing of them", .timeLimit(.minutes(15)))
  func claims() async throws {
    try await withSiege { siege in
      let port = siege.broker.port
      let connections = 100
      let bound = MemoryBound.sharedBuffers + MemoryBound.slack + connections * MemoryBound.connection
      let held = try await siege.endure(growingAtMost: bound, "claims", held: Bystander.roundsHeld) {
        // The largest first, and what is left by ever smaller ones: until less is left than the bystander needs.
        Held(
          sockets: try (0..<connections).map { index in
            let socket = try RawSocket(port: port, patienceSeconds: 60)
            let claimed = max(Int32(300_000), Int32(100 << 20) >> Int32(index / 10))
            let start = withUnsafeBytes(of: claimed.bigEndian) { Array($0) } + [UInt8](repeating: 0, count: 100)
            #expect(start.withUnsafeBytes { socket.send($0) } == start.count)
            return socket
          })
      }
      #expect(held.sockets.count == connections)
    }
  }

  @Test("requests whose arrays would take a hundred times the memory of their bytes", .timeLimit(.minutes(15)))
  func arrays() async throws {
    try await withSiege { siege in
      let port = siege.broker.port
      let clients = 4
      let request = Requests.nameless(topics: 5_000_000)
      let bound = MemoryBound.sharedBuffers + MemoryBound.slack + clients * MemoryBound.largeFrame(request.count)
      let refused = try await siege.endure(growingAtMost: bound, "arrays") {
        try (0..<clients).count { _ in
          let socket = try RawSocket(port: port, patienceSeconds: 60)
          #expect(request.withUnsafeBytes { socket.send($0) } == request.count)
          var byte: UInt8 = 0
          return withUnsafeMutableBytes(of: &byte) { socket.receive($0) } == 0
        }
      }
      #expect(refused == clients)
    }
  }

  /// What those who never read ask for, again and again.
  enum Question: String, CaseIterable, CustomTestStringConvertible {
    case fetch, fetchByCopy, metadata, produce, longPolls
    var testDescription: String { rawValue }
  }

  @Test("clients that never read their answers", .timeLimit(.minutes(15)), arguments: Question.allCases)
  func unread(question: Question) async throws {
    let settings = question == .fetchByCopy ? ["millrace.read.path=copy"] : []
    try await withSiege(settings) { siege in
      let admin = try await Bystander.connect(to: siege.bystander.endpoint, on: siege.bystander.group)
      _ = try await admin.createTopic("big", partitions: 200)
      await admin.close()
      let port = siege.broker.port
      let filling = try RawSocket(port: port, patienceSeconds: 60)
      for partition: Int32 in 0..<20 {
        let request = Requests.produce("big", partition, valueBytes: 1_000_000, acks: 0)
        #expect(request.withUnsafeBytes { filling.send($0) } == request.count)
      }
      let request =
        switch question {
        case .fetch, .fetchByCopy: Requests.fetch("big", partitions: 0..<20)
        case .metadata: Requests.metadata(["big"])
        case .produce: Requests.produce("big", 30, valueBytes: 100)
        case .longPolls: Requests.fetch("big", partitions: 20..<200, maxWaitMs: 30_000)
        }
      let clients = 20
      let bound =
        MemoryBound.sharedBuffers + MemoryBound.slack
        + clients * (MemoryBound.connection + MemoryBound.replies + MemoryBound.receiveBuffer)
      let pressed = try await siege.endure(
        growingAtMost: bound, "never reading, \(question)", held: Bystander.roundsHeld
      ) {
        try Unread(port: port, request: request).press(clients: clients)
      }
      #expect(pressed.heldBack == clients, "the broker took all that the others sent")
    }
  }
}

/// Connections that stay open.
struct Held: CustomStringConvertible {
  let sockets: [RawSocket]
  var description: String { "\(sockets.count) connections" }
}

/// Clients that send requests as long as the broker takes them, and read nothing.
struct Unread {
  let port: UInt16
  let request: [UInt8]
  /// No broker should take more of one client whose answers it cannot get rid of.
  private static let bytesMax = 64 << 20

  struct Pressed: CustomStringConvertible {
    /// They stay open, and nobody reads.
    let sockets: [RawSocket]
    var requests = 0
    /// Clients whose requests the broker no longer took.
    var heldBack = 0
    var description: String { "\(requests) requests, \(heldBack) of \(sockets.count) clients held back" }
  }

  /// Presses until the broker takes no more of any.
  func press(clients: Int) throws -> Pressed {
    let sockets = try (0..<clients).map { _ in
      try RawSocket(port: port, patienceSeconds: 60, receiveBufferBytes: 4096)
    }
    // Many at once: a send that is not taken whole goes on where it stopped.
    let requestsPerBlock = max(1, 65_536 / request.count)
    let block = [[UInt8]](repeating: request, count: requestsPerBlock).flatMap { $0 }
    var pressed = Pressed(sockets: sockets)
    var sent = [Int](repeating: 0, count: clients)
    var open = Array(0..<clients)
    while !open.isEmpty {
      var polled = open.map { pollfd(fd: sockets[$0].descriptor, events: Int16(POLLOUT), revents: 0) }
      // Nobody is read any more when a second brings nothing.
      guard poll(&polled, nfds_t(polled.count), 1000) > 0 else {
        pressed.heldBack = open.count
        break
      }
      for (client, ready) in zip(open, polled) where ready.revents != 0 {
        let at = sent[client] % block.count
        let taken = block.withUnsafeBytes {
          sockets[client].send(UnsafeRawBufferPointer(rebasing: $0[at...]), flags: Int32(MSG_DONTWAIT))
        }
        sent[client] += taken
        if taken == 0, errno != EAGAIN { sent[client] = Self.bytesMax }
      }
      open.removeAll { sent[$0] >= Self.bytesMax }
    }
    pressed.requests = sent.reduce(0, +) / request.count
    return pressed
  }
}
