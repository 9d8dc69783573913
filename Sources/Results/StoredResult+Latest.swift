import Experiment
import Foundation
package import Verdict

extension StoredResult {
  /// The latest result of each experiment at a place: a directory of results, the directory of one result, or a pack. And what could not be
  /// read.
  package static func latest(at path: String) -> (results: [StoredResult], failures: [String]) {
    var (results, failures): ([StoredResult], [String]) = ([], [])
    func add(_ files: () throws -> ResultFiles) {
      do { results.append(try StoredResult(reading: try files())) } catch { failures.append("\(error)") }
    }
    func isResult(_ path: String) -> Bool {
      FileManager.default.fileExists(atPath: "\(path)/\(ResultDirectory.Name.journal)")
    }
    if isResult(path) {
      add { try ResultFiles(directory: path) }
    } else if let stems = SmallFile.entries(of: path) {
      for stem in stems {
        let latest = (SmallFile.entries(of: "\(path)/\(stem)") ?? []).map { "\(path)/\(stem)/\($0)" }.last(
          where: isResult)
        if let latest { add { try ResultFiles(directory: latest) } }
      }
    } else {
      do {
        for files in try ResultPack.results(in: path) { add { files } }
      } catch {
        failures.append("\(error)")
      }
    }
    // A pack may hold several of one experiment, in the order of their names, which is that of time.
    var latest: [String: StoredResult] = [:]
    for result in results { latest[result.experiment.id] = result }
    return (latest.values.sorted { $0.experiment.stem < $1.experiment.stem }, failures)
  }
}
