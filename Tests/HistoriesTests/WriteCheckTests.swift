import Testing

@testable import Histories

@Suite("Of writes the analysis")
struct WriteCheckTests {
  @Test("finds an acknowledged record lost that nobody read, though somebody read what lies behind it")
  func lostWrite() throws {
    let script = """
      1 send 0+2 partition 0
      1 sent 0 ok 10
      2 assign 0@10
      2 poll 0 10=1.0+1
      1 send 2+1 partition 0
      1 sent 2 ok 12
      2 assign 0@12
      2 poll 0 12=1.2+1
      """
    #expect(try anomalies(script) == [.lostWrite: 1])
    #expect(
      try sentence(script)
        == "record 1.1 was acknowledged at offset 11 of partition 0 and nobody has read it, but offset 12")
    #expect(try shown(script) == ["1 send 0+2 partition 0", "1 sent 0 ok 10", "2 poll 0 12=1.2+1"])
  }

  @Test("finds an acknowledged record unseen that lies behind all that was read, or at an offset that nobody knows")
  func unseen() throws {
    let end = """
      1 send 0+2 partition 0
      1 sent 0 ok 10
      2 poll 0 10=1.0+1
      """
    #expect(try anomalies(end) == [.unseen: 1])
    #expect(try anomalies("1 send 0+2 partition 0\n1 sent 0 ok ?\n2 poll 0 10=1.0+1") == [.unseen: 1])
    #expect(try anomalies("1 send 0+2 partition 0\n1 sent 0 ok ?\n2 poll 0 10=1.0+2") == [:])
  }

  @Test(
    "misses nothing of a batch that was refused, given up, or is not answered", arguments: ["failed", "unknown", ""])
  func notPromised(outcome: String) throws {
    let sent = outcome.isEmpty ? "" : "1 sent 0 \(outcome)"
    #expect(try anomalies("1 send 0+2 partition 0\n\(sent)\n3 send 0+1 partition 0\n2 poll 0 10=3.0+1") == [:])
  }

  @Test("misses nothing of a transaction that was not committed for sure", arguments: ["aborted", "unknown"])
  func notCommitted(outcome: String) throws {
    let script = """
      1 send 0+2 partition 0 transaction 1
      1 sent 0 ok 10
      1 end 1 commit
      1 ended 1 \(outcome)
      3 send 0+1 partition 0
      2 poll 0 13=3.0+1
      """
    #expect(try anomalies(script) == [:])
  }

  @Test("finds the records of a committed transaction lost that nobody read")
  func lostTransaction() throws {
    let script = """
      1 send 0+2 partition 0 transaction 1
      1 sent 0 ok 10
      1 end 1 commit
      1 ended 1 committed
      3 send 0+1 partition 0
      2 poll 0 13=3.0+1
      """
    #expect(try anomalies(script) == [.lostWrite: 2])
  }

  @Test("finds a record that was read at two places a duplicate, once, and a record that was read twice none")
  func duplicate() throws {
    let script = """
      1 send 0+1 partition 0
      2 poll 0 10=1.0+1
      2 assign 0@11
      2 poll 0 11=1.0+1
      """
    #expect(try anomalies(script) == [.duplicate: 1])
    #expect(try sentence(script) == "record 1.0 is at offset 10 of partition 0, and at offset 11 of partition 0")
    #expect(
      try shown(script) == ["1 send 0+1 partition 0", "2 poll 0 10=1.0+1", "2 poll 0 11=1.0+1"])
    #expect(try anomalies("1 send 0+1 partition 0\n2 poll 0 10=1.0+1\n3 poll 0 10=1.0+1") == [:])
  }

  @Test("finds two records at one place, whether both were read or one was acknowledged there")
  func inconsistentOffset() throws {
    let read = "1 send 0+2 partition 0\n2 poll 0 10=1.0+1\n3 poll 0 10=1.1+1"
    #expect(try anomalies(read) == [.inconsistentOffset: 1])
    #expect(try sentence(read) == "offset 10 of partition 0 holds record 1.0, and record 1.1")
    let acknowledged = """
      1 send 0+1 partition 0
      1 sent 0 ok 10
      3 send 0+1 partition 0
      3 sent 0 ok 10
      2 poll 0 10=3.0+1
      """
    #expect(try anomalies(acknowledged)[.inconsistentOffset] == 1)
  }

  @Test("finds a record that nobody sent, or that was sent to another partition, a phantom")
  func phantom() throws {
    #expect(try anomalies("2 poll 0 10=1.0+1") == [.phantom: 1])
    #expect(try anomalies("1 send 0+1 partition 1\n2 poll 0 10=1.0+1") == [.phantom: 1])
    #expect(try anomalies("1 send 0+1 partition 0\n2 poll 0 10=1.1+1") == [.phantom: 1])
    #expect(
      try sentence("2 poll 0 10=1.0+1")
        == "record 1.0 was read at offset 10 of partition 0, and nobody had sent it there")
  }

  @Test("finds batches of a producer in another order than they were sent, of one partition and process alone")
  func nonmonotonicSend() throws {
    func script(_ first: Int, _ second: Int, partition: Int = 0) -> String {
      """
      1 send 0+2 partition 0
      1 send 2+1 partition \(partition)
      1 sent 0 ok \(first)
      1 sent 2 ok \(second)
      2 poll 0 \(min(first, second))=1.\(first < second ? "0+2" : "2+1")
      2 assign 0@0
      """
    }
    #expect(try anomalies(script(10, 12))[.nonmonotonicSend] == nil)
    #expect(try anomalies(script(11, 10))[.nonmonotonicSend] == 1)
    #expect(try anomalies(script(11, 10, partition: 1))[.nonmonotonicSend] == nil)
    #expect(
      try sentence(
        "1 send 0+2 partition 0\n1 send 2+1 partition 0\n1 sent 0 ok 11\n1 sent 2 ok 10\n2 poll 0 10=1.2+1 11=1.0+2")
        == "process 1 sent record 2 to partition 0 after record 1, and its offset 10 is not behind that one's 12")
  }

  @Test("counts all findings, and keeps the first ten of an anomaly with their events")
  func kept() throws {
    let analysis = HistoryAnalysis(try history("2 poll 0 10=1.0+25"))
    #expect(analysis.counts == [.phantom: 25])
    #expect(analysis.findings.count == 10)
    #expect(!analysis.isClean)
  }

  @Test("tells what a history holds")
  func figures() throws {
    let figures = HistoryAnalysis(
      try history(
        """
        1 send 0+2 partition 0 transaction 1
        1 sent 0 ok 10
        1 end 1 commit
        1 ended 1 committed
        1 send 2+3 partition 0 transaction 2
        1 end 2 abort
        1 ended 2 aborted
        2 assign 0@10 group g generation 1
        2 poll 0 10=1.0+2
        2 commit 0 group g 0@12
        2 committed 0 ok
        """)
    ).figures
    #expect(figures.events == 11)
    #expect((figures.batches, figures.records, figures.acknowledgedRecords, figures.recordsRead) == (2, 5, 2, 2))
    #expect((figures.transactions, figures.committed, figures.aborted) == (2, 1, 1))
    #expect((figures.assignments, figures.commits) == (1, 1))
  }
}
