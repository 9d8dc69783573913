import CMillrace
import Glibc
import Results

/// What the kernel counts of a process, or of several together, from /proc/PID: taken before and after measuring, and subtracted.
package struct ProcessFigures: Sendable, Equatable {
  /// User and system CPU, in seconds: of the threads that still live, by schedstat's nanoseconds; where threads have ended, of all,
  /// by stat's ticks of 10 ms; and of the children that have ended and been awaited.
  package var cpuSeconds: Double
  /// Bytes made dirty in the page cache or sent to storage (`write_bytes` of io), less what was truncated before it
  /// got there.
  package var writtenBytes: Int
  package var readBytes: Int
  /// System calls that read or write (`syscr` and `syscw` of io: read, write, readv, writev, pwrite, sendfile, on files and
  /// sockets). Waits for events, and what sets sockets up, are not among them.
  package var ioCalls: Int
  package var contextSwitches: Int
  package var residentMiB: Double

  package static func of(pid: Int32) -> ProcessFigures? {
    guard let threads = SmallFile.entries(of: "/proc/\(pid)/task") else { return nil }
    var nanoseconds = 0
    var switches = 0
    for thread in threads {
      let path = "/proc/\(pid)/task/\(thread)"
      if let field = SmallFile.line("\(path)/schedstat")?.split(separator: " ").first {
        nanoseconds += Int(field) ?? 0
      }
      let status = fields(SmallFile.read("\(path)/status") ?? "")
      switches += (status["voluntary_ctxt_switches"] ?? 0) + (status["nonvoluntary_ctxt_switches"] ?? 0)
    }
    let io = fields(SmallFile.read("/proc/\(pid)/io") ?? "")
    let status = fields(SmallFile.read("/proc/\(pid)/status") ?? "")
    let ticked = tickedSeconds(SmallFile.read("/proc/\(pid)/stat") ?? "")
    return ProcessFigures(
      cpuSeconds: max(Double(nanoseconds) * 1e-9, ticked.own) + ticked.children,
      writtenBytes: (io["write_bytes"] ?? 0) - (io["cancelled_write_bytes"] ?? 0), readBytes: io["read_bytes"] ?? 0,
      ioCalls: (io["syscr"] ?? 0) + (io["syscw"] ?? 0),
      contextSwitches: switches, residentMiB: Double(status["VmRSS"] ?? 0) / 1024)
  }

  /// Of all these processes together; nil when there are none any more.
  package static func of(pids: [Int32]) -> ProcessFigures? {
    let figures = pids.compactMap { of(pid: $0) }
    return figures.dropFirst().reduce(figures.first) { sum, one in sum.map { $0 + one } }
  }

  static func + (one: ProcessFigures, other: ProcessFigures) -> ProcessFigures {
    ProcessFigures(
      cpuSeconds: one.cpuSeconds + other.cpuSeconds, writtenBytes: one.writtenBytes + other.writtenBytes,
      readBytes: one.readBytes + other.readBytes, ioCalls: one.ioCalls + other.ioCalls,
      contextSwitches: one.contextSwitches + other.contextSwitches,
      residentMiB: one.residentMiB + other.residentMiB)
  }

  /// utime with stime and cutime with cstime of /proc/PID/stat: the twelfth to fifteenth field behind the name. Their bytes and
  /// calls /proc/PID/io adds to the parent's by itself.
  static func tickedSeconds(_ stat: String) -> (own: Double, children: Double) {
    guard let close = stat.lastIndex(of: ")") else { return (0, 0) }
    let fields = stat[stat.index(after: close)...].split(separator: " ")
    guard fields.count > 14 else { return (0, 0) }
    let ticks = fields[11...14].map { Double($0) ?? 0 }
    let each = Double(sysconf(Int32(_SC_CLK_TCK)))
    return ((ticks[0] + ticks[1]) / each, (ticks[2] + ticks[3]) / each)
  }

  /// `read_bytes` alone: cheap enough to be looked at all the time.
  static func readBytes(pid: Int32) -> Int? { fields(SmallFile.read("/proc/\(pid)/io") ?? "")["read_bytes"] }

  /// `Name:  12 kB` lines as names and numbers.
  static func fields(_ text: String) -> [String: Int] {
    var fields: [String: Int] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      let words = parts[1].split { $0 == " " || $0 == "\t" }
      if let word = words.first, let value = Int(word) { fields[String(parts[0])] = value }
    }
    return fields
  }
}

/// What the kernel counts of the machine; also taken before and after.
package struct MachineFigures: Sendable, Equatable {
  /// User and system CPU of this process and of the children it has awaited, in seconds.
  package var ownCPUSeconds: Double
  /// Jiffies of all cores: everything, and what the hypervisor took.
  package var totalTicks: Int
  package var stealTicks: Int
  package var idleTicks: Int
  /// Of the device that holds the data; nil when the device is not known.
  package var deviceReadBytes: Int?
  package var deviceWrittenBytes: Int?
  /// Received on the loopback interface, which is all that was sent on it; nil when it is not there.
  package var loopbackBytes: Int?

  package static func now(device: String?) -> MachineFigures {
    let cpu = (SmallFile.line("/proc/stat") ?? "").split(separator: " ").dropFirst().map { Int($0) ?? 0 }
    // user nice system idle iowait irq softirq steal; guest time is within user.
    let total = cpu.prefix(8).reduce(0, +)
    let disk = device.flatMap { deviceCounters($0) }
    return MachineFigures(
      ownCPUSeconds: usage(RUSAGE_SELF.rawValue) + usage(RUSAGE_CHILDREN.rawValue), totalTicks: total,
      stealTicks: cpu.count > 7 ? cpu[7] : 0, idleTicks: cpu.count > 4 ? cpu[3] + cpu[4] : 0,
      deviceReadBytes: disk?.read,
      deviceWrittenBytes: disk?.written, loopbackBytes: interfaceBytes("lo", in: SmallFile.read("/proc/net/dev") ?? ""))
  }

  /// Share of CPU time that the hypervisor took since `before`, in per cent.
  package func stealPercent(since before: MachineFigures) -> Double {
    let total = totalTicks - before.totalTicks
    return total > 0 ? 100 * Double(stealTicks - before.stealTicks) / Double(total) : 0
  }

  /// CPU time of all but this process, its awaited children, and `live` seconds of children still running; in per cent
  /// of all cores.
  package func othersPercent(since before: MachineFigures, live: Double) -> Double {
    let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
    let total = Double(totalTicks - before.totalTicks) / ticks
    guard total > 0 else { return 0 }
    let busy = total - Double(idleTicks - before.idleTicks + stealTicks - before.stealTicks) / ticks
    return max(0, 100 * (busy - (ownCPUSeconds - before.ownCPUSeconds) - live) / total)
  }

  private static func usage(_ whose: Int32) -> Double {
    var usage = rusage()
    getrusage(whose, &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  /// Share of CPU time in which some core did nothing since `before`, 0...1.
  package func idleShare(since before: MachineFigures) -> Double {
    let total = totalTicks - before.totalTicks
    return total > 0 ? Double(idleTicks - before.idleTicks) / Double(total) : 0
  }

  /// The first counter behind the interface's name.
  static func interfaceBytes(_ name: String, in text: String) -> Int? {
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, parts[0].split(separator: " ").first.map(String.init) == name else { continue }
      return parts[1].split(separator: " ").first.flatMap { Int($0) }
    }
    return nil
  }

  /// Sectors of /proc/diskstats are 512 bytes whatever the device's own are.
  private static func deviceCounters(_ device: String) -> (read: Int, written: Int)? {
    for line in (SmallFile.read("/proc/diskstats") ?? "").split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count > 9, words[2] == device, let read = Int(words[5]), let written = Int(words[9]) else { continue }
      return (read * 512, written * 512)
    }
    return nil
  }

  /// Dirty and write-back pages of the machine.
  package static func dirtyMiB() -> Double {
    let memory = ProcessFigures.fields(SmallFile.read("/proc/meminfo") ?? "")
    return Double((memory["Dirty"] ?? 0) + (memory["Writeback"] ?? 0)) / 1024
  }
}
