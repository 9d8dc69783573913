import Foundation
import Model
import TestSupport
import Testing

@testable import Cluster

/// The scripts of `Scripts/`: commands, and beneath each the trace of what the controller did. MILLRACE_REWRITE_SCRIPTS=1
/// writes the traces as they are now into the scripts, to be read in the diff.
struct ControllerScriptTests {
  static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Scripts")
  static let names = ((try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? [])
    .filter { $0.hasSuffix(".txt") }.sorted()

  @Test("a script's trace is what it says", arguments: names)
  func script(name: String) throws {
    let file = Self.directory.appendingPathComponent(name)
    var steps = ControllerScript.steps(of: try String(contentsOf: file, encoding: .utf8))
    #expect(!steps.isEmpty, "\(name) has no steps")
    var script = ControllerScript()
    for index in steps.indices {
      let trace = try script.trace(of: steps[index].commands)
      if ProcessInfo.processInfo.environment["MILLRACE_REWRITE_SCRIPTS"] != "1" {
        #expect(
          trace == steps[index].expected,
          """
          \(name), after
          \(steps[index].commands.joined(separator: "\n"))
          \(Self.difference(steps[index].expected, trace))
          """)
      }
      steps[index].expected = trace
    }
    guard ProcessInfo.processInfo.environment["MILLRACE_REWRITE_SCRIPTS"] == "1" else { return }
    try ControllerScript.text(steps).write(to: file, atomically: true, encoding: .utf8)
  }

  @Test("there are scripts")
  func scripts() { #expect(Self.names.count >= 5) }

  private static func difference(_ expected: [String], _ found: [String]) -> String {
    let changes = found.difference(from: expected)
    return changes.map { change in
      switch change {
      case .remove(let offset, let line, _): "-\(offset + 1) \(line)"
      case .insert(let offset, let line, _): "+\(offset + 1) \(line)"
      }
    }.joined(separator: "\n")
  }
}
