import Base
import Model
import Testing

@testable import Load

@Suite("Integrity")
struct SequenceTests {
  let stream = StreamID(run: 1, producer: 0, partition: 0)

  func counts(_ sequences: [UInt64], fromStart: Bool = true) -> IntegrityCounts {
    var check = IntegrityCheck()
    for sequence in sequences { check.received(stream, sequence: sequence, fromStart: fromStart) }
    return check.result
  }

  @Test("records in order are clean")
  func clean() {
    #expect(counts(Array(0..<1000)).isClean)
    #expect(counts(Array(0..<1000)).records == 1000)
  }

  @Test("what is skipped is lost")
  func lost() {
    #expect(counts([0, 1, 5, 6, 9]).lost == 5)
  }

  @Test("a stream read from its start must begin with 0, one read from the middle need not")
  func start() {
    #expect(counts([3, 4]).lost == 3)
    #expect(counts([3, 4], fromStart: false).isClean)
  }

  @Test("a partition that is read anew begins anywhere, and what was missing before stays missing")
  func anew() {
    var check = IntegrityCheck()
    let other = StreamID(run: 1, producer: 0, partition: 1)
    for sequence: UInt64 in [0, 2] { check.received(stream, sequence: sequence, fromStart: true) }
    check.received(other, sequence: 0, fromStart: true)
    check.beginAgain(in: 0)
    for sequence: UInt64 in [90, 91] { check.received(stream, sequence: sequence, fromStart: false) }
    check.received(other, sequence: 5, fromStart: true)
    #expect(check.result.lost == 1 + 4 && check.result.duplicated == 0)
  }

  @Test("what comes again is duplicated, however far back")
  func duplicated() {
    let result = counts([0, 1, 1, 2, 3, 0, 2])
    #expect(result.duplicated == 3)
    #expect(result.lost == 0 && result.reordered == 0)
  }

  @Test("what comes late is reordered and not lost")
  func reordered() {
    let result = counts([0, 3, 1, 2, 4])
    #expect(result.reordered == 2)
    #expect(result.lost == 0 && result.duplicated == 0)
  }

  @Test("the worked case: 0 1 2 5 6 3 6")
  func workedCase() {
    let result = counts([0, 1, 2, 5, 6, 3, 6])
    #expect(result.lost == 1)
    #expect(result.reordered == 1)
    #expect(result.duplicated == 1)
  }

  @Test("streams do not disturb each other")
  func streams() {
    var check = IntegrityCheck()
    for sequence in UInt64(0)..<100 {
      for partition in 0..<7 {
        check.received(StreamID(run: 1, producer: 0, partition: partition), sequence: sequence, fromStart: true)
      }
    }
    #expect(check.result.isClean)
    #expect(check.result.records == 700)
  }

  @Test("what a producer was given and never came at the end is told apart")
  func missing() {
    var check = IntegrityCheck()
    check.received(stream, sequence: 0, fromStart: true)
    #expect(check.missing(from: stream, upTo: 10) == 9)
    #expect(check.missing(from: StreamID(run: 1, producer: 1, partition: 0), upTo: 4) == 4)
  }

  @Test("a corrupt record accounts for one missing number of its partition, and of no other")
  func corruptIsNotLostToo() {
    var check = IntegrityCheck()
    let other = StreamID(run: 1, producer: 0, partition: 1)
    for sequence in [UInt64(0), 1, 3, 4, 7] { check.received(stream, sequence: sequence, fromStart: true) }
    for sequence in [UInt64(0), 2] { check.received(other, sequence: sequence, fromStart: true) }
    check.receivedCorrupt(in: 0)
    check.addMissing(of: stream, upTo: 10, wasRead: true)
    check.addMissing(of: other, upTo: 5, wasRead: false)
    let found = check.result
    #expect(found.corrupt == 1 && found.lost == 4 + 1 && found.unread == 2)
    #expect(found.verified == 7)
    #expect(found.verified + found.lost + found.corrupt + found.unread == 15)
  }

  @Test("a stream of the run itself begins with 0 wherever reading began")
  func ownRun() {
    var check = IntegrityCheck(ownRun: 1)
    check.received(stream, sequence: 2, fromStart: false)
    check.received(StreamID(run: 2, producer: 0, partition: 0), sequence: 7, fromStart: false)
    #expect(check.result.lost == 2)
  }

  @Test("gaps are bounded: the oldest is given up for good")
  func bounded() {
    var check = IntegrityCheck(gapsMax: 3)
    for sequence in stride(from: UInt64(0), to: 20, by: 2) {
      check.received(stream, sequence: sequence, fromStart: true)
    }
    #expect(check.result.lost == 9)
    check.received(stream, sequence: 1, fromStart: true)
    #expect(check.result.duplicated == 1)
    check.received(stream, sequence: 17, fromStart: true)
    #expect(check.result.reordered == 1)
    #expect(check.result.lost == 8)
  }

  /// Against a plain set: every fault that is injected is counted, whatever the order.
  @Test("counts agree with a set that remembers everything", arguments: 0..<50)
  func model(seed: Int) {
    var random = SplitMix(seed: UInt64(seed))
    var sent: [UInt64] = []
    for sequence in UInt64(0)..<500 {
      let fate = random.below(20)
      if fate == 0 { continue }
      sent.append(sequence)
      if fate == 1 { sent.insert(sequence, at: random.below(sent.count + 1)) }
      if fate == 2, sent.count > 3 { sent.swapAt(sent.count - 1, sent.count - 1 - random.below(3)) }
    }
    sent.append(500)
    var seen: Set<UInt64> = []
    var (duplicated, reordered, highest) = (0, 0, -1)
    for sequence in sent {
      if !seen.insert(sequence).inserted {
        duplicated += 1
      } else if Int(sequence) < highest {
        reordered += 1
      }
      highest = max(highest, Int(sequence))
    }
    let result = counts(sent)
    #expect(result.duplicated == duplicated, "seed \(seed)")
    #expect(result.reordered == reordered, "seed \(seed)")
    #expect(result.lost == 501 - seen.count, "seed \(seed)")
  }
}
