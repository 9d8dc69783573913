import Model
import NIOCore
import Testing
import Wire

@Suite("Frames and headers")
struct FrameTests {
  @Test("a frame is taken only when all of it is there, and without copying")
  func wholeFramesOnly() throws {
    let whole = Frame.request(ApiVersionsRequest(), version: 3, correlationID: 7, clientID: "kcat").joined!
    for count in 0..<whole.readableBytes {
      var partial = whole.getSlice(at: 0, length: count)!
      #expect(try Frame.next(in: &partial, limit: 1000) == nil)
      #expect(partial.readableBytes == count)
    }
    var complete = whole
    complete.writeInteger(UInt8(9))
    let frame = try #require(try Frame.next(in: &complete, limit: 1000))
    #expect(frame.readableBytes == whole.readableBytes - Frame.prefixBytes)
    #expect(complete.readableBytes == 1)
  }

  @Test("a negative or too large length is refused before the bytes arrive")
  func badLengths() {
    #expect(throws: FrameError.negativeLength(-1)) { try Frame.length(of: ByteBuffer(integer: Int32(-1)), limit: 10) }
    #expect(throws: FrameError.tooLarge(11, limit: 10)) {
      try Frame.length(of: ByteBuffer(integer: Int32(11)), limit: 10)
    }
    #expect(throws: FrameError.tooLarge(0x4745_5420, limit: Frame.requestBytesMax)) {
      try Frame.length(of: ByteBuffer(string: "GET / HTTP/1.1"), limit: Frame.requestBytesMax)
    }
  }

  @Test("the client id keeps its two-byte length in a flexible header")
  func flexibleHeader() throws {
    var frame = Frame.request(ApiVersionsRequest(), version: 3, correlationID: 7, clientID: "kcat").joined!
    frame.moveReaderIndex(forwardBy: Frame.prefixBytes)
    #expect(
      Array(frame.readableBytesView.prefix(15))
        == [0, 18, 0, 3, 0, 0, 0, 7, 0, 4, 0x6B, 0x63, 0x61, 0x74, 0])
    let header = try RequestHeader(reading: &frame)
    #expect(header.clientID == "kcat")
    #expect(try ApiVersionsRequest(reading: &frame, version: header.apiVersion) == ApiVersionsRequest())
    #expect(frame.readableBytes == 0)
  }

  @Test("the header of an unknown version is read, and of an unknown API as far as the correlation id")
  func unknownHeaders() throws {
    var unknownVersion = ByteBuffer(bytes: [0, 18, 0, 99, 0, 0, 0, 5, 0xFF, 0xFF, 0])
    #expect(try RequestHeader(reading: &unknownVersion).correlationID == 5)
    var unknownAPI = ByteBuffer(bytes: [0x7F, 0, 0, 0, 0, 0, 0, 6])
    #expect(try RequestHeader(reading: &unknownAPI).correlationID == 6)
  }

  @Test("Kafka's exceptions to the rule of header versions")
  func headerVersions() {
    #expect(ControlledShutdownRequest.api.requestHeaderVersion(0) == 0)
    #expect(ControlledShutdownRequest.api.requestHeaderVersion(1) == 1)
    #expect(ApiVersionsRequest.api.requestHeaderVersion(3) == 2)
    #expect(ApiVersionsRequest.api.responseHeaderVersion(3) == 0)
    #expect(FetchRequest.api.responseHeaderVersion(12) == 1)
    #expect(FetchRequest.api.responseHeaderVersion(11) == 0)
  }

  @Test("a fetch answer leaves holes of the right size between its bytes", arguments: [4, 11, 12, 16] as [Int16])
  func splicedFetch(version: Int16) throws {
    let records = [ByteBuffer(repeating: 0xAA, count: 5000), ByteBuffer(), ByteBuffer(repeating: 0xBB, count: 10)]
    func answer(_ field: (ByteBuffer) -> Records) -> FetchResponse {
      .with { response in
        response.responses = [
          .with { topic in
            topic.topic = version < 13 ? "clicks" : ""
            topic.partitions = records.map { bytes in .with { $0.records = field(bytes) } }
          }
        ]
      }
    }
    let plain = Frame.response(answer(Records.bytes), version: version, correlationID: 3)
    let spliced = Frame.response(
      answer { Records.spliced(byteCount: $0.readableBytes) }, version: version, correlationID: 3)
    #expect(spliced.joined == nil)
    #expect(spliced.byteCount == plain.byteCount)

    var content = records.filter { $0.readableBytes > 0 }[...]
    var filled = ByteBuffer()
    for part in spliced.parts {
      switch part {
      case .bytes(let bytes): filled.writeImmutableBuffer(bytes)
      case .hole(let byteCount):
        let popped = content.popFirst()
        let next = try #require(popped)
        #expect(next.readableBytes == byteCount)
        filled.writeImmutableBuffer(next)
      }
    }
    #expect(filled == plain.joined)
    #expect(try Frame.length(of: filled, limit: 10_000) == filled.readableBytes - Frame.prefixBytes)
  }

  @Test("a string too long for Kafka is cut on a character's boundary")
  func longString() throws {
    var request = ListGroupsRequest()
    request.statesFilter = [String(repeating: "é", count: 20_000)]
    var bytes = request.written(version: 4)
    let back = try ListGroupsRequest(reading: &bytes, version: 4)
    #expect(back.statesFilter == [String(repeating: "é", count: 16_383)])
  }

  @Test("a request has no more array elements than any right one, nested ones counted; an answer may")
  func elements() throws {
    func request(_ partitions: Int) -> ByteBuffer {
      FetchRequest.with {
        $0.forgottenTopicsData = (0..<2).map { _ in .with { $0.partitions = .init(repeating: 0, count: partitions) } }
      }.written(version: 12)
    }
    var right = request(124_999)
    #expect(try FetchRequest(reading: &right, version: 12).forgottenTopicsData.count == 2)
    var wrong = request(125_000)
    #expect(throws: WireError.tooManyElements(limit: 250_000)) { try FetchRequest(reading: &wrong, version: 12) }
    var answer = MetadataResponse.with {
      $0.topics = [.with { $0.partitions = [.with { $0.replicaNodes = .init(repeating: 0, count: 300_000) }] }]
    }.written(version: 9)
    #expect(try MetadataResponse(reading: &answer, version: 9).topics.count == 1)
  }
}
