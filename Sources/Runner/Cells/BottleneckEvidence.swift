import Experiment
package import Measure
import Results

/// What is known of a run that says what held it back. Pure.
package struct BottleneckEvidence: Sendable {
  package enum Limits {
    /// A thread or process at this share of one core is what everything else waits for.
    static let saturated = 0.9
    /// Less idle time than this, and there was no processor to be had.
    static let idleMin = 0.1
    /// A device or link at this share of its ceiling is at its end.
    static let ceilingShare = 0.8
    /// A thread seen waiting for one thing in this share of all looks is held back by it.
    static let waitingShare = 0.5
  }

  /// The side under test.
  package var side: Limitation.Side
  /// CPU of the side, in cores; nil where not known.
  package var sideShare: Double?
  package var clientShare: Double?
  /// Of the machine, 0...1.
  package var idleShare = 1.0
  package var isPaced = false
  /// What the device wrote or read, and what it can at the most; MB/s.
  package var disk: (rate: Double, ceiling: Double)?
  /// What went over the network, and what it can carry at the most; MB/s.
  package var link: (rate: Double, ceiling: Double)?
  /// Of a link of its own; nil for loopback.
  package var linkMbitPerSecond: Double?
  /// How far away the other side was made to be.
  package var roundTripMs = 0.0
  /// Where the side's busiest threads were when looked at.
  package var waits: ThreadWaits?

  package init(of side: Limitation.Side) { self.side = side }

  package var limitation: Limitation {
    let processors: [Limitation.Figure: Double?] = [.cpu: sideShare, .clientCPU: clientShare]
    if isPaced { return Limitation(.pace, of: side, processors) }
    if let clientShare, clientShare >= Limits.saturated, clientShare >= sideShare ?? clientShare {
      return Limitation(side == .broker ? .generator : .receiver, of: side, processors)
    }
    if let sideShare, sideShare >= Limits.saturated {
      return Limitation(side == .broker ? .broker : .mechanism, of: side, processors)
    }
    if let link, Self.isAtItsEnd(link) {
      return Limitation(
        .link, of: side, [.rate: link.rate, .ceiling: link.ceiling, .mbitPerSecond: linkMbitPerSecond])
    }
    if let disk, Self.isAtItsEnd(disk) {
      return Limitation(.disk, of: side, [.rate: disk.rate, .ceiling: disk.ceiling])
    }
    if let waits, waits.looks > 0 {
      if waits.disk >= Limits.waitingShare {
        return Limitation(.disk, of: side, [.share: waits.disk, .looks: Double(waits.looks)])
      }
      if waits.lock >= Limits.waitingShare {
        return Limitation(.lock, of: side, [.share: waits.lock, .looks: Double(waits.looks)])
      }
    }
    let idle = processors.merging([.idle: idleShare]) { $1 }
    if idleShare < Limits.idleMin { return Limitation(.processors, of: side, idle) }
    return Limitation(.waiting, of: side, idle.merging([.roundTripMs: roundTripMs > 0 ? roundTripMs : nil]) { $1 })
  }

  /// What was passed is no ceiling: its probe found less than there is, and says nothing of the run.
  private static func isAtItsEnd(_ what: (rate: Double, ceiling: Double)) -> Bool {
    what.ceiling > 0 && (Limits.ceilingShare * what.ceiling...what.ceiling).contains(what.rate)
  }
}

/// Where a process's threads stood whenever somebody looked: by the kernel's state and wait channel. Only threads that used
/// the processor since the first look count, because idle ones wait for work in the same place as others for a lock.
package struct ThreadWaits: Sendable, Equatable {
  package enum Place: Sendable, Equatable {
    case running
    /// Uninterruptible: in the block layer, or in write-back throttling.
    case disk
    /// On a futex: a lock, or a condition.
    case lock
    case other
  }

  private struct Thread: Sendable, Equatable {
    var firstCPU: Int
    var lastCPU: Int
    var looks = 0
    var disk = 0
    var lock = 0
  }

  private var threads: [String: Thread] = [:]
  private(set) package var looks = 0

  package init() {}

  /// Shares of the looks at the thread that used the processor most.
  package var disk: Double { busiest.map { Double($0.disk) / Double(max($0.looks, 1)) } ?? 0 }
  package var lock: Double { busiest.map { Double($0.lock) / Double(max($0.looks, 1)) } ?? 0 }

  private var busiest: Thread? {
    threads.values.filter { $0.lastCPU > $0.firstCPU }
      .max { ($0.lastCPU - $0.firstCPU, $0.looks) < ($1.lastCPU - $1.firstCPU, $1.looks) }
  }

  /// One look at all threads: each with its CPU time so far, in any unit.
  package mutating func look(_ seen: [(thread: String, cpu: Int, place: Place)]) {
    looks += 1
    for one in seen {
      var thread = threads[one.thread] ?? Thread(firstCPU: one.cpu, lastCPU: one.cpu)
      thread.lastCPU = one.cpu
      thread.looks += 1
      switch one.place {
      case .disk: thread.disk += 1
      case .lock: thread.lock += 1
      case .running, .other: break
      }
      threads[one.thread] = thread
    }
  }

  /// One look at processes of this machine.
  package mutating func look(pids: [Int32]) {
    look(pids.flatMap(Self.threads))
  }

  private static func threads(of pid: Int32) -> [(thread: String, cpu: Int, place: Place)] {
    let path = "/proc/\(pid)/task"
    return (SmallFile.entries(of: path) ?? []).compactMap { thread in
      guard let stat = SmallFile.read("\(path)/\(thread)/stat") else { return nil }
      let cpu = SmallFile.line("\(path)/\(thread)/schedstat")?.split(separator: " ").first.flatMap { Int($0) } ?? 0
      return (thread, cpu, place(stat: stat, waitChannel: SmallFile.read("\(path)/\(thread)/wchan") ?? ""))
    }
  }

  /// The state stands behind the name, which may hold spaces and parentheses itself.
  static func place(stat: String, waitChannel: String) -> Place {
    guard let end = stat.lastIndex(of: ")") else { return .other }
    switch stat[stat.index(after: end)...].drop(while: { $0 == " " }).first {
    case "R": return .running
    case "D": return .disk
    case "S" where waitChannel.hasPrefix("futex"): return .lock
    default: return .other
    }
  }
}
