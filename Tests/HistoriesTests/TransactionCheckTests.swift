import Testing

@testable import Histories

@Suite("Of transactions the analysis")
struct TransactionCheckTests {
  @Test("finds a read of an aborted record")
  func aborted() throws {
    let script = """
      1 send 0+2 partition 0 transaction 7
      1 sent 0 ok 10
      1 end 7 commit
      1 ended 7 aborted
      2 poll 0 10=1.0+1
      """
    #expect(try anomalies(script)[.abortedRead] == 1)
    #expect(
      try sentence(script)
        == "record 1.0 was read at offset 10 of partition 0, and its transaction 7 of process 1 was aborted")
    #expect(
      try shown(script)
        == ["1 send 0+2 partition 0 transaction 7", "1 sent 0 ok 10", "1 ended 7 aborted", "2 poll 0 10=1.0+1"])
  }

  @Test("finds a read of a refused batch, and of a transaction that nobody asked to commit")
  func neverThere() throws {
    #expect(try anomalies("1 send 0+1 partition 0\n1 sent 0 failed\n2 poll 0 10=1.0+1") == [.abortedRead: 1])
    let open = "1 send 0+1 partition 0 transaction 7\n1 sent 0 ok 10\n2 poll 0 10=1.0+1"
    #expect(try anomalies(open) == [.abortedRead: 1, .uncommittedRead: 1])
    let unanswered = "1 send 0+1 partition 0 transaction 7\n1 sent 0 ok 10\n1 end 7 abort\n2 poll 0 10=1.0+1"
    #expect(try anomalies(unanswered)[.abortedRead] == 1)
  }

  @Test(
    "finds no fault with reads of transactions that were committed, or may have been",
    arguments: ["committed", "unknown"])
  func committed(outcome: String) throws {
    let script = """
      1 send 0+1 partition 0 transaction 7
      1 sent 0 ok 10
      1 end 7 commit
      2 poll 0 10=1.0+1
      1 ended 7 \(outcome)
      """
    #expect(try anomalies(script) == [:])
  }

  @Test("finds a read before anybody asked to commit, though the transaction was committed later")
  func uncommitted() throws {
    let script = """
      1 send 0+1 partition 0 transaction 7
      1 sent 0 ok 10
      2 poll 0 10=1.0+1
      1 end 7 commit
      1 ended 7 committed
      """
    #expect(try anomalies(script) == [.uncommittedRead: 1])
    #expect(
      try sentence(script)
        == "record 1.0 was read at offset 10 of partition 0 before anybody asked to commit transaction 7 of process 1")
  }

  @Test("finds a transaction torn of which a part was read", arguments: ["committed", "unknown"])
  func torn(outcome: String) throws {
    func script(_ second: String) -> String {
      """
      1 send 0+2 partition 0 transaction 7
      1 send 2+2 partition 1 transaction 7
      1 sent 0 ok 10
      1 sent 2 ok 20
      1 end 7 commit
      1 ended 7 \(outcome)
      2 poll 0 10=1.0+2
      \(second)
      """
    }
    #expect(try anomalies(script(""))[.tornTransaction] == 1)
    #expect(try anomalies(script("2 poll 1 20=1.2+2")) == [:])
  }

  @Test("finds no transaction torn of whose records none was read, or the missing one was not acknowledged")
  func whole() throws {
    let none = "1 send 0+2 partition 0 transaction 7\n1 sent 0 ok 10\n1 end 7 commit\n1 ended 7 unknown"
    #expect(try anomalies(none) == [:])
    let unacknowledged = """
      1 send 0+1 partition 0 transaction 7
      1 send 1+1 partition 1 transaction 7
      1 sent 0 ok 10
      1 end 7 commit
      2 poll 0 10=1.0+1
      """
    #expect(try anomalies(unacknowledged) == [:])
  }

  @Test("says how much of a torn transaction was read")
  func tornSentence() throws {
    let script = """
      1 send 0+3 partition 0 transaction 7
      1 sent 0 ok 10
      1 end 7 commit
      2 poll 0 10=1.0+1
      """
    #expect(
      try sentence(script)
        == "of transaction 7 of process 1 1 records have been read, 1.0 for one, and 2 have not, 1.1 for one")
  }

  @Test(
    "finds a record that two committed transactions consumed, and none where one was aborted or they follow each other")
  func consumedTwice() throws {
    func script(_ from: Int, _ outcome: String) -> String {
      """
      1 commit 0 group g 0@0..10 transaction 1
      1 committed 0 ok
      1 end 1 commit
      1 ended 1 committed
      1 commit 1 group g 0@\(from)..20 transaction 2
      1 committed 1 ok
      1 end 2 commit
      1 ended 2 \(outcome)
      """
    }
    #expect(try anomalies(script(9, "committed")) == [.consumedTwice: 1])
    #expect(
      try sentence(script(9, "committed"))
        == "two committed transactions of group g consumed offset 9 of partition 0")
    #expect(try anomalies(script(10, "committed")) == [:])
    #expect(try anomalies(script(9, "aborted")) == [:])
  }
}
