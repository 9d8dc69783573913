import Testing

@testable import Load

@Suite("Payload")
struct PayloadTests {
  static let corpora: [Corpus] = [
    .json, .accessLog, .random, .entropy(bits: 0.5), .entropy(bits: 4), .entropy(bits: 8),
  ]

  @Test("the same seed gives the same records, another seed others", arguments: corpora)
  func seeds(corpus: Corpus) {
    func contents(_ seed: UInt64) -> [UInt8] {
      Payload(corpus: corpus, recordSize: 120, poolBytes: 24_000, seed: seed).withContents { Array($0) }
    }
    let (isSame, isOther) = (contents(7) == contents(7), contents(7) != contents(8))
    #expect(isSame)
    #expect(isOther)
  }

  @Test("records are distinct", arguments: corpora)
  func distinct(corpus: Corpus) {
    let payload = Payload(corpus: corpus, recordSize: 150, poolBytes: 60_000, seed: 3)
    defer { withExtendedLifetime(payload) {} }
    let values = Set((0..<payload.count).map { Array(UnsafeRawBufferPointer(start: payload.value($0), count: 150)) })
    #expect(values.count == payload.count)
  }

  @Test(
    "text corpora hold printable text in every record of every size, stamped",
    arguments: [41, 42, 51, 52, 53, 100, 200, 333, 1000, 5000])
  func text(size: Int) throws {
    for corpus in [Corpus.json, .accessLog] {
      let payload = Payload(corpus: corpus, recordSize: size, poolBytes: 1 << 15, seed: 5)
      defer { withExtendedLifetime(payload) {} }
      let stamper = Stamper(stream: StreamID(run: 1, producer: 2, partition: 3), form: corpus.stampForm)
      for index in 0..<payload.count {
        stamper.stamp(payload.value(index), sequence: UInt64(index), restCRC: payload.restCRC(index))
        let value = UnsafeRawBufferPointer(start: payload.value(index), count: size)
        #expect(
          value.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "record \(index): \(String(decoding: value, as: UTF8.self))")
        if corpus == .json {
          #expect(value.first == UInt8(ascii: "{") && value.last == UInt8(ascii: "}"))
          let quotes = value.count { $0 == UInt8(ascii: "\"") }
          #expect(quotes % 2 == 0, "record \(index): \(String(decoding: value, as: UTF8.self))")
        }
      }
    }
  }

  @Test("an access log of 300 bytes has user agents and referrers")
  func agents() {
    let payload = Payload(corpus: .accessLog, recordSize: 400, poolBytes: 40_000, seed: 1)
    let text = payload.withContents { String(decoding: $0, as: UTF8.self) }
    #expect(text.contains("Mozilla/5.0 (Windows NT 10.0; Win64; x64)"))
    #expect(text.contains("\"GET /"))
    #expect(text.contains("https://www.google.com/"))
  }

  @Test("tunable entropy reaches what was asked for", arguments: [0.0, 0.5, 1, 1.5, 2, 3.3, 4, 6, 7.5, 8])
  func entropy(bits: Double) {
    let payload = Payload(corpus: .entropy(bits: bits), recordSize: 1000, poolBytes: 1 << 20, seed: 9)
    #expect(abs(payload.entropyBitsPerByte - bits) < 0.02, "\(payload.entropyBitsPerByte) bits a byte")
  }

  @Test("corpora are read by the names they print")
  func names() {
    for corpus in Self.corpora { #expect(Corpus(corpus.description) == corpus) }
    #expect(Corpus("entropy:9") == nil)
    #expect(Corpus("xml") == nil)
  }
}

@Suite("Stamp")
struct StampTests {
  @Test("a stamp is read back as it was written", arguments: PayloadTests.corpora)
  func roundTrip(corpus: Corpus) throws {
    let payload = Payload(corpus: corpus, recordSize: 100, poolBytes: 10_000, seed: 2)
    defer { withExtendedLifetime(payload) {} }
    let stream = StreamID(run: 65_535, producer: 16_383, partition: 262_143)
    var stamper = Stamper(stream: stream, form: corpus.stampForm)
    var reader = StampReader()
    for (index, sequence) in [0, 1, 4095, 4096, StampField.sequenceMax].enumerated() {
      let timeNs = UInt64(index) &* 1_234_567_890_123
      stamper.setTime(timeNs)
      stamper.stamp(payload.value(index), sequence: sequence, restCRC: payload.restCRC(index))
      let read = reader.read(UnsafeRawBufferPointer(start: payload.value(index), count: 100))
      #expect(read == Stamp(stream: stream, sequence: sequence, timeNs: timeNs))
      #expect(stream.run == 65_535 && stream.producer == 16_383 && stream.partition == 262_143)
    }
  }

  @Test("any changed byte is found", arguments: PayloadTests.corpora)
  func changed(corpus: Corpus) {
    let size = 90
    let payload = Payload(corpus: corpus, recordSize: size, poolBytes: 9000, seed: 4)
    defer { withExtendedLifetime(payload) {} }
    let stamper = Stamper(stream: StreamID(run: 5, producer: 0, partition: 1), form: corpus.stampForm)
    stamper.stamp(payload.value(0), sequence: 77, restCRC: payload.restCRC(0))
    var value = Array(UnsafeRawBufferPointer(start: payload.value(0), count: size))
    for index in value.indices {
      value[index] ^= 1
      var reader = StampReader()
      #expect(value.withUnsafeBytes { reader.read($0) } == nil, "byte \(index) changed unnoticed")
      value[index] ^= 1
    }
    var reader = StampReader()
    #expect(value.withUnsafeBytes { reader.read($0) } != nil)
    for length in 0..<size {
      #expect(value.prefix(length).withUnsafeBytes { reader.read($0) } == nil, "cut to \(length) bytes unnoticed")
    }
  }
}
