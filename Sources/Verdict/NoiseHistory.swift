package import Experiment

/// How far apart arms and their A/A twins were in earlier campaigns of an experiment on a machine.
///
/// One campaign has one such distance for each pair, and by chance it may be next to nothing: the noise floor is the median over
/// campaigns (`RuleBench.noiseFloor`). A campaign keeps the history it began with in its journal, so its verdict follows from its own
/// files.
package struct NoiseHistory: Sendable, Equatable, Codable {
  package enum Limits {
    /// The latest campaigns count, so many of them: a machine changes over the years.
    package static let campaignsMax = 10
  }

  package struct Distance: Sendable, Equatable, Codable {
    /// The result's directory name, `<UTC>-<commit>`.
    package var campaign: String
    package var twin: String
    package var levels: [String: String]
    package var metric: String
    /// As a share: 0.04 where the larger median was 4 % more than the smaller.
    package var distance: Double
  }

  package private(set) var distances: [Distance] = []

  package var isEmpty: Bool { distances.isEmpty }

  /// From complete results of the same experiment under the same profile on the same machine, and from what those had
  /// before them.
  package init(of results: [StoredResult], profile: Profile, on machine: Machine) {
    let ours = results.filter { $0.isComplete && $0.profile == profile && $0.machine.isSameMachine(as: machine) }
    for result in ours {
      add(result.noise?.distances ?? [])
      add(
        result.twinPairs.compactMap { pair in
          pair.distance.map {
            Distance(
              campaign: result.name, twin: pair.twin, levels: pair.levels.mapValues(\.text), metric: pair.metric,
              distance: $0)
          }
        })
    }
    let kept = Set(Set(distances.map(\.campaign)).sorted().suffix(Limits.campaignsMax))
    distances.removeAll { !kept.contains($0.campaign) }
  }

  private mutating func add(_ more: [Distance]) {
    let known = Set(distances.map(\.campaign))
    distances += more.filter { !known.contains($0.campaign) }
  }

  /// Those of the same pair.
  func distances(of pair: TwinPair) -> [Double] {
    let levels = pair.levels.mapValues(\.text)
    return distances.filter { $0.twin == pair.twin && $0.metric == pair.metric && $0.levels == levels }.map(\.distance)
  }
}

extension Machine {
  /// The same processor, as many cores, as much memory (to a GiB) and the same device under the data; kernel and build may differ.
  package func isSameMachine(as other: Machine) -> Bool {
    processor.model == other.processor.model && processor.cores == other.processor.cores
      && (memory.totalMiB / 1024).rounded() == (other.memory.totalMiB / 1024).rounded()
      && disk.device == other.disk.device
  }
}
