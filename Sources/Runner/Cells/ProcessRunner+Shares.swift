import Experiment
import Measure

/// Figures of a run held against what the machine has: its cores, its disk, its link.
extension ProcessRunner {
  /// How many replicas of each partition an arm asks for; nil where it does not say.
  static func replicas(of arm: Arm) -> Int? {
    (arm.options + (arm.broker?.phases.prepare ?? [])).first { $0.name == "replication-factor" }?.value.number.map {
      Int($0)
    }
  }

  /// - Parameter seconds: that the machine's counters are of.
  func addShares(
    _ metrics: inout [String: Double], _ figures: ReportedFigures, _ before: MachineFigures, _ after: MachineFigures,
    seconds: Double?
  ) {
    // The generator's is of the time that is measured; the machine's own counters are of the programs' beginning and end, too.
    metrics[.machineBusyPercent] = 100 * (figures["machine_busy_share"] ?? 1 - after.idleShare(since: before))
    var evidence = BottleneckEvidence(of: .broker)
    addCeilings(&evidence, metrics, seconds: seconds)
    // A run that passes the probe shows that the probe is no ceiling: it is at its own.
    func percent(_ rate: Double, of ceiling: Double) -> Double { min(100, 100 * rate / ceiling) }
    if let disk = evidence.disk, disk.ceiling > 0 {
      metrics[.diskCeilingPercent] = percent(disk.rate, of: disk.ceiling)
    }
    if let link = evidence.link, link.ceiling > 0 {
      metrics[.linkCeilingPercent] = percent(link.rate, of: link.ceiling)
    }
    if let rate = metrics[.mbPerSecond], let workers = Self.workers(figures, cores: Machine.coresOnline) {
      metrics[.mbPerSecondPerWorker] = rate / workers
    }
    if let rate = metrics[.mbPerSecond], let readers = Self.workers(figures, cores: .max) {
      metrics[.mbPerSecondPerReader] = rate / readers
    }
  }

  /// How many of what takes part can work at the same time: a partition is read by one connection of each copy
  /// (`--fan-out`), and a core runs one of them. Nil where the program says nothing of partitions and connections.
  static func workers(_ figures: ReportedFigures, cores: Int) -> Double? {
    guard let partitions = figures["partitions"], let connections = figures["connections"] else { return nil }
    let workers = min(min(partitions, connections) * (figures["fan_out"] ?? 1), Double(cores))
    return workers >= 1 ? workers : nil
  }
}
