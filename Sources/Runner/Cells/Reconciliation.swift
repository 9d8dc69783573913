import Experiment

/// Different counters of the same bytes must agree, or the row does not count. Pure.
package struct Reconciliation: Sendable, Equatable {
  package enum Tolerances {
    /// What the kernel says was written may differ from the growth of the log by indexes and page rounding.
    static let writtenShare = 0.05
    static let writtenBytes = 8e6
    /// Uncompressed, the log holds the payload and at most this much framing for each payload byte (tiny records).
    static let storedPerPayloadMax = 2.0
    /// Hot data must not be read from the device.
    static let deviceReadShare = 0.01
    /// Cold data come from the device; read-ahead may have brought some of them before the count began.
    static let coldReadShare = 0.5
    /// Synced bytes are on the device, whose counters the kernel brings up to date a little later.
    static let syncedShare = 0.95
    /// Loopback carries everything the generator counted, and packets' headers beside.
    static let loopbackShareMin = 0.98
    /// Beyond this much more somebody else used loopback too, or the generator sent more than it counted.
    static let loopbackShareMax = 1.25
    static let loopbackBytes = 16e6
    /// A link of our own carries what the client counts, retransmissions aside; both ways.
    static let linkShare = 0.03
    /// Connecting, metadata, the topic made, the kernel's own packets.
    static let linkBytes = 256e3
    /// A relay at this share of what it can carry is what was measured.
    static let relayShare = 0.8
    /// And they are charged to the process that reads them, but for what read-ahead of the run before or a neighbour brought in.
    static let chargedReadShare = 0.9
    /// Of the memory that process and page cache share; the rest is the program's own, and pages on their way.
    static let fullMemoryPercent = 90.0
    /// What is charged as read from storage the device has given, but for what lay in a cache of its own driver's.
    static let chargedDeviceShare = 0.9
    static let chargedDeviceBytes = 1e6
    /// Consumers that keep behind the end are where they were told to be, to within this share.
    static let lagShare = 0.25
    /// Clocks are read one after the other: a program's CPU time may pass what the cores have by this share of it.
    static let processorShare = 0.1
    /// Of a shorter time the clocks say too little.
    static let processorSecondsMin = 0.01
  }

  /// Reasons the row is invalid.
  package private(set) var faults: [String] = []
  package private(set) var warnings: [String] = []

  package init() {}

  /// A reason found elsewhere.
  package mutating func note(fault: String) { faults.append(fault) }

  package mutating func records(asked: Double?, moved: Double?) {
    guard let asked, let moved, asked != moved else { return }
    faults.append("\(Figures.text(moved)) records moved of \(Figures.text(asked))")
  }

  /// A load of connections made all that it was asked for.
  package mutating func connections(asked: Double?, made: Double?) {
    guard let asked, made != asked else { return }
    faults.append("\(made.map { Figures.text($0) } ?? "no") connections were made of \(Figures.text(asked))")
  }

  /// Nothing may be lost, doubled, out of order or damaged. What a rule of the experiment judges (`except`) is left to it:
  /// a row that did not count could not count against the claim.
  package mutating func integrity(_ figures: ReportedFigures, except judged: Set<String> = []) {
    for name in ["lost", "duplicated", "reordered", "corrupt", "errors"] where !judged.contains(name) {
      if let count = figures[name], count > 0 { faults.append("\(Figures.text(count)) records \(name)") }
    }
  }

  /// Of a log that keeps everything.
  package mutating func stored(bytes: Double, payload: Double, isCompressed: Bool) {
    if isCompressed {
      if bytes <= 0 { faults.append("the log did not grow") }
      return
    }
    guard bytes < payload || bytes > payload * Tolerances.storedPerPayloadMax + 1e6 else { return }
    faults.append("the log grew by \(Figures.text(bytes)) bytes for \(Figures.text(payload)) bytes of payload")
  }

  /// /proc/PID/io against the log's growth.
  ///
  /// - Parameter mayBeMore: another's broker writes what it likes beside its log (a journal, indexes, snapshots): that is its price,
  ///   and no fault of the count.
  package mutating func written(kernel: Double, stored: Double, mayBeMore: Bool = false) {
    let difference = mayBeMore ? stored - kernel : abs(kernel - stored)
    guard difference > Tolerances.writtenShare * stored + Tolerances.writtenBytes else { return }
    faults.append(
      "the kernel counts \(Figures.text(kernel)) bytes written, the log grew by \(Figures.text(stored))")
  }

  /// CPU seconds for each second, against the cores that there are: more means that the two are not of the same time.
  package mutating func processorShare(_ share: Double?, seconds: Double, cores: Int) {
    guard let share, seconds >= Tolerances.processorSecondsMin else { return }
    guard share > Double(cores) * (1 + Tolerances.processorShare) else { return }
    faults.append(
      "the program's CPU time is \(Figures.text(share)) times the \(Figures.text(seconds)) s it is to be of, on \(cores) cores"
    )
  }

  /// The client's count of bytes sent and received against the interface's; `interface` counts each byte once.
  package mutating func loopback(interface bytes: Double?, client counted: Double?) {
    guard let bytes, let counted, counted > 0 else { return }
    if bytes < Tolerances.loopbackShareMin * counted - Tolerances.loopbackBytes {
      faults.append(
        "the client counts \(Figures.text(counted)) bytes on the wire, the interface carried \(Figures.text(bytes))")
    } else if bytes > Tolerances.loopbackShareMax * counted + Tolerances.loopbackBytes {
      warnings.append(
        "the interface carried \(Figures.text(bytes)) bytes, the client counts \(Figures.text(counted)): others used it"
      )
    }
  }

  /// The same on a link that nobody else uses, without headers: more is a fault as well as less.
  package mutating func link(interface bytes: Double, client counted: Double?) {
    guard let counted, counted > 0 else { return }
    guard abs(bytes - counted) > Tolerances.linkShare * counted + Tolerances.linkBytes else { return }
    faults.append(
      "the client counts \(Figures.text(counted)) bytes on the wire, the link's interface carried \(Figures.text(bytes))"
    )
  }

  /// The relay that puts the delay there must not be what limits the run; MB/s, both ways together.
  package mutating func relay(carried rate: Double?, most: Double?) {
    guard let rate, let most, most > 0, rate > Tolerances.relayShare * most else { return }
    faults.append(
      "relay-bound: \(Figures.text(rate)) MB/s passed the relay that makes the round trip, which carries "
        + "\(Figures.text(most)) at the most")
  }

  /// Bytes said to be on the device must have been written to it.
  package mutating func deviceWrites(_ bytes: Double?, stored: Double, isSynced: Bool) {
    guard isSynced, let bytes, bytes < Tolerances.syncedShare * stored - Tolerances.writtenBytes else { return }
    faults.append(
      "\(Figures.text(stored)) bytes were acknowledged as synced, the device wrote \(Figures.text(bytes))")
  }

  /// What the sockets used against what the definition asked for; bbr paces loopback.
  package mutating func congestionControl(asked: String?, used: String?) {
    if let asked, let used, asked != used {
      faults.append("the sockets used congestion control \(used), \(asked) was asked for")
    } else if asked == nil, let used, used.hasPrefix("bbr") {
      warnings.append("congestion control \(used), the kernel's default, paces loopback")
    }
  }

  /// Cold data come from the device: a process that was charged for less than it moved read somebody's cache.
  package mutating func coldReads(charged: Double?, of moved: Double, expectsCold: Bool) {
    guard expectsCold, let charged, moved > 0, charged < moved * Tolerances.chargedReadShare else { return }
    faults.append(
      "the data were to be cold, and the kernel charged \(Figures.text(charged)) bytes read for "
        + "\(Figures.text(moved)) bytes moved")
  }

  /// Of data larger than memory a cache that is compared must have filled it.
  ///
  /// - Parameter usedPercent: nil where the program does not say.
  package mutating func fullMemory(usedPercent: Double?, dataMB: Double?, memoryMiB: Double?) {
    guard let usedPercent, let dataMB, let memoryMiB, dataMB / 1.048_576 > memoryMiB,
      usedPercent < Tolerances.fullMemoryPercent
    else { return }
    faults.append(
      "the cache used \(Figures.text(usedPercent)) % of \(Figures.text(memoryMiB)) MiB with \(Figures.text(dataMB)) MB to "
        + "hold: it is not full, and a cache that is not full is not compared")
  }

  /// What the kernel charged a process as read from storage, against the device's own counter.
  package mutating func storageReads(charged: Double?, device: Double?) {
    guard let charged, let device else { return }
    guard device < charged * Tolerances.chargedDeviceShare - Tolerances.chargedDeviceBytes else { return }
    faults.append(
      "the kernel charged \(Figures.text(charged)) bytes read from storage, the device gave \(Figures.text(device))")
  }

  /// Whether consumers kept the distance behind the end that was asked for.
  package mutating func lag(asked: Double?, least: Double?, most: Double?) {
    guard let asked, asked > 0 else { return }
    guard let least, let most else {
      faults.append("nothing tells how far behind the end the consumers were")
      return
    }
    guard least < asked * (1 - Tolerances.lagShare) || most > asked * (1 + Tolerances.lagShare) else { return }
    faults.append(
      "consumers were to stay \(Figures.text(asked)) records behind the end and were \(Figures.text(least)) to "
        + "\(Figures.text(most)) behind")
  }

  package mutating func deviceReads(_ bytes: Double?, of moved: Double, expectsHot: Bool, expectsCold: Bool = false) {
    if expectsCold, let bytes, moved > 0, bytes < Tolerances.coldReadShare * moved {
      faults.append(
        "of \(Figures.text(moved)) bytes that were to be cold the device read \(Figures.text(bytes))")
    }
    guard expectsHot, let bytes, moved > 0, bytes > Tolerances.deviceReadShare * moved else { return }
    warnings.append("\(Figures.percent(bytes / moved)) of the bytes came from the device (or a neighbour read it)")
  }
}
