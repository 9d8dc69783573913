package import Model

/// Names a record of a history: the process that sent it, and the number that this process gave it. The number is the record's
/// value, as Jepsen calls it: no two records of a history have the same.
package struct RecordID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package static let processMax = 1 << 23 - 1
  package static let numberMax = 1 << 40 - 1

  /// process 24 bits │ number 40
  package let packed: UInt64

  /// - Precondition: both are within their limits and not negative.
  package init(process: Int, number: Int) {
    precondition((0...Self.processMax).contains(process), "process \(process) does not fit a record's name")
    precondition((0...Self.numberMax).contains(number), "number \(number) does not fit a record's name")
    packed = UInt64(process) << 40 | UInt64(number)
  }

  /// Reads a name from a record's bytes; nil for one that no process could have given.
  package init?(packed: UInt64) {
    guard packed >> 40 <= UInt64(Self.processMax) else { return nil }
    self.packed = packed
  }

  package var process: Int { Int(packed >> 40) }
  package var number: Int { Int(packed & UInt64(Self.numberMax)) }
  package var description: String { "\(process).\(number)" }

  package static func < (a: RecordID, b: RecordID) -> Bool { a.packed < b.packed }
}

/// Records that follow each other in a partition and in their producer's numbering: `2001=3.17+8` are the records 3.17 to 3.24
/// at the offsets 2001 to 2008.
package struct RecordRun: Hashable, Sendable {
  package var offset: Offset
  package var first: RecordID
  package var count: Int

  package init(offset: Offset, first: RecordID, count: Int) {
    self.offset = offset
    self.first = first
    self.count = count
  }

  /// The offset after the last record.
  package var end: Offset { offset + count }

  package func record(_ index: Int) -> RecordID { RecordID(process: first.process, number: first.number + index) }

  /// Takes the next record in, if it continues the run.
  package mutating func extend(by record: RecordID, at offset: Offset) -> Bool {
    guard offset == end, record.process == first.process, record.number == first.number + count else { return false }
    count += 1
    return true
  }
}
