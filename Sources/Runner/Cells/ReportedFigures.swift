package import Experiment
import Foundation
import Measure

/// What a measuring program says of itself: its last line of output, one JSON object.
package struct ReportedFigures: Sendable, Equatable {
  private var numbers: [String: Double]
  private var texts: [String: String]
  /// Seconds since measuring began, and the bytes moved by then; empty where the program reports none.
  private(set) package var moments: [(seconds: Double, bytes: Double)] = []

  /// Nil when the last line is no JSON object. Nested objects become `outer.inner`, lists of them `outer.0.inner`.
  package init?(output: String) {
    guard let line = output.split(separator: "\n").last(where: { !$0.allSatisfy(\.isWhitespace) }),
      let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    else { return nil }
    numbers = [:]
    texts = [:]
    add(object, "")
    moments = (object["moments"] as? [[Double]] ?? []).compactMap { $0.count == 2 ? ($0[0], $0[1]) : nil }
  }

  package static func == (a: ReportedFigures, b: ReportedFigures) -> Bool {
    a.numbers == b.numbers && a.texts == b.texts && a.moments.elementsEqual(b.moments, by: ==)
  }

  private mutating func add(_ object: [String: Any], _ prefix: String) {
    for (key, value) in object {
      switch value {
      case let nested as [String: Any]: add(nested, prefix + key + ".")
      case let list as [[String: Any]]:
        for (index, object) in list.enumerated() { add(object, "\(prefix)\(key).\(index).") }
      case let number as NSNumber: numbers[prefix + key] = number.doubleValue
      case let text as String: texts[prefix + key] = text
      default: break
      }
    }
  }

  package subscript(_ key: String) -> Double? { numbers[key] }

  /// Throws where the program does not report it: a figure that is missing is not 0.
  func required(_ key: String) throws(RunError) -> Double {
    guard let figure = numbers[key] else { throw .failed("the program reported no figure `\(key)`") }
    return figure
  }

  /// What a program that sweeps says of one level of its sweep: the metrics of `at.LEVEL`.
  package func metrics(at level: Level) -> [String: Double] {
    let prefix = "at.\(level.text)."
    let pairs = numbers.compactMap { name, value -> (String, Double)? in
      guard name.hasPrefix(prefix) else { return nil }
      let metric = String(name.dropFirst(prefix.count))
      return Metric.named(metric) == nil ? nil : (metric, value)
    }
    return Dictionary(uniqueKeysWithValues: pairs)
  }

  package func text(_ key: String) -> String? { texts[key] }

  /// Those whose names are metrics, and the load generator's latencies under theirs.
  package var metrics: [String: Double] {
    var metrics = numbers.filter { Metric.named($0.key) != nil }
    for kind in ["response", "service", "end_to_end", "transaction"] {
      for percentile in ["p50", "p99", "p99_9"] {
        guard let value = numbers["\(kind)_latency_ms.\(percentile)"] else { continue }
        metrics["\(kind)_\(percentile)_ms"] = value
      }
    }
    if metrics[.mbPerSecond] == nil, let mib = metrics[.mibPerSecond] { metrics[.mbPerSecond] = mib * 1.048_576 }
    if metrics[.mibPerSecond] == nil, let mb = metrics[.mbPerSecond] { metrics[.mibPerSecond] = mb / 1.048_576 }
    return metrics
  }
}
