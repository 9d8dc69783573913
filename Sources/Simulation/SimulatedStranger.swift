import Base
import Model
import NIOCore
import Wire

/// Simulates somebody who does not belong: connects again and again, and each time tries to have requests served without having proved who he is, or
/// as a guest who may do nothing. Requests that are not those of an authentication have correlation ids from `requestIDs` on, by which an answer to one
/// of them is known.
final class SimulatedStranger: @unchecked Sendable {
  /// What he does with a connection.
  enum Attempt: CaseIterable {
    /// Sends requests as if there were no authentication.
    case skip
    /// Names a mechanism, and goes on with requests.
    case skipPassword
    case wrongPassword
    /// Sends requests behind the right messages, before he is told that he is let in.
    case pipelineBehindRight
    case pipelineBehindWrong
    /// Begins with one mechanism and goes on with another.
    case switchMechanism
    case unknownMechanism
    /// A right conversation whose bytes are damaged somewhere.
    case damaged
    /// Says a part of something, and no more.
    case part
    /// Logs in as a guest, properly.
    case guest
  }

  private static let requestIDs: Int32 = 1_000

  private let number: Int
  private let simulation: Simulation
  private var random: SplitMix
  private(set) var attempts = 0

  init(_ number: Int, _ simulation: Simulation, seed: UInt64) {
    self.number = number
    self.simulation = simulation
    random = SplitMix(seed: seed)
  }

  func start() {
    simulation.after(microseconds: 1 + random.below(400_000)) { [self] in
      guard !simulation.isOver, !simulation.isHealing else { return }
      defer { start() }
      guard simulation.mayConnect, let link = simulation.network.connect() else { return }
      attempts += 1
      let attempt = random.pick(Attempt.allCases)
      simulation.trace.note("stranger \(number) tries: \(attempt)")
      link.onBytes = answers(to: attempt, over: link)
      // The link holds its closures until it is cut.
      simulation.after(microseconds: 500_000 + random.below(2_000_000)) { link.cut() }
      if attempt == .guest {
        link.send(joined([handshake(), password(Scenario.Login.guest.plain())]))
      } else {
        send(attempt, over: link)
      }
    }
  }

  private func send(_ attempt: Attempt, over link: SimulatedLink) {
    let (right, wrong) = (Scenario.Login.client.plain(), Scenario.Login.client.plain(password: "guessed"))
    var bytes: ByteBuffer
    switch attempt {
    case .skip: bytes = joined(requests())
    case .skipPassword: bytes = joined([handshake()] + requests())
    case .wrongPassword: bytes = joined([handshake(), password(wrong)] + requests())
    // Where they come late they are served, so they change nothing.
    case .pipelineBehindRight: bytes = joined([handshake(), password(right)] + requests().dropFirst())
    case .pipelineBehindWrong: bytes = joined([handshake(), password(wrong)] + requests())
    case .switchMechanism:
      bytes = joined(
        // The answer to SCRAM's first message is a challenge, and admits nobody.
        [handshake("SCRAM-SHA-256"), password(Array("n,,n=client,r=abc".utf8), 3), handshake(), password(right)]
          + requests())
    case .unknownMechanism: bytes = joined([handshake("GSSAPI"), password(right)] + requests())
    case .damaged:
      bytes = joined([handshake(), password(wrong)] + requests())
      for _ in 0..<1 + random.below(3) {
        bytes.setInteger(UInt8(random.below(256)), at: bytes.readerIndex + random.below(bytes.readableBytes))
      }
    case .part:
      bytes = joined([handshake(), password(right)])
      bytes = bytes.readSlice(length: 1 + random.below(bytes.readableBytes - 1)) ?? bytes
    case .guest: return
    }
    link.send(bytes)
  }

  // MARK: What comes back

  /// Checks every answer of a connection.
  private func answers(to attempt: Attempt, over link: SimulatedLink) -> (ByteBuffer) -> Void {
    var received = ByteBuffer()
    var isGuest = false
    return { [self] bytes in
      received.writeImmutableBuffer(bytes)
      while var frame = (try? Frame.next(in: &received, limit: 1 << 20)) ?? nil {
        guard let id = frame.getInteger(at: frame.readerIndex, as: Int32.self) else {
          return simulation.violation("stranger \(number): an answer of \(frame.readableBytes) bytes to \(attempt)")
        }
        switch attempt {
        // Damage changes ids too; and requests that come after he was let in are served. The witness in the node sees what is served to nobody.
        case .damaged, .pipelineBehindRight: continue
        case .guest where id >= Self.requestIDs: expectRefusal(&frame, id)
        case .guest:
          guard id == 2, isAdmitted(&frame), !isGuest else { continue }
          isGuest = true
          link.send(joined(requests()))
        default:
          if id >= Self.requestIDs { accuse(attempt, "a request was served") }
          if id == 2, isAdmitted(&frame) { accuse(attempt, "he was let in") }
        }
      }
    }
  }

  private func accuse(_ attempt: Attempt, _ what: String) {
    simulation.violation("stranger \(number) tried \(attempt), and \(what)")
  }

  private func isAdmitted(_ frame: inout ByteBuffer) -> Bool {
    guard
      (try? ResponseHeader(reading: &frame, version: SaslAuthenticateRequest.api.responseHeaderVersion(2))) != nil,
      let answer = try? SaslAuthenticateResponse(reading: &frame, version: 2)
    else { return false }
    return answer.errorCode == .none
  }

  /// The guest is told what he may not do, and nothing else.
  private func expectRefusal(_ frame: inout ByteBuffer, _ id: Int32) {
    _ = frame.readInteger(as: Int32.self)
    switch id - Self.requestIDs {
    case 0:
      guard let made = try? CreateTopicsResponse(reading: &frame, version: 4) else { break }
      if made.topics.contains(where: { $0.errorCode == .none }) { accuse(.guest, "he has made a topic") }
    case 1:
      guard let fetched = try? FetchResponse(reading: &frame, version: 11) else { break }
      let all = fetched.responses.flatMap(\.partitions)
      if all.contains(where: { $0.errorCode == .none || $0.records.byteCount > 0 }) {
        accuse(.guest, "he has read \(simulation.scenario.topics[0].name)")
      }
    default:
      guard let seen = try? MetadataResponse(reading: &frame, version: 8) else { break }
      if !seen.topics.isEmpty { accuse(.guest, "he sees \(seen.topics.count) topics") }
    }
  }

  // MARK: What he sends

  /// Requests of three APIs, in the order of their ids.
  private func requests() -> [ByteBuffer] {
    var topic = CreateTopicsRequest.Topic()
    topic.name = "stranger-\(number)"
    topic.numPartitions = 1
    topic.replicationFactor = 1
    var create = CreateTopicsRequest()
    create.topics = [topic]
    create.timeoutMs = 1_000
    var partition = FetchRequest.Partition()
    partition.partitionMaxBytes = 10_000
    var wanted = FetchRequest.Topic()
    wanted.topic = simulation.scenario.topics[0].name
    wanted.partitions = [partition]
    var fetch = FetchRequest()
    fetch.sessionEpoch = -1
    fetch.maxBytes = 10_000
    fetch.topics = [wanted]
    var metadata = MetadataRequest()
    metadata.topics = nil
    return [
      frame(create, version: 4, Self.requestIDs), frame(fetch, version: 11, Self.requestIDs + 1),
      frame(metadata, version: 8, Self.requestIDs + 2),
    ]
  }

  private func handshake(_ mechanism: String = "PLAIN") -> ByteBuffer {
    frame(SaslHandshakeRequest.with { $0.mechanism = mechanism }, version: 1, 1)
  }

  private func password(_ message: [UInt8], _ id: Int32 = 2) -> ByteBuffer {
    frame(SaslAuthenticateRequest.with { $0.authBytes = ByteBuffer(bytes: message) }, version: 2, id)
  }

  private func joined(_ frames: [ByteBuffer]) -> ByteBuffer {
    var all = ByteBuffer()
    for frame in frames { all.writeImmutableBuffer(frame) }
    return all
  }

  private func frame<R: Request>(_ request: R, version: Int16, _ id: Int32) -> ByteBuffer {
    guard let bytes = Frame.request(request, version: version, correlationID: id, clientID: "stranger").joined else {
      preconditionFailure("a request is bytes")
    }
    return bytes
  }
}
