import Compression
import Foundation
import Glibc
import Model
import NIOCore
import Synchronization
import TestSupport
import Wire

/// Random bytes for a port, in connections of several kinds, from several threads.
struct Garbage: Sendable {
  enum Kind: CaseIterable {
    /// Noise from the first byte on: mostly no length prefix there can be.
    case noise
    /// A length prefix, and as many random bytes.
    case framed
    /// A whole request header of an API the broker serves, and a random body: reaches the decoders.
    case headed
    /// A right request with some of its bytes changed: reaches what lies behind the decoders.
    case altered
    /// A long frame's beginning.
    case cut
  }

  static let threads = 4
  /// The longest frame a connection really sends.
  static let frameBytesMax = 4 << 20
  private static let poolBytes = 16 << 20

  let port: UInt16
  let seed: Seed

  struct Sent: Sendable {
    var bytes = 0
    var connections = 0
  }

  /// Sends so many bytes; throws when the broker leaves a connection without answer or end.
  func send(_ bytes: Int) throws -> Sent {
    let total = Mutex(Sent())
    let failure = Mutex<(any Error)?>(nil)
    DispatchQueue.concurrentPerform(iterations: Self.threads) { thread in
      var random = Seed(seed.value &* 31 &+ UInt64(thread))
      // Made once: generating a gigabyte would take longer than sending it.
      let pool = random.bytes(Self.poolBytes)
      do {
        while total.withLock({ $0.bytes }) < bytes, failure.withLock({ $0 }) == nil {
          let sent = try connection(&random, pool)
          total.withLock {
            $0.bytes += sent
            $0.connections += 1
          }
        }
      } catch {
        failure.withLock { $0 = error }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
    return total.withLock { $0 }
  }

  /// One connection, to its end: the broker closes it, or the end of what we send does.
  private func connection(_ random: inout Seed, _ pool: [UInt8]) throws -> Int {
    let socket = try RawSocket(port: port, patienceSeconds: Bystander.patienceMs / 1000)
    let kind = Kind.allCases.randomElement(using: &random) ?? .noise
    var start = ByteBuffer()
    let noiseBytes: Int
    switch kind {
    case .noise: noiseBytes = Self.frameBytesMax
    case .framed:
      noiseBytes = Int.random(in: 0...Self.frameBytesMax, using: &random)
      start.writeInteger(Int32(noiseBytes))
    case .headed:
      // Short ones too: a short body is more often a message.
      noiseBytes = 1 << Int.random(in: 0...22, using: &random)
      var header = ByteBuffer()
      let request = Messages.requests.randomElement(using: &random)?.api ?? ProduceRequest.api
      let version = Int16.random(in: request.versions, using: &random)
      header.writeInteger(request.key)
      header.writeInteger(version)
      header.writeInteger(Int32(7))
      header.writeInteger(Int16(-1))
      if request.requestHeaderVersion(version) >= 2 { header.writeInteger(UInt8(0)) }
      start.writeInteger(Int32(header.readableBytes + noiseBytes))
      start.writeImmutableBuffer(header)
    case .altered:
      noiseBytes = 0
      for _ in 0..<20 { start.writeBytes(Requests.altered(using: &random)) }
    case .cut:
      noiseBytes = Int.random(in: 0...(1 << 20), using: &random)
      start.writeInteger(Int32.random(in: (4 << 20)...(100 << 20), using: &random))
    }
    let from = Int.random(in: 0...(pool.count - noiseBytes), using: &random)
    var sent = start.withUnsafeReadableBytes { socket.send($0) }
    if sent == start.readableBytes {
      sent += pool.withUnsafeBytes { socket.send(UnsafeRawBufferPointer(rebasing: $0[from..<from + noiseBytes])) }
    }
    if sent < start.readableBytes + noiseBytes, errno == EAGAIN { throw Unserved(kind: kind, seed: seed) }
    // Whatever it still says; then its end, orderly or not.
    shutdown(socket.descriptor, Int32(SHUT_WR))
    var room = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = room.withUnsafeMutableBytes { socket.receive($0) }
      if count < 0, errno == EAGAIN { throw Unserved(kind: kind, seed: seed) }
      if count <= 0 { return sent }
    }
  }

  struct Unserved: Error, CustomStringConvertible {
    let kind: Kind
    let seed: Seed
    var description: String {
      "\(seed): a connection of \(kind) garbage was neither read nor ended for \(Bystander.patienceMs) ms"
    }
  }
}

/// Whole request frames.
enum Requests {
  static func metadata(_ topics: [String]? = nil, version: Int16 = 9) -> [UInt8] {
    var request = MetadataRequest()
    request.topics = topics?.map { name in .with { $0.name = name } }
    return frame(request, version)
  }

  static func fetch(_ topic: String, partitions: Range<Int32>, from offset: Offset = 0, maxWaitMs: Int32 = 0) -> [UInt8]
  {
    var request = FetchRequest()
    request.maxBytes = 50 << 20
    request.minBytes = 1
    request.maxWaitMs = maxWaitMs
    request.topics = [
      .with {
        $0.topic = topic
        $0.partitions = partitions.map { partition in
          .with {
            $0.partition = partition
            $0.fetchOffset = offset
            $0.partitionMaxBytes = 1 << 20
          }
        }
      }
    ]
    return frame(request, 11)
  }

  static func produce(_ topic: String, _ partition: Int32 = 0, valueBytes: Int, acks: Int16 = 1) -> [UInt8] {
    var builder = RecordBatchBuilder(capacity: valueBytes + 200)
    [UInt8](repeating: 7, count: valueBytes).withUnsafeBytes {
      builder.append(timestamp: 1_700_000_000_000, key: nil, value: $0)
    }
    guard let batch = try? builder.finish(codec: .none) else { preconditionFailure("nothing is compressed here") }
    var request = ProduceRequest()
    request.acks = acks
    request.add(.bytes(batch), to: TopicPartition(topic, partition))
    return frame(request, 9)
  }

  /// A metadata request for so many topics with empty names: two bytes each.
  static func nameless(topics: Int) -> [UInt8] {
    let empty = metadata([], version: 9)
    // The empty array is one byte, and behind it come three switches and the tags.
    let (start, end) = (empty[4..<empty.count - 5], empty[(empty.count - 4)...])
    var count: [UInt8] = []
    var rest = topics + 1
    while rest > 0x7F {
      count.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    count.append(UInt8(rest))
    let names = [UInt8](unsafeUninitializedCapacity: topics * 2) { room, filled in
      for index in room.indices { room[index] = index % 2 == 0 ? 1 : 0 }
      filled = topics * 2
    }
    let body = start + count + names + end
    return withUnsafeBytes(of: Int32(body.count).bigEndian) { Array($0) } + body
  }

  /// A right request, some bytes of which are then others. The length prefix stays.
  static func altered(using random: inout Seed) -> [UInt8] {
    var bytes =
      switch Int.random(in: 0..<3, using: &random) {
      case 0: metadata(["victim", "other"])
      case 1: fetch("victim", partitions: 0..<3)
      default: produce("victim", valueBytes: 500)
      }
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      bytes[Int.random(in: 4..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
    }
    return bytes
  }

  private static func frame(_ request: some Request, _ version: Int16) -> [UInt8] {
    let parts = Frame.request(request, version: version, correlationID: 1, clientID: "hostile")
    guard let bytes = parts.joined else { preconditionFailure("a request has no file ranges") }
    return Array(bytes.readableBytesView)
  }
}
