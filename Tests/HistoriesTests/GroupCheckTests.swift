import Testing

@testable import Histories

@Suite("Of groups the analysis")
struct GroupCheckTests {
  private static let commits = """
    2 commit 0 group g 0@10
    2 committed 0 ok
    2 commit 1 group g 0@20
    """

  @Test("finds a committed offset lost: an older one, another one or none was found")
  func stale() throws {
    let known = Self.commits + "\n2 committed 1 ok\n3 look group g 0\n"
    #expect(try anomalies(known + "3 found group g 0@20") == [:])
    #expect(try anomalies(known + "3 found group g 0@10") == [.staleOffset: 1])
    #expect(try anomalies(known + "3 found group g 0@15") == [.staleOffset: 1])
    #expect(try anomalies(known + "3 found group g") == [.staleOffset: 1])
    #expect(
      try sentence(known + "3 found group g 0@10")
        == "the committed offset of group g in partition 0 was found to be 10, and 20 was committed")
    #expect(
      try sentence(known + "3 found group g")
        == "the committed offset of group g in partition 0 was found to be none, and 20 was committed")
    #expect(
      try shown(known + "3 found group g")
        == ["2 commit 1 group g 0@20", "2 committed 1 ok", "3 look group g 0", "3 found group g"])
    #expect(
      try sentence("3 look group g 0\n3 found group g 0@5")
        == "the committed offset of group g in partition 0 was found to be 5, which nobody has committed")
  }

  @Test("takes either offset while a commit is not answered, answered after the look, or of unknown outcome")
  func underWay() throws {
    for end in ["", "2 committed 1 unknown\n"] {
      let open = Self.commits + "\n\(end)3 look group g 0\n"
      #expect(try anomalies(open + "3 found group g 0@10") == [:])
      #expect(try anomalies(open + "3 found group g 0@20") == [:])
      #expect(try anomalies(open + "3 found group g") == [.staleOffset: 1])
    }
    let late = Self.commits + "\n3 look group g 0\n2 committed 1 ok\n"
    #expect(try anomalies(late + "3 found group g 0@10") == [:])
    #expect(try anomalies(late + "3 found group g 0@20") == [:])
  }

  @Test("finds the offset of a refused commit stale")
  func refused() throws {
    let script = Self.commits + "\n2 committed 1 failed\n3 look group g 0\n"
    #expect(try anomalies(script + "3 found group g 0@10") == [:])
    #expect(try anomalies(script + "3 found group g 0@20") == [.staleOffset: 1])
  }

  @Test("keeps groups and partitions apart")
  func apart() throws {
    let script =
      Self.commits + "\n2 committed 1 ok\n3 look group h 0\n3 found group h\n3 look group g 1\n3 found group g"
    #expect(try anomalies(script) == [:])
  }

  @Test("takes an offset of a transaction for committed with the transaction, and not before or without it")
  func inTransaction() throws {
    func script(_ end: String) -> String {
      """
      2 commit 0 group g 0@0..10 transaction 1
      2 committed 0 ok
      \(end)
      3 look group g 0
      """
    }
    let committed = script("2 end 1 commit\n2 ended 1 committed")
    #expect(try anomalies(committed + "\n3 found group g 0@10") == [:])
    #expect(try anomalies(committed + "\n3 found group g") == [.staleOffset: 1])
    for end in ["", "2 end 1 abort\n2 ended 1 aborted", "2 end 1 commit\n2 ended 1 aborted"] {
      #expect(try anomalies(script(end) + "\n3 found group g") == [:])
      #expect(try anomalies(script(end) + "\n3 found group g 0@10") == [.staleOffset: 1])
    }
    let untold = script("2 end 1 commit\n2 ended 1 committed").replacing("2 committed 0 ok\n", with: "")
    #expect(try anomalies(untold + "\n3 found group g") == [:])
    #expect(try anomalies(untold + "\n3 found group g 0@10") == [:])
    let unknown = script("2 end 1 commit\n2 ended 1 unknown")
    #expect(try anomalies(unknown + "\n3 found group g") == [:])
    #expect(try anomalies(unknown + "\n3 found group g 0@10") == [:])
  }

  @Test("finds records that a group committed over without reading them")
  func passedOver() throws {
    func script(_ polls: String, _ outcome: String) -> String {
      """
      1 send 0+5 partition 0
      9 assign 0@0
      9 poll 0 0=1.0+5
      2 assign 0@0 group g generation 1
      \(polls)
      2 commit 0 group g 0@4
      2 committed 0 \(outcome)
      """
    }
    #expect(try anomalies(script("2 poll 0 0=1.0+4", "ok")) == [:])
    #expect(try anomalies(script("2 poll 0 0=1.0+3", "ok")) == [.passedOver: 1])
    #expect(try anomalies(script("2 poll 0 0=1.0+3", "unknown")) == [:])
    #expect(
      try sentence(script("2 poll 0 0=1.0+3", "ok"))
        == "group g committed offset 4 of partition 0, and none of its members has read offset 3, record 1.3")
    let together = """
      2 poll 0 0=1.0+2
      3 assign 0@2 group g generation 2
      3 poll 0 2=1.2+2
      2 assign 0@4 group g generation 3
      """
    #expect(try anomalies(script(together, "ok")) == [:])
  }

  @Test(
    "finds a commit that was taken after its partition had gone to another member, and none that was refused or sent before"
  )
  func zombieCommit() throws {
    func script(_ order: [String]) -> String {
      (["2 assign 0@0 group g generation 1"] + order).joined(separator: "\n")
    }
    let other = "3 assign 0@0 group g generation 2"
    let zombie = [other, "2 commit 0 group g 0@4", "2 committed 0 ok"]
    #expect(try anomalies(script(zombie)) == [.zombieCommit: 1])
    #expect(
      try sentence(script(zombie))
        == "process 2 of group g was assigned partition 0 in generation 1, process 3 in generation 2, and then the first could "
        + "commit")
    #expect(try shown(script(zombie)) == ["2 assign 0@0 group g generation 1"] + zombie)
    #expect(try anomalies(script([other, "2 commit 0 group g 0@4", "2 committed 0 failed"])) == [:])
    #expect(try anomalies(script(["2 commit 0 group g 0@4", other, "2 committed 0 ok"])) == [:])
    // Another partition, and a member that has the partition again.
    #expect(try anomalies(script([other, "2 commit 0 group g 1@4", "2 committed 0 ok"])) == [:])
    let again = [other, "2 assign 0@0 group g generation 3", "2 commit 0 group g 0@4", "2 committed 0 ok"]
    #expect(try anomalies(script(again)) == [:])
  }

  @Test("finds two owners of a partition in one generation")
  func twoOwners() throws {
    func script(_ group: String, _ generation: Int) -> String {
      "2 assign 0@0 group g generation 3\n3 assign 0@0 group \(group) generation \(generation)"
    }
    #expect(try anomalies(script("g", 3)) == [.twoOwners: 1])
    #expect(try anomalies(script("g", 4)) == [:])
    #expect(try anomalies(script("h", 3)) == [:])
    #expect(
      try sentence(script("g", 3))
        == "in generation 3 of group g partition 0 belongs to process 2 and to process 3")
    // The same member may be told again.
    #expect(try anomalies("2 assign 0@0 group g generation 3\n2 assign 0@5 group g generation 3") == [:])
  }
}
