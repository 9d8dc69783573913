/// What an experiment and its plan know of a bare mechanism without running it. A mechanism describes itself; definitions name it.
package struct MechanismDescription: Sendable, Equatable, CustomStringConvertible {
  /// What stands behind `mechanism` in a definition and on the command line.
  package let name: String
  /// Whether the mechanism writes a series of intervals (`--intervals-csv`).
  package let writesIntervals: Bool
  /// Whether it starts ZooKeeper and brokers of its own, and so measures them, and not a mechanism alone.
  package let needsCluster: Bool
  /// Roughly what a run takes.
  package let cost: @Sendable (PricedRun) -> RunCost
  /// What its bytes pass through, each with a ceiling.
  package let ceilings: @Sendable (_ isCold: Bool, _ isSynced: Bool) -> [MachineCeiling]

  package init(
    name: String, writesIntervals: Bool, needsCluster: Bool = false, cost: @escaping @Sendable (PricedRun) -> RunCost,
    ceilings: @escaping @Sendable (_ isCold: Bool, _ isSynced: Bool) -> [MachineCeiling]
  ) {
    self.name = name
    self.writesIntervals = writesIntervals
    self.needsCluster = needsCluster
    self.cost = cost
    self.ceilings = ceilings
  }

  package var description: String { name }

  package static func == (a: MechanismDescription, b: MechanismDescription) -> Bool { a.name == b.name }
}

/// A part of the machine that bytes pass through and that a probe knows the speed of.
package enum MachineCeiling: Sendable, Equatable {
  case loopback, memoryCopy, sequentialRead, sequentialWrite, checksum

  /// For a sentence.
  package var name: String {
    switch self {
    case .loopback: "loopback TCP"
    case .memoryCopy: "one copy in memory"
    case .sequentialRead: "sequential direct reads"
    case .sequentialWrite: "sequential direct writes"
    case .checksum: "CRC-32C"
    }
  }

  /// In `ceiling.json`.
  package var figure: String {
    switch self {
    case .loopback: "loopback_mb_per_s"
    case .memoryCopy: "memcpy_mb_per_s"
    case .sequentialRead: "sequential_read_mb_per_s"
    case .sequentialWrite: "sequential_write_mb_per_s"
    case .checksum: "crc32c_mb_per_s"
    }
  }
}

/// One run's price, roughly.
package struct RunCost: Sendable, Equatable {
  /// Rough figures of a two-core virtual machine; right within a factor.
  package enum Rates {
    package static let appendBytesPerSecond = 700e6
    package static let produceBytesPerSecond = 250e6
  }

  package var seconds = 0.0
  /// Bytes moved to or from files and sockets.
  package var bytes = 0.0
  /// Disk held while it runs.
  package var diskBytes = 0.0

  package init(seconds: Double = 0, bytes: Double = 0, diskBytes: Double = 0) {
    self.seconds = seconds
    self.bytes = bytes
    self.diskBytes = diskBytes
  }
}

/// What a run of a mechanism is asked for, as far as its price follows from it.
package struct PricedRun: Sendable {
  private let options: [String: Double]
  /// Of the file that the campaign makes for it.
  package let dataMB: Double?
  /// At the pace of another arm.
  package let isPaced: Bool

  package init(options: [String: Double], dataMB: Double? = nil, isPaced: Bool = false) {
    self.options = options
    self.dataMB = dataMB
    self.isPaced = isPaced
  }

  /// An option that is not given costs nothing: the mechanisms' own defaults are small.
  package func option(_ name: String) -> Double { options[name] ?? 0 }

  package var seconds: Double { option("seconds") }
}
