import Base
import Model
import NIOCore
import Testing

@testable import Wire

@Suite("A Produce request read in place")
struct ProduceViewTests {
  private static func request(_ random: inout SplitMix) -> ProduceRequest {
    var request = ProduceRequest()
    request.acks = Int16(random.below(3)) - 1
    request.timeoutMs = Int32(random.below(100_000))
    for topic in 0..<1 + random.below(4) {
      var data = ProduceRequest.Topic()
      data.name = String(repeating: "t", count: 1 + random.below(200)) + "\(topic)"
      for _ in 0..<1 + random.below(4) {
        let bytes = (0..<1 + random.below(300)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        data.partitionData.append(
          .with {
            $0.index = Int32(random.below(1_000))
            $0.records = .bytes(ByteBuffer(bytes: bytes))
          })
      }
      request.topicData.append(data)
    }
    return request
  }

  private static func frame(_ request: ProduceRequest, version: Int16, correlationID: Int32, clientID: String?)
    -> [UInt8]
  {
    var whole = Frame.request(request, version: version, correlationID: correlationID, clientID: clientID).joined!
    whole.moveReaderIndex(forwardBy: Frame.prefixBytes)
    return Array(whole.readableBytesView)
  }

  /// What the general reader makes of the same bytes; nil where it refuses them.
  private static func generally(_ frame: [UInt8]) -> (header: RequestHeader, request: ProduceRequest)? {
    var bytes = ByteBuffer(bytes: frame)
    guard let header = try? RequestHeader(reading: &bytes),
      let request = try? ProduceRequest(reading: &bytes, version: header.apiVersion)
    else { return nil }
    return (header, request)
  }

  private static func read(_ frame: [UInt8]) -> (view: ProduceView, places: [ProduceView.Place])? {
    var places: [ProduceView.Place] = []
    let view = frame.withUnsafeBytes { ProduceView(reading: $0, placesMax: 100, into: &places) }
    if view == nil { #expect(places.isEmpty) }
    return view.map { ($0, places) }
  }

  /// Says how the two readers differ; nil when they agree.
  private static func difference(_ frame: [UInt8]) -> String? {
    guard let (view, places) = read(frame) else { return nil }
    guard let (header, request) = generally(frame) else { return "only ProduceView reads it" }
    guard header.apiKey == 0, header.apiVersion == view.version, header.correlationID == view.correlationID,
      request.acks == view.acks, request.timeoutMs == view.timeoutMs, request.transactionalID == nil
    else { return "\(view) is not \(header) \(request.acks)" }
    var left = places[...]
    for topic in request.topicData {
      for (index, partition) in topic.partitionData.enumerated() {
        guard let place = left.popFirst() else { return "a partition is missing" }
        let name = String(decoding: frame[place.nameStart..<place.nameStart + place.nameLength], as: UTF8.self)
        let records = Array(frame[place.recordsStart..<place.recordsStart + place.recordsLength])
        guard name == topic.name, place.partition == partition.index,
          place.placesOfTopic == (index == 0 ? Int32(topic.partitionData.count) : 0),
          records == partition.records.bytes.map({ Array($0.readableBytesView) })
        else { return "partition \(partition.index) of \(topic.name) differs" }
      }
    }
    return left.isEmpty ? nil : "there are more places than partitions"
  }

  @Test("is read as ProduceRequest reads it, in every version", arguments: ProduceView.versions)
  func versions(version: Int16) throws {
    var random = SplitMix(seed: UInt64(version))
    for round in 0..<100 {
      let frame = Self.frame(
        Self.request(&random), version: version, correlationID: Int32(round), clientID: round % 3 == 0 ? nil : "client")
      #expect(Self.read(frame) != nil, "version \(version), round \(round)")
      #expect(Self.difference(frame) == nil, "version \(version), round \(round)")
    }
  }

  @Test(
    "is left to ProduceRequest when it is of a transaction, cut, or of another API", arguments: ProduceView.versions)
  func others(version: Int16) {
    var random = SplitMix(seed: UInt64(version))
    var request = Self.request(&random)
    let frame = Self.frame(request, version: version, correlationID: 1, clientID: "c")
    for count in 0..<frame.count { #expect(Self.read(Array(frame[..<count])) == nil, "cut after \(count) bytes") }
    request.transactionalID = "t"
    #expect(Self.read(Self.frame(request, version: version, correlationID: 1, clientID: "c")) == nil)
    var fetch = frame
    fetch[1] = 1
    #expect(Self.read(fetch) == nil)
  }

  @Test("never says anything else than ProduceRequest, whatever bytes are changed")
  func damage() {
    var random = SplitMix(seed: 14)
    for round in 0..<3_000 {
      let version = Int16(3 + random.below(10))
      var frame = Self.frame(Self.request(&random), version: version, correlationID: 7, clientID: "c")
      for _ in 0..<1 + random.below(3) {
        let extremes: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF, UInt8(truncatingIfNeeded: random.next())]
        // Mostly among the lengths.
        frame[random.below(random.below(2) == 0 ? min(60, frame.count) : frame.count)] = extremes[random.below(6)]
      }
      if let difference = Self.difference(frame) {
        Issue.record("round \(round), version \(version): \(difference)")
        return
      }
    }
  }

  @Test("is answered with the bytes that ProduceResponse has", arguments: ProduceView.versions)
  func answers(version: Int16) throws {
    var random = SplitMix(seed: UInt64(version))
    for round in 0..<50 {
      let request = Self.request(&random)
      let frame = Self.frame(request, version: version, correlationID: Int32(round), clientID: nil)
      let (view, places) = try #require(Self.read(frame))
      var response = ProduceResponse()
      var told: [ProduceAnswer.Batch] = []
      for topic in request.topicData {
        response.responses.append(.with { $0.name = topic.name })
        for partition in topic.partitionData {
          let batch = ProduceAnswer.Batch(
            baseOffset: Offset(Int64(random.below(1 << 40))), logAppendTimeMs: Int64(random.below(9)) - 1,
            logStartOffset: Offset(Int64(random.below(1 << 20))))
          told.append(batch)
          response.responses[response.responses.count - 1].partitionResponses.append(
            .with {
              $0.index = partition.index
              $0.baseOffset = batch.baseOffset
              $0.logAppendTimeMs = batch.logAppendTimeMs
              $0.logStartOffset = batch.logStartOffset
            })
        }
      }
      var written = ByteBuffer(string: "before")
      frame.withUnsafeBytes { ProduceAnswer.write(view, $0, places[...], to: &written) { told[$0] } }
      let expected = try #require(
        Frame.response(response, version: version, correlationID: view.correlationID).joined)
      #expect(written.readableBytesView.dropFirst(6).elementsEqual(expected.readableBytesView), "round \(round)")
    }
  }
}
