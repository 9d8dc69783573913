package import Experiment
import Foundation

/// Which results of an experiment a repository keeps: the latest complete one that is no quick run. Pure.
package struct Retention: Sendable, Equatable {
  package struct Candidate: Sendable, Equatable {
    package var path: String
    package var profile: Profile
    package var isComplete: Bool

    package init(path: String, profile: Profile, isComplete: Bool) {
      self.path = path
      self.profile = profile
      self.isComplete = isComplete
    }
  }

  package var kept: [String]
  package var removed: [String]

  /// - Parameter candidates: of one experiment, oldest first. Where none is complete and standard, all stay: what is there is all there is.
  package init(_ candidates: [Candidate]) {
    guard let latest = candidates.last(where: { $0.isComplete && $0.profile != .quick }) else {
      (kept, removed) = (candidates.map(\.path), [])
      return
    }
    // An interrupted run that began after it may still be continued.
    let later = candidates.drop { $0.path != latest.path }.dropFirst().filter { !$0.isComplete }
    let staying = [latest.path] + later.map(\.path)
    kept = staying
    removed = candidates.map(\.path).filter { !staying.contains($0) }
  }

  /// The results below a directory of one experiment's, oldest first. A damaged journal is no candidate: nothing is removed unread.
  package static func candidates(in directory: String) -> [Candidate] {
    (SmallFile.entries(of: directory) ?? []).compactMap { name in
      let path = "\(directory)/\(name)"
      guard let entries = try? Journal.read("\(path)/\(ResultDirectory.Name.journal)") else { return nil }
      let history = ResultDirectory.History(entries)
      guard let begin = history.begin, let profile = Profile(rawValue: begin.profile) else { return nil }
      return Candidate(path: path, profile: profile, isComplete: history.isComplete)
    }
  }
}
