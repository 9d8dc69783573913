import Experiment
import Results

/// The broker of an experiment over time, looked at every interval while it is loaded. Owned by one run.
final class BrokerWatch {
  /// What one look saw.
  struct Sample: Sendable, Equatable {
    /// Since the load was started.
    var seconds: Double
    /// Of all threads that live, since the process began.
    var cpuSeconds: Double
    var residentMiB: Double
    /// Files and sockets.
    var openDescriptors: Int
    var threads: Int
    /// Segments of the topic.
    var logMiB: Double
  }

  private(set) var samples: [Sample] = []
  private let members: () -> [Int32]
  private let logBytes: () -> Int
  private let periodSeconds: Double
  private var dueSeconds = 0.0

  /// - Parameters:
  ///   - members: the broker's processes.
  ///   - logBytes: of the topic's segments.
  init(members: @escaping () -> [Int32], logBytes: @escaping () -> Int, periodSeconds: Double) {
    self.members = members
    self.logBytes = logBytes
    self.periodSeconds = periodSeconds
  }

  /// Looks when a period has passed since the last look was due; a process that has ended is not seen.
  func look(at seconds: Double) {
    guard seconds >= dueSeconds else { return }
    dueSeconds = max(dueSeconds + periodSeconds, seconds)
    let pids = members()
    func entries(_ directory: String) -> Int? {
      let found = pids.compactMap { SmallFile.entries(of: "/proc/\($0)/\(directory)")?.count }
      return found.isEmpty ? nil : found.reduce(0, +)
    }
    guard let figures = ProcessFigures.of(pids: pids), let files = entries("fd"), let threads = entries("task") else {
      return
    }
    samples.append(
      Sample(
        seconds: seconds, cpuSeconds: figures.cpuSeconds, residentMiB: figures.residentMiB,
        openDescriptors: files, threads: threads, logMiB: Double(logBytes()) / 1_048_576))
  }
}

/// The machine's dirty pages in the course of a run, in bounded memory however long it is. Owned by one run.
struct DirtyPages {
  private enum Limits {
    /// Between two looks at the beginning.
    static let periodSeconds = 0.1
    /// Beyond, every second look is forgotten, and looks come half as often.
    static let samplesMax = 20_000
  }

  private(set) var samples: [(seconds: Double, mib: Double)] = []
  /// Of all looks, the forgotten ones too.
  private(set) var maxMiB = 0.0
  private var periodSeconds = Limits.periodSeconds

  mutating func look(at seconds: Double, read: () -> Double) {
    guard seconds - (samples.last?.seconds ?? -periodSeconds) >= periodSeconds else { return }
    let mib = read()
    samples.append((seconds, mib))
    maxMiB = max(maxMiB, mib)
    guard samples.count >= Limits.samplesMax else { return }
    samples = samples.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
    periodSeconds *= 2
  }
}
