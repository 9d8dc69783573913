import Testing

@testable import Histories

/// A history as its lines, without the times.
func history(_ script: String) throws -> History {
  try History(text: script.split(separator: "\n").map { "0.000000 \($0)" }.joined(separator: "\n"))
}

/// What an analysis finds, and how often.
func anomalies(_ script: String) throws -> [Anomaly: Int] { HistoryAnalysis(try history(script)).counts }

/// The sentence of the first finding.
func sentence(_ script: String) throws -> String {
  try #require(HistoryAnalysis(try history(script)).findings.first?.what)
}

/// The events of the first finding, as their lines without the times.
func shown(_ script: String) throws -> [String] {
  let history = try history(script)
  let finding = try #require(HistoryAnalysis(history).findings.first)
  return finding.events.map { "\(history.events[$0].process) \(history.events[$0].action)" }
}
