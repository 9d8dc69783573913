import Foundation
import Model
import TestSupport
import Testing

@testable import Cluster

/// The scripts of `Scripts/Transactions/`; see `ControllerScriptTests`.
@Suite("A transaction coordinator's script")
struct TransactionScriptTests {
  static let directory = ControllerScriptTests.directory.appendingPathComponent("Transactions")
  static let names = ((try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? [])
    .filter { $0.hasSuffix(".txt") }.sorted()

  @Test("has the trace that it says", arguments: names)
  func script(name: String) throws {
    let isRewriting = ProcessInfo.processInfo.environment["MILLRACE_REWRITE_SCRIPTS"] == "1"
    let file = Self.directory.appendingPathComponent(name)
    var steps = ControllerScript.steps(of: try String(contentsOf: file, encoding: .utf8))
    #expect(!steps.isEmpty, "\(name) has no steps")
    var script = TransactionScript()
    for index in steps.indices {
      let trace = try script.trace(of: steps[index].commands)
      if !isRewriting {
        #expect(trace == steps[index].expected, "\(name), after\n\(steps[index].commands.joined(separator: "\n"))")
      }
      steps[index].expected = trace
    }
    if isRewriting { try ControllerScript.text(steps).write(to: file, atomically: true, encoding: .utf8) }
  }

  @Test("is one of at least six")
  func scripts() { #expect(Self.names.count >= 6) }
}

@Suite("A transaction coordinator, against a model")
struct TransactionModelTests {
  @Test(
    "carries every decision out, once and in all partitions, whatever fails and whenever it crashes",
    arguments: Seed.some(100))
  func anyOrder(seed: Seed) {
    var model = TransactionModel(seed)
    for _ in 0..<600 where !model.hasFailed { model.step() }
    model.settle()
  }

  @Test("nor does a seed that no run had before find it wrong")
  func fresh() {
    var model = TransactionModel(.fresh)
    for _ in 0..<2000 where !model.hasFailed { model.step() }
    model.settle()
  }

  @Test("decides, fences and completes in that model")
  func reaches() {
    var seen: Set<String> = []
    for number in UInt64(1)...20 {
      var model = TransactionModel(Seed(number))
      for _ in 0..<600 { model.step() }
      model.settle()
      seen.formUnion(model.seen)
    }
    let wanted: Set = [
      "commit", "abort", "PRODUCER_FENCED", "CONCURRENT_TRANSACTIONS", "crash", "failed after writing", "timeout",
      "two partitions",
    ]
    #expect(wanted.isSubset(of: seen), "not reached: \(wanted.subtracting(seen).sorted())")
  }
}
