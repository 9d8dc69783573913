import ClientSupport
import Model
import NIOCore
import NIOPosix
import Testing
import Wire

@testable import Client

@Suite("Connection")
struct ConnectionTests {
  @Test("a stream of frames is found whole, however it is cut")
  func frames() throws {
    var stream = ByteBuffer()
    let lengths = [0, 1, 5, 4096, 3]
    for length in lengths {
      stream.writeInteger(Int32(length))
      stream.writeRepeatingByte(UInt8(length & 0xFF), count: length)
    }
    for step in [1, 2, 3, 7, 100, 4000, 10_000] {
      let reader = FrameReader()
      var found: [Int] = []
      var rest = stream
      while rest.readableBytes > 0 {
        let piece = rest.readSlice(length: min(step, rest.readableBytes))!
        let pieceBytes = piece.readableBytes
        #expect(reader.append(piece) == pieceBytes)
        while let frame = try reader.next() {
          found.append(frame.readableBytes)
          #expect(frame.readableBytesView.allSatisfy { $0 == UInt8(frame.readableBytes & 0xFF) })
        }
      }
      #expect(found == lengths, "cut every \(step) bytes")
    }
  }

  @Test("what is read behind the start of a frame counts once")
  func continuedBytes() throws {
    let reader = FrameReader()
    let allocator = ByteBufferAllocator()
    var stream = ByteBuffer(integer: Int32(100_000))
    stream.writeRepeatingByte(7, count: 100_000)
    _ = reader.buffer(allocator: allocator)
    var arrived = 0
    var frames = 0
    while let piece = stream.readSlice(length: min(30_000, stream.readableBytes)), piece.readableBytes > 0 {
      // As the socket does: it asks for a buffer, and reads behind what is in it.
      var read = reader.buffer(allocator: allocator)
      read.writeImmutableBuffer(piece)
      arrived += reader.append(read)
      while let frame = try reader.next() {
        frames += 1
        #expect(frame.readableBytes == 100_000)
      }
    }
    #expect(arrived == 100_004 && frames == 1)
  }

  @Test("a negative or huge frame is refused before anything is reserved", arguments: [-1, 1 << 30] as [Int32])
  func badLength(length: Int32) {
    let reader = FrameReader()
    _ = reader.append(ByteBuffer(integer: length))
    #expect(throws: FrameError.self) { try reader.next() }
  }

  @Test("what arrives while an answer is being dealt with is dealt with next")
  func reentrantAnswers() throws {
    let connection = BrokerConnection(
      Endpoint(host: "here", port: 1), on: MultiThreadedEventLoopGroup.singleton.any(), transport: Nowhere(),
      clientID: "test", requestTimeoutMs: 1000, now: { 0 })
    var answered: [Int] = []
    func answers(_ ids: [Int32]) -> ByteBuffer {
      var bytes = ByteBuffer()
      for id in ids {
        let answer = Frame.response(HeartbeatResponse(), version: 0, correlationID: id)
        bytes.writeImmutableBuffer(answer.joined!)
      }
      return bytes
    }
    for index in 0..<4 {
      connection.send(HeartbeatRequest(), version: 0) { result in
        guard case .success = result else { return }
        // A flush that fails makes NIO read what is left before it returns.
        if index == 0 { connection.received(answers([2, 3])) }
        answered.append(index)
      }
    }
    connection.received(answers([0, 1]))
    #expect(connection.isOpen && answered == [1, 2, 3, 0])
  }

  @Test("a broker older than us is asked again in its own version")
  func olderBroker() async throws {
    try await withGroup { group in
      let asked = Collected<Int16>()
      let broker = try await FakeBroker.start(on: group) { header, _ in
        asked.add(header.apiVersion)
        guard header.apiVersion > 1 else { return FakeBroker.versions(header) }
        var refusal = ApiVersionsResponse()
        refusal.errorCode = .unsupportedVersion
        refusal.apiKeys = [
          .with {
            $0.apiKey = Api.apiVersionsKey
            $0.maxVersion = 1
          }
        ]
        // In the layout of version 0, whatever was asked.
        return .bytes(Frame.response(refusal, version: 0, correlationID: header.correlationID).joined!)
      }
      let admin = try await Admin.connect(to: [broker.endpoint], on: group, TestClock.options())
      #expect(asked.all == [ApiVersionsRequest.api.versions.upperBound, 1])
      await admin.close()
    }
  }

  @Test("a refused connection says where, and what to look at")
  func refused() async throws {
    try await withGroup { group in
      // A port that was free a moment ago may be another test's by now; on this one nobody listens.
      let nobody = Endpoint(host: "127.0.0.1", port: 1)
      do throws(ClientError) {
        _ = try await Admin.connect(to: [nobody], on: group, TestClock.options())
        Issue.record("connected to a closed port")
      } catch {
        #expect(error.description.contains("\(nobody)"))
        #expect(error.description.contains("connection refused"))
        #expect(error.description.contains("is a broker listening there?"))
      }
    }
  }

  @Test("requests are pipelined, and their answers come to those who asked")
  func pipelining() async throws {
    try await withGroup { group in
      let broker = try await FakeBroker.start(on: group) { header, body in
        guard header.apiKey == MetadataRequest.api.key else { return FakeBroker.versions(header) }
        var body = body
        let request = try MetadataRequest(reading: &body, version: header.apiVersion)
        var response = MetadataResponse()
        response.clusterID = request.topics?.first?.name
        return FakeBroker.reply(response, to: header)
      }
      let answers = Collected<String>()
      let eventLoop = group.next()
      eventLoop.execute {
        BrokerConnection.connect(to: broker.endpoint, on: eventLoop, TestClock.options()) { result in
          guard case .success(let connection) = result else { return answers.add("no connection: \(result)") }
          for index in 0..<100 {
            connection.send(Metadata.request(topic: "t\(index)", autoCreate: false)) { answer in
              answers.add((try? answer.get().clusterID ?? "none") ?? "failed")
              if index == 99 { connection.close() }
            }
          }
          #expect(connection.requestsInFlight == 100)
          connection.flush()
        }
      }
      #expect(await answers.first(100) == (0..<100).map { "t\($0)" })
    }
  }

  @Test("an answer to a request that was not sent ends the connection")
  func wrongCorrelation() async throws {
    try await withGroup { group in
      let broker = try await FakeBroker.start(on: group) { header, _ in
        guard header.apiKey != Api.apiVersionsKey else { return FakeBroker.versions(header) }
        return .bytes(
          Frame.response(MetadataResponse(), version: header.apiVersion, correlationID: header.correlationID + 5)
            .joined!)
      }
      let admin = try await Admin.connect(to: [broker.endpoint], on: group, TestClock.options())
      do throws(ClientError) {
        _ = try await admin.call(Metadata.request(topic: "t", autoCreate: false))
        Issue.record("a wrong answer was taken")
      } catch {
        guard case .malformed = error else { throw error }
      }
    }
  }

  @Test("a broker that closes, and one that never answers, fail what was asked of them", arguments: [true, false])
  func silence(isSilent: Bool) async throws {
    try await withGroup { group in
      let broker = try await FakeBroker.start(on: group) { header, _ in
        if header.apiKey == Api.apiVersionsKey { return FakeBroker.versions(header) }
        return isSilent ? .silence : .close
      }
      let admin = try await Admin.connect(
        to: [broker.endpoint], on: group, TestClock.options(requestTimeoutMs: isSilent ? 1_000 : 60_000))
      do throws(ClientError) {
        _ = try await admin.call(Metadata.request(topic: "t", autoCreate: false))
        Issue.record("an answer came from nowhere")
      } catch {
        switch error {
        case .timedOut: #expect(isSilent)
        case .closed: #expect(!isSilent)
        default: throw error
        }
        #expect(error.isRetriable)
      }
    }
  }

  @Test("addresses are read as people write them")
  func endpoints() {
    #expect(Endpoint("localhost:9092") == Endpoint(host: "localhost", port: 9092))
    #expect(Endpoint("[::1]:19092") == Endpoint(host: "::1", port: 19092))
    #expect(Endpoint(host: "::1", port: 1).description == "[::1]:1")
    #expect(Endpoint.list("a:1,b:2")?.count == 2)
    for text in ["a", "a:", ":1", "a:0", "a:65536", "a:b", ""] { #expect(Endpoint(text) == nil, "\(text)") }
    #expect(Endpoint.list("a:1,b") == nil)
  }

  @Test("both sides' highest common version is spoken, or none")
  func versions() {
    var response = ApiVersionsResponse()
    response.apiKeys = [
      .with {
        $0.apiKey = ProduceRequest.api.key
        $0.minVersion = 3
        $0.maxVersion = 8
      },
      .with {
        $0.apiKey = FetchRequest.api.key
        $0.minVersion = 90
        $0.maxVersion = 99
      },
    ]
    let table = ApiVersionTable(response)
    #expect(table.version(of: ProduceRequest.api) == 8)
    #expect(table.version(of: ProduceRequest.api, limit: 5) == 5)
    #expect(table.version(of: ProduceRequest.api, limit: 2) == nil)
    #expect(table.version(of: FetchRequest.api) == nil)
    #expect(table.version(of: MetadataRequest.api) == nil)
  }
}

/// Takes everything and tells nothing.
private final class Nowhere: Transport {
  func write(_ bytes: ByteBuffer) {}
  func flush(written: (() -> Void)?) {}
  func close() {}
}
