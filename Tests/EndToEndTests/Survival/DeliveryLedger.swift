import Base
import Model

/// The records of one producer in one partition, numbered from 0 in the order it was given them.
struct RecordStream: Hashable, Sendable, CustomStringConvertible {
  let producer: Int
  let partition: Int32

  var description: String { "producer \(producer) in partition \(partition)" }

  /// The value of record `number`: whose it is, and bytes that follow from that, so that damage shows.
  func value(_ number: Int) -> [UInt8] {
    var random = SplitMix(seed: UInt64(number) << 16 | UInt64(producer) << 8 | UInt64(partition))
    let filler = (0..<random.below(120)).map { _ in UInt8(ascii: "a") + UInt8(random.below(26)) }
    return Array("\(producer)/\(partition)/\(number)/".utf8) + filler
  }

  /// What `value` says of itself; nil when it is not one of ours.
  static func read(_ value: [UInt8]) -> (stream: RecordStream, number: Int)? {
    let parts = String(decoding: value, as: UTF8.self).split(separator: "/")
    guard parts.count >= 3, let producer = Int(parts[0]), let partition = Int32(parts[1]), let number = Int(parts[2])
    else { return nil }
    return (RecordStream(producer: producer, partition: partition), number)
  }
}

/// What producers were given, and what the broker acknowledged of it.
struct DeliveryLedger: Sendable {
  /// Of each stream, records given to its producer.
  private(set) var given: [RecordStream: Int] = [:]
  /// Of each stream, records acknowledged: those before this number, because acknowledgements come in order.
  private(set) var acknowledged: [RecordStream: Int] = [:]
  /// Where the broker said that a batch begins, by the number of its first record.
  private(set) var places: [RecordStream: [Int: Offset]] = [:]

  /// A producer gets `count` more records. Returns their numbers.
  mutating func give(_ count: Int, to stream: RecordStream) -> Range<Int> {
    let first = given[stream, default: 0]
    given[stream] = first + count
    return first..<first + count
  }

  /// The oldest `count` records that were not acknowledged are now, at `offset` if the broker said so.
  mutating func acknowledge(_ count: Int, of stream: RecordStream, at offset: Offset) {
    let first = acknowledged[stream, default: 0]
    precondition(first + count <= given[stream, default: 0], "more was acknowledged than given")
    acknowledged[stream] = first + count
    if offset != .unknown { places[stream, default: [:]][first] = offset }
  }
}

/// What a reader of whole partitions finds, held against a ledger: every record once, in order, where the broker said.
///
/// A record that was not acknowledged may be there, in its place, or not be there. It may not be missing before one that is
/// there: its producer sends it again, and it would then come too late.
struct LogCheck {
  enum Fault: Equatable, CustomStringConvertible {
    /// Offsets have no gaps and do not go back.
    case offset(Int32, found: Offset, expected: Offset)
    /// A record came again, too early or too late.
    case order(RecordStream, at: Offset, found: Int, expected: Int)
    /// A record is not where its acknowledgement said.
    case place(RecordStream, number: Int, found: Offset, acknowledged: Offset)
    /// A value is not what a producer was given.
    case foreign(Int32, at: Offset)
    /// Records were acknowledged and are not there.
    case lost(RecordStream, numbers: Range<Int>)

    var description: String {
      switch self {
      case .offset(let partition, let found, let expected):
        "partition \(partition) has offset \(found) where \(expected) is due"
      case .order(let stream, let offset, let found, let expected):
        "\(stream) has record \(found) at offset \(offset) where \(expected) is due"
      case .place(let stream, let number, let found, let acknowledged):
        "\(stream) has record \(number) at offset \(found), and it was acknowledged at \(acknowledged)"
      case .foreign(let partition, let offset): "partition \(partition) has what nobody sent at offset \(offset)"
      case .lost(let stream, let numbers): "\(stream) lacks acknowledged records \(numbers)"
      }
    }
  }

  /// The first ones: one fault makes many.
  private(set) var faults: [Fault] = []
  private var nextOffsets: [Int32: Offset] = [:]
  private var found: [RecordStream: Int] = [:]
  private static let faultsKept = 20

  /// Where to read on.
  func nextOffset(of partition: Int32) -> Offset { nextOffsets[partition, default: 0] }

  var recordCount: Int { found.values.reduce(0, +) }

  /// Takes the next record of a partition.
  mutating func read(_ value: [UInt8], at offset: Offset, of partition: Int32, against ledger: DeliveryLedger) {
    if offset != nextOffset(of: partition) {
      add(.offset(partition, found: offset, expected: nextOffset(of: partition)))
    }
    nextOffsets[partition] = offset + 1
    guard let (stream, number) = RecordStream.read(value), stream.partition == partition,
      number < ledger.given[stream, default: 0], value == stream.value(number)
    else { return add(.foreign(partition, at: offset)) }
    let expected = found[stream, default: 0]
    if number != expected { add(.order(stream, at: offset, found: number, expected: expected)) }
    found[stream] = max(expected, number + 1)
    if let place = ledger.places[stream]?[number], place != offset {
      add(.place(stream, number: number, found: offset, acknowledged: place))
    }
  }

  /// All that is there was read: what was acknowledged before that must be among it.
  mutating func end(against ledger: DeliveryLedger) {
    for (stream, acknowledged) in ledger.acknowledged where found[stream, default: 0] < acknowledged {
      add(.lost(stream, numbers: found[stream, default: 0]..<acknowledged))
    }
  }

  private mutating func add(_ fault: Fault) {
    if faults.count < Self.faultsKept { faults.append(fault) }
  }
}
