import Base
import Model
import NIOCore
import Testing

@testable import Wire

@Suite("A Fetch request read in place")
struct FetchViewTests {
  private static func request(_ random: inout SplitMix, version: Int16) -> FetchRequest {
    var request = FetchRequest()
    request.maxWaitMs = Int32(random.below(1_000))
    request.minBytes = Int32(random.below(100))
    request.maxBytes = Int32(random.below(1 << 30))
    request.isolationLevel = Int8(random.below(2))
    for topic in 0..<1 + random.below(4) {
      var wanted = FetchRequest.Topic()
      if version >= 13 {
        wanted.topicID = UUID128(high: random.next(), low: random.next())
      } else {
        wanted.topic = String(repeating: "t", count: 1 + random.below(200)) + "\(topic)"
      }
      for _ in 0..<1 + random.below(4) {
        wanted.partitions.append(
          .with {
            $0.partition = Int32(random.below(1_000))
            $0.currentLeaderEpoch = version >= 9 ? Int32(random.below(10)) - 1 : -1
            $0.fetchOffset = Offset(Int64(random.below(1 << 40)))
            $0.lastFetchedEpoch = version >= 12 ? Int32(random.below(10)) - 1 : -1
            $0.partitionMaxBytes = Int32(random.below(1 << 20))
          })
      }
      request.topics.append(wanted)
    }
    return request
  }

  private static func frame(_ request: FetchRequest, version: Int16, correlationID: Int32) -> [UInt8] {
    var whole = Frame.request(request, version: version, correlationID: correlationID, clientID: "c").joined!
    whole.moveReaderIndex(forwardBy: Frame.prefixBytes)
    return Array(whole.readableBytesView)
  }

  private static func read(_ frame: [UInt8]) -> (view: FetchView, places: [FetchView.Place])? {
    var places: [FetchView.Place] = []
    let view = frame.withUnsafeBytes { FetchView(reading: $0, placesMax: 100, into: &places) }
    if view == nil { #expect(places.isEmpty) }
    return view.map { ($0, places) }
  }

  /// Says how `FetchView` and `FetchRequest` differ; nil when they agree.
  private static func difference(_ frame: [UInt8]) -> String? {
    guard let (view, places) = read(frame) else { return nil }
    var bytes = ByteBuffer(bytes: frame)
    guard let header = try? RequestHeader(reading: &bytes),
      let request = try? FetchRequest(reading: &bytes, version: header.apiVersion)
    else { return "only FetchView reads it" }
    guard header.apiKey == 1, header.apiVersion == view.version, header.correlationID == view.correlationID,
      request.replicaID < 0, request.replicaState.replicaID < 0, request.maxWaitMs == view.maxWaitMs,
      request.minBytes == view.minBytes, request.maxBytes == view.maxBytes,
      request.isolationLevel == view.isolationLevel, request.sessionID == 0, request.sessionEpoch == -1,
      request.rackID.isEmpty, request.forgottenTopicsData.isEmpty
    else { return "\(view) is not \(header)" }
    var left = places[...]
    for topic in request.topics {
      for (index, wanted) in topic.partitions.enumerated() {
        guard let place = left.popFirst() else { return "a partition is missing" }
        let name = Array(frame[place.topicStart..<place.topicStart + place.topicLength])
        var id = ByteBuffer()
        id.writeInteger(topic.topicID.high)
        id.writeInteger(topic.topicID.low)
        let expected = view.version >= 13 ? Array(id.readableBytesView) : Array(topic.topic.utf8)
        guard name == expected || String(decoding: name, as: UTF8.self) == topic.topic,
          place.partition == wanted.partition,
          place.currentLeaderEpoch == wanted.currentLeaderEpoch, place.fetchOffset == wanted.fetchOffset.rawValue,
          place.lastFetchedEpoch == wanted.lastFetchedEpoch, place.maxBytes == wanted.partitionMaxBytes,
          place.placesOfTopic == (index == 0 ? Int32(topic.partitions.count) : 0)
        else { return "partition \(wanted.partition) of \(topic.topic) differs" }
      }
    }
    return left.isEmpty ? nil : "there are more places than partitions"
  }

  @Test("is read as FetchRequest reads it, in every version", arguments: FetchView.versions)
  func versions(version: Int16) {
    var random = SplitMix(seed: UInt64(version))
    for round in 0..<100 {
      let frame = Self.frame(Self.request(&random, version: version), version: version, correlationID: Int32(round))
      #expect(Self.read(frame) != nil, "version \(version), round \(round)")
      #expect(Self.difference(frame) == nil, "version \(version), round \(round)")
    }
  }

  @Test(
    "is left to FetchRequest when it is a follower's, of a session, with a rack, or cut", arguments: FetchView.versions)
  func others(version: Int16) {
    var random = SplitMix(seed: UInt64(version))
    let request = Self.request(&random, version: version)
    let frame = Self.frame(request, version: version, correlationID: 1)
    for count in 0..<frame.count { #expect(Self.read(Array(frame[..<count])) == nil, "cut after \(count) bytes") }
    var changed: [FetchRequest] = []
    changed.append(request.changed { if version < 15 { $0.replicaID = 2 } else { $0.replicaState.replicaID = 2 } })
    if version >= 7 {
      changed.append(request.changed { $0.sessionEpoch = 0 })
      changed.append(request.changed { $0.forgottenTopicsData = [.with { $0.topic = "t" }] })
    }
    if version >= 11 { changed.append(request.changed { $0.rackID = "r" }) }
    for other in changed { #expect(Self.read(Self.frame(other, version: version, correlationID: 1)) == nil) }
  }

  @Test("never says anything else than FetchRequest, whatever bytes are changed")
  func damage() {
    var random = SplitMix(seed: 14)
    for round in 0..<3_000 {
      let version = Int16(4 + random.below(14))
      var frame = Self.frame(Self.request(&random, version: version), version: version, correlationID: 7)
      for _ in 0..<1 + random.below(3) {
        let extremes: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF, UInt8(truncatingIfNeeded: random.next())]
        frame[random.below(random.below(2) == 0 ? min(60, frame.count) : frame.count)] = extremes[random.below(6)]
      }
      if let difference = Self.difference(frame) {
        Issue.record("round \(round), version \(version): \(difference)")
        return
      }
    }
  }

  @Test("is answered with the bytes that FetchResponse has, cut where the records stand", arguments: FetchView.versions)
  func answers(version: Int16) throws {
    var random = SplitMix(seed: UInt64(version))
    for round in 0..<50 {
      let request = Self.request(&random, version: version)
      let frame = Self.frame(request, version: version, correlationID: Int32(round))
      let (view, places) = try #require(Self.read(frame))
      var response = FetchResponse()
      var told: [FetchAnswer.Partition] = []
      for topic in request.topics {
        response.responses.append(
          .with {
            $0.topic = topic.topic
            $0.topicID = topic.topicID
          })
        for wanted in topic.partitions {
          let length = random.below(3) == 0 ? 0 : 1 + random.below(100_000)
          told.append(
            FetchAnswer.Partition(
              highWatermark: Offset(Int64(random.below(1 << 40))), lastStableOffset: Offset(Int64(random.below(99))),
              logStartOffset: Offset(Int64(random.below(9))), recordsLength: length))
          response.responses[response.responses.count - 1].partitions.append(
            .with {
              $0.partitionIndex = wanted.partition
              $0.highWatermark = told[told.count - 1].highWatermark
              $0.lastStableOffset = told[told.count - 1].lastStableOffset
              $0.logStartOffset = told[told.count - 1].logStartOffset
              $0.abortedTransactions = request.isolationLevel == 1 ? [] : nil
              if length > 0 { $0.records = .spliced(byteCount: length) }
            })
        }
      }
      var written = ByteBuffer()
      var pieces: [WireParts.Part] = []
      let rest = frame.withUnsafeBytes { raw in
        var cuts: [(Int, Int)] = []
        let rest = FetchAnswer.write(view, raw, places[...], to: &written, { told[$0] }) { cuts.append(($0, $1)) }
        for (place, count) in cuts {
          pieces.append(.bytes(written.readSlice(length: count)!))
          pieces.append(.hole(byteCount: told[place].recordsLength))
        }
        return rest
      }
      #expect(rest == written.readableBytes)
      if rest > 0 { pieces.append(.bytes(written)) }
      let expected = Frame.response(response, version: version, correlationID: view.correlationID)
      #expect("\(pieces)" == "\(expected.parts)", "round \(round)")
    }
  }
}

extension FetchRequest {
  fileprivate func changed(_ change: (inout FetchRequest) -> Void) -> FetchRequest {
    var request = self
    change(&request)
    return request
  }
}
