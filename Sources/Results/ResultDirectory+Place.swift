import Experiment
import Foundation
package import Verdict

extension ResultDirectory {
  /// Where results and charts lie: those that are kept, and those of quick runs, which a repository ignores.
  package enum Place {
    package static let kept = "results"
    package static let quick = "out/results"
    /// Of brokers that ran in Millrace's place, each in a directory of its own.
    package static let apart = "out"

    /// Charts of the results in a directory: beside one that is called `results`, and within any other.
    package static func plots(of results: String) -> String {
      var parts = results.split(separator: "/", omittingEmptySubsequences: false)
      while parts.count > 1, parts.last?.isEmpty == true { parts.removeLast() }
      guard parts.last == Substring(kept) else { return parts.joined(separator: "/") + "/plots" }
      return (parts.dropLast() + ["plots"]).joined(separator: "/")
    }

    /// The directory of results that a result lies in; nil where it lies otherwise than `NN-name/<UTC>-<commit>` in one.
    package static func results(around result: StoredResult) -> String? {
      let path = URL(filePath: result.path).standardizedFileURL.deletingLastPathComponent()
      guard path.lastPathComponent == result.experiment.stem else { return nil }
      // As it was written, where that says it: what is printed then is what the person knows.
      let written = result.path.split(separator: "/", omittingEmptySubsequences: false).filter { !$0.isEmpty }
      let isPlain = !written.contains { $0 == "." || $0 == ".." } && written.count > 2
      guard isPlain, !result.path.hasPrefix("/") else { return path.deletingLastPathComponent().path }
      return written.dropLast(2).joined(separator: "/")
    }

    package static func isSame(_ a: String, _ b: String) -> Bool {
      func place(_ path: String) -> String { URL(filePath: path).standardizedFileURL.resolvingSymlinksInPath().path }
      return place(a) == place(b)
    }

    /// A result under another profile than quick; nil where there is none, as in a directory that is not there.
    package static func firstKept(in results: String) -> String? {
      for stem in (SmallFile.entries(of: results) ?? []).sorted() {
        for name in (SmallFile.entries(of: "\(results)/\(stem)") ?? []).sorted() {
          let path = "\(results)/\(stem)/\(name)"
          guard let entries = try? Journal.read("\(path)/\(Name.journal)") else { continue }
          if let begin = History(entries).begin, begin.profile != Profile.quick.rawValue { return path }
        }
      }
      return nil
    }
  }
}
