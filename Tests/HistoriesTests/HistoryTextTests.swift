import Model
import Testing

@testable import Histories

@Suite("The text of a history")
struct HistoryTextTests {
  static let text = """
    # a history of millrace-load check, version 1
    0.000123 3 send 17+8 partition 2 transaction 4
    0.000130 3 send 25+1 partition 0
    0.004501 3 sent 17 ok 2001
    0.004502 3 sent 25 ok ?
    0.004503 3 sent 26 failed
    0.004504 3 sent 27 unknown
    0.004600 3 commit 0 group g 5@10..18 transaction 4
    0.005002 3 committed 0 ok
    0.005100 3 end 4 commit
    0.007311 3 ended 4 committed
    0.007400 3 end 5 abort
    0.007500 3 ended 5 unknown
    0.008000 9 look group g 2 5
    0.008300 9 found group g 5@18
    0.008400 9 assign 2@0 5@18 group g generation 7
    0.009000 8 assign 1@7
    0.010200 9 poll 2 2001=3.17+8 2010=4.0+1
    0.015000 9 commit 1 group g 2@2011
    0.016000 9 committed 1 failed
    12.020000 9 revoke 2

    """

  @Test("is read and written without loss")
  func roundTrip() throws {
    let history = try History(text: Self.text)
    #expect(history.text == Self.text)
    #expect(history.events.count == 20)
    #expect(
      history.events[16]
        == History.Event(
          timeNs: 10_200_000, process: 9,
          .poll(
            2,
            [
              RecordRun(offset: 2001, first: RecordID(process: 3, number: 17), count: 8),
              RecordRun(offset: 2010, first: RecordID(process: 4, number: 0), count: 1),
            ])))
    #expect(
      history.events[6].action
        == .commit(0, group: "g", [History.Position(5, 18, from: 10)], transaction: 4))
  }

  @Test(
    "is refused with the line and the reason",
    arguments: [
      ("0.000001 3", "what happened is missing"),
      ("0.1 3 revoke 2", "'0.1' is no time such as 12.345678"),
      ("9999999999.000000 3 revoke 2", "'9999999999.000000' is no time such as 12.345678"),
      ("0.000001 -1 revoke 2", "the process is a number from 0 to 8388607, not '-1'"),
      ("0.000001 3 sleep", "'sleep' is no verb of a history"),
      ("0.000001 3 send 17+0 partition 2", "'17+0' counts nothing"),
      ("0.000001 3 send 17+100001 partition 2", "a count is a number from 0 to 100000, not '100001'"),
      ("0.000001 3 send 1099511627775+2 partition 2", "1099511627775+2 is too far"),
      ("0.000001 3 send 17+8 to 2", "a partition is missing"),
      ("0.000001 3 sent 17 ok -5", "'-5' is no offset"),
      ("0.000001 3 sent 17 ok 9223372036854775807", "'9223372036854775807' is no offset"),
      ("0.000001 3 ended 4 lost", "'lost' is no outcome"),
      ("0.000001 3 poll 2 2001=3.17", "'3.17' is no count such as 17+8"),
      ("0.000001 3 poll 2 2001=317+8", "'317' is no record such as 3.17"),
      ("0.000001 3 assign 2-0", "'2-0' is no position such as 5@18"),
      ("0.000001 3 assign 2@0 group g", "a generation is missing"),
      ("0.000001 3 end 4 commit now", "'now' is too much"),
    ])
  func refused(line: String, reason: String) {
    #expect(throws: HistoryError(line: 2, reason)) { try History(text: "# a comment\n\(line)\n") }
  }

  @Test("names a record by its process and number, and a run takes in what continues it")
  func runs() throws {
    let record = RecordID(process: RecordID.processMax, number: RecordID.numberMax)
    #expect(record.description == "8388607.1099511627775")
    #expect(RecordID(packed: record.packed) == record)
    #expect(RecordID(packed: .max) == nil)
    var run = RecordRun(offset: 10, first: RecordID(process: 3, number: 5), count: 1)
    let taken = [(3, 6, 11), (3, 7, 13), (3, 8, 12), (4, 7, 12)].map { process, number, offset in
      run.extend(by: RecordID(process: process, number: number), at: Offset(Int64(offset)))
    }
    #expect(taken == [true, false, false, false])
    #expect(run.description == "10=3.5+2")
  }
}
