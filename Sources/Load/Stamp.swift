import Base
import CMillrace
import Model

/// Lays out the stamp that every record carries for verification: run, producer, partition, sequence number, due time, and a
/// checksum over the record. 32 bytes, in one of two forms.
///
/// Text (JSON events, access log), base64 characters, six bits each, most significant first:
/// ```
/// magic 2 │ run, producer, partition 8 │ sequence 6 │ time 10 │ crc 6
/// ```
/// so that a text corpus stays text and its compression ratio means something. Binary (random and tunable entropy),
/// little-endian words, each XORed with a mask made from the body's first eight bytes, so that random records stay
/// incompressible:
/// ```
/// run, producer, partition 8 │ sequence 8 │ time 8 │ crc 4 │ magic 4
/// ```
/// `time` is CLOCK_MONOTONIC in nanoseconds: comparable between processes of one machine, not between machines.
enum StampField {
  static let magic = 0, stream = 2, sequence = 10, time = 16, crc = 26
  static let size = 32
  static let sequenceWord = 8, timeWord = 16, crcWord = 24

  static let textMagic: UInt16 = 0x726D  // "mr", read as a little-endian word
  static let binaryMagic: UInt32 = 0x4D72_6365

  /// Together eight characters.
  static let runBits = 16, producerBits = 14, partitionBits = 18
  static let sequenceMax: UInt64 = 1 << 36 - 1
  static let timeMax: UInt64 = 1 << 60 - 1
}

/// Identifies one producer's records in one partition in one run, whose sequence numbers count up from 0.
package struct StreamID: Hashable, Sendable, CustomStringConvertible {
  /// run 16 bits │ producer 14 │ partition 18
  @usableFromInline let packed: UInt64

  @inline(__always) init(packed: UInt64) { self.packed = packed }

  package init(run: Int, producer: Int, partition: Int) {
    precondition(run >= 0 && run < 1 << StampField.runBits, "run \(run) does not fit a stamp")
    precondition(producer >= 0 && producer < 1 << StampField.producerBits, "producer \(producer) does not fit a stamp")
    precondition(
      partition >= 0 && partition < 1 << StampField.partitionBits, "partition \(partition) does not fit a stamp")
    packed =
      UInt64(run) << (StampField.producerBits + StampField.partitionBits)
      | UInt64(producer) << StampField.partitionBits | UInt64(partition)
  }

  package var run: Int { Int(packed >> (StampField.producerBits + StampField.partitionBits)) }
  package var producer: Int { Int(packed >> StampField.partitionBits) & (1 << StampField.producerBits - 1) }
  @inline(__always) package var partition: Int { Int(packed) & (1 << StampField.partitionBits - 1) }

  package var description: String { "run \(run) producer \(producer) partition \(partition)" }
}

/// Says how a corpus carries the stamp.
package enum StampForm: Hashable, Sendable {
  /// Text after a fixed prefix (`{"id":"` of a JSON event, nothing in an access log).
  case text(prefix: StaticPrefix)
  case binary

  package enum StaticPrefix: Hashable, Sendable, CaseIterable {
    case none, json

    var bytes: [UInt8] {
      switch self {
      case .none: []
      case .json: Array(#"{"id":""#.utf8)
      }
    }
  }

  /// The position of the stamp in the record's value.
  var position: Int {
    switch self {
    case .text(.none), .binary: 0
    case .text(.json): 7
    }
  }
}

/// Encodes base64 twelve bits at a time: 8 KiB of pairs of characters instead of a loop over characters.
struct StampText: @unchecked Sendable {
  // Never freed and never written after init: one table for the program's life, read from any thread.
  let pairs: UnsafePointer<UInt16>
  /// Character to six bits; 0xFF for other characters.
  let values: UnsafePointer<UInt8>

  static let shared = StampText()

  private init() {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    let pairs = UnsafeMutablePointer<UInt16>.allocate(capacity: 4096)
    let values = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
    values.initialize(repeating: 0xFF, count: 256)
    for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
    for pair in 0..<4096 {
      (pairs + pair).initialize(to: UInt16(alphabet[pair >> 6]) | UInt16(alphabet[pair & 63]) << 8)
    }
    self.pairs = UnsafePointer(pairs)
    self.values = UnsafePointer(values)
  }

  /// Writes 36 bits as six characters.
  @inline(__always)
  func write36(_ value: UInt64, to out: UnsafeMutableRawPointer) {
    out.storeBytes(of: pairs[Int(value >> 24) & 4095], as: UInt16.self)
    out.storeBytes(of: pairs[Int(value >> 12) & 4095], toByteOffset: 2, as: UInt16.self)
    out.storeBytes(of: pairs[Int(value) & 4095], toByteOffset: 4, as: UInt16.self)
  }

  /// Returns whether the six characters at `bytes` are those that `write36` writes for `value`; faster than decoding.
  @inline(__always)
  func matches36(_ value: UInt64, at bytes: UnsafeRawPointer) -> Bool {
    let found =
      UInt64(bytes.loadUnaligned(as: UInt32.self)) | UInt64(bytes.loadUnaligned(fromByteOffset: 4, as: UInt16.self))
      << 32
    let (high, middle, low) = (pairs[Int(value >> 24) & 4095], pairs[Int(value >> 12) & 4095], pairs[Int(value) & 4095])
    return found == UInt64(high) | UInt64(middle) << 16 | UInt64(low) << 32
  }

  /// Writes `count` characters of six bits, the most significant first.
  func write(_ value: UInt64, characters count: Int, to out: UnsafeMutableRawPointer) {
    for index in 0..<count {
      let shift = UInt64(6 * (count - 1 - index))
      let pair = pairs[Int((value >> shift) & 63)]
      out.storeBytes(of: UInt8(truncatingIfNeeded: pair >> 8), toByteOffset: index, as: UInt8.self)
    }
  }

  /// Decodes characters; nil if one is not of the alphabet.
  @inline(__always)
  func read(_ bytes: UnsafeRawPointer, characters count: Int) -> UInt64? {
    var value: UInt64 = 0
    var bad: UInt8 = 0
    for index in 0..<count {
      let six = values[Int(bytes.load(fromByteOffset: index, as: UInt8.self))]
      bad |= six
      value = value << 6 | UInt64(six & 63)
    }
    return bad & 0x80 == 0 ? value : nil
  }
}

/// Writes the stamps of one stream into record values, in place.
///
/// The stream's ten characters and the time's ten are kept as text, so a record costs three table look-ups for its
/// number, three for its checksum and the checksum of 26 bytes.
struct Stamper {
  private let form: StampForm
  private let text = StampText.shared
  private let stream: StreamID
  private let head: (UInt64, UInt16)
  private var time: UInt64 = 0
  private var timeText: (UInt64, UInt16)

  init(stream: StreamID, form: StampForm) {
    self.form = form
    self.stream = stream
    let text = StampText.shared
    (head, timeText) = withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { scratch in
      let bytes = scratch.baseAddress!
      bytes.storeBytes(of: StampField.textMagic.littleEndian, as: UInt16.self)
      text.write(stream.packed, characters: 8, to: bytes + StampField.stream)
      text.write(0, characters: 10, to: bytes + StampField.time)
      return (
        (bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)),
        (
          bytes.loadUnaligned(fromByteOffset: StampField.time, as: UInt64.self),
          bytes.loadUnaligned(fromByteOffset: StampField.time + 8, as: UInt16.self)
        )
      )
    }
  }

  /// Sets the time of the following records, in nanoseconds.
  mutating func setTime(_ ns: UInt64) {
    guard ns != time else { return }
    time = ns & StampField.timeMax
    let text = text
    let time = time
    timeText = withUnsafeTemporaryAllocation(byteCount: 10, alignment: 8) { scratch in
      let bytes = scratch.baseAddress!
      text.write(time, characters: 10, to: bytes)
      return (bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
    }
  }

  /// Stamps a value.
  ///
  /// - Parameter restCRC: CRC-32C of all the value's bytes but the stamp's 32.
  @inline(__always)
  func stamp(_ value: UnsafeMutableRawPointer, sequence: UInt64, restCRC: UInt32) {
    switch form {
    case .text(let prefix): stampText(value + (prefix == .json ? 7 : 0), sequence, restCRC)
    case .binary: stampBinary(value, sequence, restCRC)
    }
  }

  @inline(__always)
  private func stampText(_ out: UnsafeMutableRawPointer, _ sequence: UInt64, _ restCRC: UInt32) {
    out.storeBytes(of: head.0, as: UInt64.self)
    out.storeBytes(of: head.1, toByteOffset: 8, as: UInt16.self)
    text.write36(sequence, to: out + StampField.sequence)
    out.storeBytes(of: timeText.0, toByteOffset: StampField.time, as: UInt64.self)
    out.storeBytes(of: timeText.1, toByteOffset: StampField.time + 8, as: UInt16.self)
    text.write36(UInt64(millrace_crc32c(restCRC, out, StampField.crc)), to: out + StampField.crc)
  }

  private func stampBinary(_ out: UnsafeMutableRawPointer, _ sequence: UInt64, _ restCRC: UInt32) {
    out.storeBytes(of: stream.packed.littleEndian, as: UInt64.self)
    out.storeBytes(of: sequence.littleEndian, toByteOffset: StampField.sequenceWord, as: UInt64.self)
    out.storeBytes(of: time.littleEndian, toByteOffset: StampField.timeWord, as: UInt64.self)
    let crc = millrace_crc32c(restCRC, out, StampField.crcWord)
    out.storeBytes(
      of: (UInt64(crc) | UInt64(StampField.binaryMagic) << 32).littleEndian, toByteOffset: StampField.crcWord,
      as: UInt64.self)
    StampMask(body: out + StampField.size).apply(to: out)
  }
}

/// Makes four words that mask a binary stamp, so that it looks random.
struct StampMask {
  private let seed: UInt64

  @inline(__always)
  init(body: UnsafeRawPointer) { seed = body.loadUnaligned(as: UInt64.self) }

  @inline(__always)
  func word(_ index: Int) -> UInt64 { SplitMix.mixed(seed &+ UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15).littleEndian }

  @inline(__always)
  func apply(to out: UnsafeMutableRawPointer) {
    for index in 0..<4 {
      let at = index * 8
      out.storeBytes(
        of: out.loadUnaligned(fromByteOffset: at, as: UInt64.self) ^ word(index), toByteOffset: at, as: UInt64.self)
    }
  }
}

func crc32c(_ bytes: [UInt8]) -> UInt32 {
  bytes.withUnsafeBytes { millrace_crc32c(0, $0.baseAddress, $0.count) }
}
