import Base
import Testing

@testable import Histories

@Suite("Any history")
struct AnyHistoryTests {
  /// Words of lines, from which lines are put together that say anything at all.
  private static let numbers = [
    "0", "1", "2", "3", "7", "100000", "2147483647", "1099511627775", "8388607", "9223372034707292159",
  ]

  private static func line(_ random: inout SplitMix) -> String {
    func number() -> String { random.pick(numbers) }
    func small() -> String { "\(random.below(4))" }
    func count() -> String { "\(small())+\(1 + random.below(5))" }
    func run() -> String { "\(random.below(9) == 0 ? number() : small())=\(small()).\(count())" }
    func position() -> String { "\(small())@" + (random.below(2) == 0 ? "" : "\(small())..") + small() }
    func outcome(_ all: [String]) -> String { random.pick(all) }
    let transaction = random.below(2) == 0 ? "" : " transaction \(small())"
    let action =
      switch random.below(11) {
      case 0: "send \(count()) partition \(small())\(transaction)"
      case 1: "sent \(small()) \(outcome(["ok ?", "ok \(small())", "ok \(number())", "failed", "unknown"]))"
      case 2: "end \(small()) \(outcome(["commit", "abort"]))"
      case 3: "ended \(small()) \(outcome(["committed", "aborted", "unknown"]))"
      case 4: "look group g \(small()) \(small())"
      case 5: "found group g \(position())"
      case 6: "assign \(position()) \(position())" + (random.below(2) == 0 ? "" : " group g generation \(small())")
      case 7: "revoke \(small())"
      case 8: "poll \(small()) \(run()) \(run())"
      case 9: "commit \(small()) group g \(position())\(transaction)"
      default: "committed \(small()) \(outcome(["ok", "failed", "unknown"]))"
      }
    return "0.000001 \(small()) \(action)"
  }

  @Test("can be analysed, and gives the same findings again", arguments: 1...300 as ClosedRange<UInt64>)
  func analysed(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    var lines: [String] = []
    for _ in 0..<1 + random.below(60) { lines.append(Self.line(&random)) }
    // The largest offsets leave room for a run; a line that has none is refused.
    let histories = lines.compactMap { try? History(text: $0) }
    var history = History()
    for event in histories.flatMap(\.events) { history.append(event) }
    let analysis = HistoryAnalysis(history)
    #expect(HistoryAnalysis(try History(text: history.text)) == analysis)
    for finding in analysis.findings {
      #expect(!finding.events.isEmpty && finding.events.allSatisfy(history.events.indices.contains), "\(finding)")
    }
    #expect(analysis.isClean == analysis.findings.isEmpty)
  }

  @Test("that was damaged is read or refused", arguments: 1...200 as ClosedRange<UInt64>)
  func damaged(seed: UInt64) {
    var random = SplitMix(seed: seed)
    var bytes = Array(HistoryTextTests.text.utf8)
    for _ in 0..<1 + random.below(8) {
      bytes[random.below(bytes.count)] = UInt8(random.pick(Array(" 0189.+@=-\n?ga".utf8)))
    }
    guard let history = try? History(text: String(decoding: bytes, as: UTF8.self)) else { return }
    #expect(HistoryAnalysis(history).figures.events == history.events.count)
  }
}
