import Model
import TestSupport
import Testing

/// The check of the crash tests must be able to fail, in each of its ways.
@Suite("The check of a log against what was acknowledged")
struct LogCheckTests {
  /// A partition as a right broker would have it: offsets, and the records of two producers in turns.
  struct Log {
    var ledger = DeliveryLedger()
    var records: [(offset: Offset, value: [UInt8])] = []
    let partition: Int32 = 3
    let streams = [RecordStream(producer: 0, partition: 3), RecordStream(producer: 1, partition: 3)]

    /// - Parameter unacknowledged: batches at the end that are there and were not acknowledged.
    init(unacknowledged: Int = 2) {
      for batch in 0..<10 {
        let stream = streams[batch % 2]
        let numbers = ledger.give(3, to: stream)
        if batch < 10 - unacknowledged { ledger.acknowledge(3, of: stream, at: Offset(Int64(records.count))) }
        for number in numbers { records.append((Offset(Int64(records.count)), stream.value(number))) }
      }
    }

    /// Removes a record and closes the gap of offsets, as if it had never been.
    mutating func drop(at index: Int) {
      records.remove(at: index)
      renumber()
    }

    mutating func renumber() { for index in records.indices { records[index].offset = Offset(Int64(index)) } }

    func faults() -> [LogCheck.Fault] {
      var check = LogCheck()
      for record in records { check.read(record.value, at: record.offset, of: partition, against: ledger) }
      check.end(against: ledger)
      return check.faults
    }
  }

  @Test("finds nothing where nothing is wrong, with unacknowledged records there or not", arguments: [0, 2, 6])
  func right(unacknowledged: Int) {
    var log = Log(unacknowledged: unacknowledged)
    #expect(log.faults() == [])
    log.records.removeLast(unacknowledged * 3)
    #expect(log.faults() == [])
  }

  @Test("finds a record that is there twice, wherever it comes again", arguments: [4, 5, 17, 29])
  func twice(index: Int) {
    var log = Log()
    let (stream, number) = RecordStream.read(log.records[index].value)!
    log.records.insert(log.records[index], at: index + 1)
    log.renumber()
    #expect(
      log.faults().contains(
        .order(stream, at: Offset(Int64(index + 1)), found: number, expected: number + 1)))
    log = Log()
    log.records.append(log.records[index])
    log.renumber()
    #expect(log.faults().count == 1, "a whole batch sent again after a restart")
  }

  @Test("finds an acknowledged record that is missing: in the midst, and at the end")
  func lost() {
    var log = Log()
    log.drop(at: 7)
    #expect(log.faults().contains(.order(log.streams[0], at: 7, found: 5, expected: 4)))
    log = Log(unacknowledged: 0)
    log.records.removeLast(1)
    #expect(log.faults() == [.lost(log.streams[1], numbers: 14..<15)])
    log.records = []
    #expect(log.faults().count == 2)
  }

  @Test("finds records that changed places")
  func order() {
    var log = Log()
    log.records.swapAt(12, 13)
    log.renumber()
    #expect(log.faults().contains(.order(log.streams[0], at: 12, found: 7, expected: 6)))
  }

  @Test("finds a gap of offsets, and offsets that go back")
  func offsets() {
    var log = Log()
    log.records[20].offset = 21
    #expect(log.faults().contains(.offset(3, found: 21, expected: 20)))
    log = Log()
    log.records[20].offset = 19
    #expect(log.faults().contains(.offset(3, found: 19, expected: 20)))
  }

  @Test("finds records that are not where their acknowledgement said")
  func place() {
    var log = Log()
    // Five unacknowledged records vanish before acknowledged ones: order and offsets tell too.
    log.records.removeFirst(6)
    log.renumber()
    #expect(log.faults().contains(.place(log.streams[0], number: 3, found: 0, acknowledged: 6)))
  }

  @Test("finds a damaged value, one of another partition and one that nobody sent")
  func foreign() {
    var log = Log()
    log.records[8].value[log.records[8].value.count - 1] ^= 1
    #expect(log.faults().first == .foreign(3, at: 8))
    log = Log()
    log.records[8].value = RecordStream(producer: 0, partition: 2).value(5)
    #expect(log.faults().first == .foreign(3, at: 8))
    log = Log()
    log.records.append((30, log.streams[0].value(15)))
    #expect(log.faults() == [.foreign(3, at: 30)])
  }
}
