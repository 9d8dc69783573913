import Experiment
import Results

/// One plain sentence on what held a run back, with the figures that say so. Pure.
package struct Limiter: Sendable, Equatable {
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

  /// The side under test: `broker`, `mechanism`.
  package var side = "mechanism"
  /// CPU of the side, in cores; nil where not known.
  package var sideShare: Double?
  package var client = "receiver"
  package var clientShare: Double?
  /// Of the machine, 0...1.
  package var idleShare = 1.0
  package var isPaced = false
  /// What the device wrote or read, and what it can at the most; MB/s.
  package var disk: (rate: Double, ceiling: Double)?
  /// What went over the network, and what it can carry at the most; MB/s.
  package var link: (rate: Double, ceiling: Double)?
  package var linkName = "loopback"
  /// How far away the other side was made to be.
  package var roundTripMs = 0.0
  /// Where the side's busiest threads were when looked at.
  package var waits: ThreadWaits?

  package init() {}

  package static func == (a: Limiter, b: Limiter) -> Bool { a.sentence == b.sentence }

  package var sentence: String {
    if isPaced { return "its pace: it was asked for no more (\(processors))" }
    if let clientShare, clientShare >= Limits.saturated, clientShare >= sideShare ?? 0 {
      return "the \(client): \(core(clientShare))"
    }
    if let sideShare, sideShare >= Limits.saturated { return "CPU of the \(side): \(core(sideShare))" }
    if let link, link.ceiling > 0, link.rate >= Limits.ceilingShare * link.ceiling {
      return "the link: \(of(link)) that \(linkName) carries at the most"
    }
    if let disk, disk.ceiling > 0, disk.rate >= Limits.ceilingShare * disk.ceiling {
      return "the disk: \(of(disk)) that it does at the most"
    }
    if let waits, waits.looks > 0 {
      if waits.disk >= Limits.waitingShare {
        return
          "the disk: a thread of the \(side) waited for it in \(Figures.percent(waits.disk)) of \(waits.looks) looks"
      }
      if waits.lock >= Limits.waitingShare {
        return "a lock: a working thread of the \(side) waited for another in \(Figures.percent(waits.lock)) of "
          + "\(waits.looks) looks"
      }
    }
    if idleShare < Limits.idleMin {
      return "the machine's CPU: \(Int((idleShare * 100).rounded())) % idle (\(processors))"
    }
    let waiting =
      roundTripMs > 0 ? "answers that are \(Figures.text(roundTripMs)) ms away" : "disk, wake-ups or each other"
    return "no CPU: \(processors); waiting for \(waiting)"
  }

  private var processors: String {
    "\(side) \(sideShare.map(core) ?? "unknown"), \(client) \(clientShare.map(core) ?? "unknown")"
  }

  private func core(_ share: Double) -> String { "\(Int((share * 100).rounded())) % of a core" }

  private func of(_ pair: (rate: Double, ceiling: Double)) -> String {
    "\(Figures.text(pair.rate)) of the \(Figures.text(pair.ceiling)) MB/s"
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

  /// One look at a process of this machine.
  package mutating func look(pid: Int32) {
    let path = "/proc/\(pid)/task"
    look(
      (SmallFile.entries(of: path) ?? []).compactMap { thread in
        guard let stat = SmallFile.read("\(path)/\(thread)/stat") else { return nil }
        let cpu = SmallFile.line("\(path)/\(thread)/schedstat")?.split(separator: " ").first.flatMap { Int($0) } ?? 0
        return (thread, cpu, Self.place(stat: stat, waitChannel: SmallFile.read("\(path)/\(thread)/wchan") ?? ""))
      })
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
