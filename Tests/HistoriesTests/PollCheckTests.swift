import Testing

@testable import Histories

@Suite("Of polls the analysis")
struct PollCheckTests {
  /// Records 1.0 to 1.5 at offsets 0 to 5, but for a marker at 3: another reader has read them all.
  static let log = """
    1 send 0+5 partition 0
    9 assign 0@0
    9 poll 0 0=1.0+3 4=1.3+2
    """

  @Test("finds a reader that came back to where it had been, between polls and inside of one")
  func nonmonotonic() throws {
    let between = Self.log + "\n2 assign 0@0\n2 poll 0 0=1.0+3\n2 poll 0 2=1.2+1"
    #expect(try anomalies(between) == [.nonmonotonicPoll: 1])
    #expect(try sentence(between) == "process 2 was to go on at offset 3 of partition 0, and read 2")
    #expect(try shown(between) == ["2 poll 0 0=1.0+3", "2 poll 0 2=1.2+1"])
    #expect(try anomalies(Self.log + "\n2 poll 0 1=1.1+1 0=1.0+1") == [.nonmonotonicPoll: 1])
    #expect(try anomalies(Self.log + "\n2 assign 0@4\n2 poll 0 2=1.2+1") == [.nonmonotonicPoll: 1])
  }

  @Test("finds a reader that left records out, between polls, inside of one and at the beginning of an assignment")
  func skipped() throws {
    let between = Self.log + "\n2 assign 0@0\n2 poll 0 0=1.0+1\n2 poll 0 2=1.2+1"
    #expect(try anomalies(between) == [.skippedPoll: 1])
    #expect(
      try sentence(between)
        == "process 2 was to go on at offset 1 of partition 0, and read 2 without offset 1, record 1.1")
    #expect(try anomalies(Self.log + "\n2 poll 0 0=1.0+1 2=1.2+1") == [.skippedPoll: 1])
    #expect(try anomalies(Self.log + "\n2 assign 0@1\n2 poll 0 2=1.2+1") == [.skippedPoll: 1])
  }

  @Test("finds a record left out that was only acknowledged")
  func acknowledged() throws {
    let script = """
      1 send 0+3 partition 0
      1 sent 0 ok 0
      2 assign 0@0
      2 poll 0 0=1.0+1
      2 poll 0 2=1.2+1
      """
    #expect(try anomalies(script) == [.lostWrite: 1, .skippedPoll: 1])
  }

  @Test("finds no fault with gaps where nothing is to be read: markers, and records that were aborted")
  func gaps() throws {
    #expect(try anomalies(Self.log + "\n2 assign 0@0\n2 poll 0 0=1.0+3\n2 poll 0 4=1.3+2") == [:])
    let aborted = """
      1 send 0+1 partition 0
      1 sent 0 ok 0
      1 send 1+1 partition 0 transaction 1
      1 sent 1 ok 1
      1 end 1 abort
      1 ended 1 aborted
      1 send 2+1 partition 0
      1 sent 2 ok 3
      2 assign 0@0
      2 poll 0 0=1.0+1
      2 poll 0 3=1.2+1
      """
    #expect(try anomalies(aborted) == [:])
  }

  @Test("allows a reader that seeks, or is assigned a partition again, to go anywhere")
  func seeks() throws {
    let start = Self.log + "\n2 assign 0@0\n2 poll 0 0=1.0+3"
    #expect(try anomalies(start + "\n2 assign 0@1\n2 poll 0 1=1.1+2") == [:])
    #expect(try anomalies(start + "\n2 assign 0@4\n2 poll 0 4=1.3+2") == [:])
    #expect(try anomalies(start + "\n2 revoke 0\n2 poll 0 1=1.1+1") == [:])
    // A seek in another partition changes nothing in this one.
    #expect(try anomalies(start + "\n2 assign 1@0\n2 poll 0 2=1.2+1") == [.nonmonotonicPoll: 1])
    #expect(try anomalies(start + "\n3 assign 0@0\n2 poll 0 2=1.2+1") == [.nonmonotonicPoll: 1])
  }
}
