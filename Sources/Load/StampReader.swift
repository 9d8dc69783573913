import CMillrace
import Model

/// A record's stamp, read and found whole.
struct Stamp: Equatable {
  var stream: StreamID
  var sequence: UInt64
  /// When the record should have been sent: CLOCK_MONOTONIC of the producer's machine, ns.
  var timeNs: UInt64
}

/// Reads stamps. Keeps the form of the last good one as its first guess: a topic rarely mixes corpora.
///
/// Of a text stamp it remembers the stream and the time as they were written, and guesses that the sequence goes on: what is
/// as expected is compared and not decoded.
struct StampReader {
  private var guess = StampForm.text(prefix: .json)
  private let text = StampText.shared
  private var head = Remembered(value: 0)
  private var time = Remembered(value: 0)
  private var nextSequence: UInt64 = 0
  private let prefixCRC = Self.jsonPrefixCRC
  private static let jsonPrefixCRC = crc32c(StampForm.StaticPrefix.json.bytes)
  /// `{"id":"` as the low seven bytes of a little-endian word.
  private static let jsonPrefixWord = StampForm.StaticPrefix.json.bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  private let prefixWord = Self.jsonPrefixWord

  /// Ten characters as they stand in a stamp, and what they mean. No text is all zero bytes, so none is the first guess.
  private struct Remembered {
    var written: (UInt64, UInt16) = (0, 0)
    var value: UInt64

    @inline(__always)
    static func load(_ bytes: UnsafeRawPointer) -> (UInt64, UInt16) {
      (bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
    }
  }

  /// The stamp of a value, or nil when there is none or the checksum says that some byte of the value changed.
  @inline(__always)
  mutating func read(_ value: UnsafeRawBufferPointer) -> Stamp? {
    if let stamp = read(value, as: guess) { return stamp }
    return readOtherForms(value)
  }

  @inline(never)
  private mutating func readOtherForms(_ value: UnsafeRawBufferPointer) -> Stamp? {
    for form in [StampForm.text(prefix: .json), .text(prefix: .none), .binary] where form != guess {
      if let stamp = read(value, as: form) {
        guess = form
        return stamp
      }
    }
    return nil
  }

  @inline(__always)
  private mutating func read(_ value: UnsafeRawBufferPointer, as form: StampForm) -> Stamp? {
    switch form {
    case .text(.json):
      guard value.count >= 7 + StampField.size else { return nil }
      let start = value.baseAddress!
      guard UInt64(littleEndian: start.loadUnaligned(as: UInt64.self)) & (1 << 56 - 1) == prefixWord else { return nil }
      return readText(start + 7, restAt: start + 7 + StampField.size, end: start + value.count, prefixCRC)
    case .text(.none):
      guard value.count >= StampField.size else { return nil }
      let start = value.baseAddress!
      return readText(start, restAt: start + StampField.size, end: start + value.count, 0)
    case .binary:
      return readBinary(value)
    }
  }

  @inline(__always)
  private mutating func readText(
    _ bytes: UnsafeRawPointer, restAt rest: UnsafeRawPointer, end: UnsafeRawPointer, _ seed: UInt32
  ) -> Stamp? {
    let restCRC = millrace_crc32c(seed, rest, end - rest)
    let computed = millrace_crc32c(restCRC, bytes, StampField.crc)
    guard text.matches36(UInt64(computed), at: bytes + StampField.crc) else { return nil }
    if Remembered.load(bytes) != head.written {
      guard rememberHead(bytes) else { return nil }
    }
    if Remembered.load(bytes + StampField.time) != time.written {
      guard rememberTime(bytes + StampField.time) else { return nil }
    }
    if !text.matches36(nextSequence, at: bytes + StampField.sequence) {
      guard let sequence = text.read(bytes + StampField.sequence, characters: 6) else { return nil }
      nextSequence = sequence
    }
    defer { nextSequence &+= 1 }
    return Stamp(stream: StreamID(packed: head.value), sequence: nextSequence, timeNs: time.value)
  }

  /// Magic and stream.
  @inline(never)
  private mutating func rememberHead(_ bytes: UnsafeRawPointer) -> Bool {
    guard UInt16(littleEndian: bytes.loadUnaligned(as: UInt16.self)) == StampField.textMagic,
      let stream = text.read(bytes + StampField.stream, characters: 8)
    else { return false }
    head = Remembered(written: Remembered.load(bytes), value: stream)
    return true
  }

  @inline(never)
  private mutating func rememberTime(_ bytes: UnsafeRawPointer) -> Bool {
    guard let ns = text.read(bytes, characters: 10) else { return false }
    time = Remembered(written: Remembered.load(bytes), value: ns)
    return true
  }

  private func readBinary(_ value: UnsafeRawBufferPointer) -> Stamp? {
    guard value.count >= Payload.sizeMin(.binary) else { return nil }
    let start = value.baseAddress!
    let rest = start + StampField.size
    let mask = StampMask(body: rest)
    return withUnsafeTemporaryAllocation(byteCount: StampField.size, alignment: 8) { scratch -> Stamp? in
      let plain = scratch.baseAddress!
      plain.copyMemory(from: start, byteCount: StampField.size)
      mask.apply(to: plain)
      let last = UInt64(littleEndian: plain.load(fromByteOffset: StampField.crcWord, as: UInt64.self))
      guard UInt32(truncatingIfNeeded: last >> 32) == StampField.binaryMagic else { return nil }
      let restCRC = millrace_crc32c(0, rest, value.count - StampField.size)
      guard millrace_crc32c(restCRC, plain, StampField.crcWord) == UInt32(truncatingIfNeeded: last) else { return nil }
      return Stamp(
        stream: StreamID(packed: UInt64(littleEndian: plain.load(as: UInt64.self))),
        sequence: UInt64(littleEndian: plain.load(fromByteOffset: StampField.sequenceWord, as: UInt64.self)),
        timeNs: UInt64(littleEndian: plain.load(fromByteOffset: StampField.timeWord, as: UInt64.self)))
    }
  }
}
