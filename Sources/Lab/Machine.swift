import CMillrace
import Foundation
import Glibc

/// The machine and build a result comes from: `machine.json`. What cannot be read is null, never guessed.
package struct Machine: Sendable, Equatable, Codable {
  package struct Processor: Sendable, Equatable, Codable {
    package var model: String?
    package var cores: Int
    /// Nil where the kernel offers no frequency scaling, as in most virtual machines.
    package var governor: String?
    package var virtual: Bool
    /// Share of CPU time the hypervisor took since boot, in per cent.
    package var stealPercentSinceBoot: Double
    package var loadAverage1: Double
    /// What others used of all cores in the second before we started, in per cent.
    package var busyPercentBefore: Double
    /// Cores' worth of CPU time that the cgroup we run in allows; nil where it allows all, or cannot be read.
    package var quotaCores: Double?
  }

  package struct Memory: Sendable, Equatable, Codable {
    package var totalMiB: Double
    package var availableMiB: Double
    package var swapUsedMiB: Double
    package var transparentHugePages: String?
    /// `v1` or `v2` when a memory cgroup can be made here, else null.
    package var cgroup: String?
    package var cgroupObstacle: String?
    package var dirtyRatioPercent: Int?
    package var dirtyBackgroundRatioPercent: Int?
    /// Of the cgroup we run in; nil where it has none, or cannot be read.
    package var limitMiB: Double?
    package var swappiness: Int?
  }

  package struct Disk: Sendable, Equatable, Codable {
    package var path: String
    package var device: String?
    package var fileSystem: String?
    package var mountOptions: String?
    package var rotational: Bool?
    package var scheduler: String?
    package var freeGiB: Double
  }

  package struct Build: Sendable, Equatable, Codable {
    package var commit: String?
    /// The tree differs from the commit; null when git cannot say.
    package var dirty: Bool?
    package var optimized: Bool
    package var swift: String
  }

  package var time: String
  package var kernel: String
  package var processor: Processor
  package var memory: Memory
  package var disk: Disk
  package var build: Build
  /// The kernel's default for new TCP sockets; bbr paces even loopback.
  package var congestionControl: String?
  package var congestionControlsAvailable: String?
  package var isRoot: Bool
  /// What distorts or shapes traffic on loopback, by the kernel's own names; nil in results of before it was recorded.
  package var loopback: [String: String]?

  /// Reads everything, and for a second watches what else runs; `data` is a path on the disk that experiments use.
  package static func read(data: String) -> Machine {
    Machine(
      time: UTC.now(), kernel: SmallFile.line("/proc/sys/kernel/osrelease") ?? "unknown", processor: processor(),
      memory: memory(), disk: disk(data), build: build(),
      congestionControl: SmallFile.line("/proc/sys/net/ipv4/tcp_congestion_control"),
      congestionControlsAvailable: SmallFile.line("/proc/sys/net/ipv4/tcp_available_congestion_control"),
      isRoot: geteuid() == 0, loopback: LoopbackSettings.read())
  }

  package func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }

  package init(json: String) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(Machine.self, from: Data(json.utf8))
  }

  package init(
    time: String, kernel: String, processor: Processor, memory: Memory, disk: Disk, build: Build,
    congestionControl: String?, congestionControlsAvailable: String?, isRoot: Bool, loopback: [String: String]? = nil
  ) {
    self.time = time
    self.kernel = kernel
    self.processor = processor
    self.memory = memory
    self.disk = disk
    self.build = build
    self.congestionControl = congestionControl
    self.congestionControlsAvailable = congestionControlsAvailable
    self.isRoot = isRoot
    self.loopback = loopback
  }
}

extension Machine {
  static var coresOnline: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }

  private static func processor() -> Processor {
    let info = SmallFile.read("/proc/cpuinfo") ?? ""
    let model = info.split(separator: "\n").first { $0.hasPrefix("model name") }
      .flatMap { $0.split(separator: ":", maxSplits: 1).last }
    let flags = info.split(separator: "\n").first { $0.hasPrefix("flags") } ?? ""
    let before = MachineFigures.now(device: nil)
    Uptime.nap(milliseconds: 1000)
    let figures = MachineFigures.now(device: nil)
    let load = SmallFile.line("/proc/loadavg")?.split(separator: " ").first.flatMap { Double($0) } ?? 0
    return Processor(
      model: model.map { $0.trimmingCharacters(in: .whitespaces) }, cores: coresOnline,
      governor: SmallFile.line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
      virtual: flags.split(separator: " ").contains("hypervisor"),
      stealPercentSinceBoot: figures.totalTicks > 0
        ? 100 * Double(figures.stealTicks) / Double(figures.totalTicks) : 0, loadAverage1: load,
      busyPercentBefore: 100 * (1 - figures.idleShare(since: before)), quotaCores: OwnCgroup.quotaCores())
  }

  private static func memory() -> Memory {
    let fields = ProcessFigures.fields(SmallFile.read("/proc/meminfo") ?? "")
    func mib(_ name: String) -> Double { Double(fields[name] ?? 0) / 1024 }
    let pages = SmallFile.line("/sys/kernel/mm/transparent_hugepage/enabled")
    var version: String?
    var obstacle: String?
    do {
      version = try Cgroup.available().rawValue
    } catch {
      obstacle = error.reason
    }
    return Memory(
      totalMiB: mib("MemTotal"), availableMiB: mib("MemAvailable"), swapUsedMiB: mib("SwapTotal") - mib("SwapFree"),
      transparentHugePages: pages.flatMap { $0.split(separator: "[").last?.split(separator: "]").first }.map(
        String.init),
      cgroup: version, cgroupObstacle: obstacle, dirtyRatioPercent: SmallFile.integer("/proc/sys/vm/dirty_ratio"),
      dirtyBackgroundRatioPercent: SmallFile.integer("/proc/sys/vm/dirty_background_ratio"),
      limitMiB: OwnCgroup.memoryLimitMiB(totalMiB: mib("MemTotal")),
      swappiness: SmallFile.integer("/proc/sys/vm/swappiness"))
  }

  private static func disk(_ path: String) -> Disk {
    let mount = Mount.holding(path)
    let device = mount?.device.split(separator: "/").last.map(String.init)
    // A partition's queue is its disk's: /sys/class/block/vda1/../queue.
    let block = device.map { "/sys/class/block/\($0)" }
    func queue(_ name: String) -> String? {
      block.flatMap { SmallFile.line("\($0)/queue/\(name)") ?? SmallFile.line("\($0)/../queue/\(name)") }
    }
    return Disk(
      path: path, device: device, fileSystem: mount?.fileSystem, mountOptions: mount?.options,
      rotational: queue("rotational").map { $0 == "1" },
      scheduler: queue("scheduler").flatMap { $0.split(separator: "[").last?.split(separator: "]").first }
        .map(String.init), freeGiB: Double(FreeSpace.bytes(at: path) ?? 0) / 1_073_741_824)
  }

  private static func build() -> Build {
    let commit = Tool.output("git", ["rev-parse", "--short=7", "HEAD"])
    // Results and plots are what a run leaves; they make no build another.
    let changes = Tool.output(
      "git", ["status", "--porcelain", "--untracked-files=no", "--", ".", ":!results", ":!plots"])
    var optimized = true
    assert(
      {
        optimized = false; return true
      }())
    return Build(commit: commit, dirty: changes.map { !$0.isEmpty }, optimized: optimized, swift: swiftVersion)
  }

  /// Of the compiler that built this, as far as the language lets a program ask.
  private static var swiftVersion: String {
    #if compiler(>=6.4)
      "6.4 or later"
    #elseif compiler(>=6.3)
      "6.3"
    #else
      "6.2 or earlier"
    #endif
  }
}

/// The mount that holds a path, from /proc/self/mounts.
struct Mount: Equatable {
  var device: String
  var point: String
  var fileSystem: String
  var options: String

  static func holding(_ path: String) -> Mount? {
    let real = realpath(path, nil).map { pointer in
      defer { free(pointer) }
      return String(cString: pointer)
    }
    return holding(real ?? path, in: SmallFile.read("/proc/self/mounts") ?? "")
  }

  /// The longest mount point that is a prefix; of equals the last, which covers the others.
  static func holding(_ path: String, in mounts: String) -> Mount? {
    var best: Mount?
    for line in mounts.split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      guard words.count >= 4 else { continue }
      let mount = Mount(device: words[0], point: words[1], fileSystem: words[2], options: words[3])
      let covers = mount.point == "/" || path == mount.point || path.hasPrefix(mount.point + "/")
      if covers, mount.point.count >= best?.point.count ?? 0 { best = mount }
    }
    return best
  }
}

/// Bytes an ordinary user may still write.
package enum FreeSpace {
  package static func bytes(at path: String) -> Int? {
    var figures = statvfs()
    guard statvfs(path, &figures) == 0 else { return nil }
    return Int(figures.f_bavail) * Int(figures.f_frsize)
  }
}

/// The wall clock, for names and labels only.
package enum UTC {
  package static func now() -> String { text("%Y-%m-%dT%H:%M:%SZ") }

  /// Sorts as text: `20260102T030405Z`.
  package static func stamp() -> String { text("%Y%m%dT%H%M%SZ") }

  private static func text(_ format: String) -> String {
    var seconds = time(nil)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var buffer = [CChar](repeating: 0, count: 64)
    let count = strftime(&buffer, buffer.count, format, &parts)
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// Small programs of the system, run to their end.
package enum Tool {
  package static func path(of name: String) -> String? {
    let directories = (getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin").split(separator: ":")
    return directories.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
  }

  /// Trimmed standard output; nil when it is missing, fails, or takes more than five seconds.
  package static func output(_ name: String, _ arguments: [String]) -> String? {
    guard let program = path(of: name) else { return nil }
    let base = NSTemporaryDirectory() + "millrace-\(getpid())-\(name)"
    defer { for suffix in ["out", "err"] { unlink("\(base).\(suffix)") } }
    guard
      let child = try? ChildProcess(
        program: program, arguments: arguments, outPath: "\(base).out", errPath: "\(base).err")
    else { return nil }
    let deadline = Uptime.seconds + 5
    while child.poll() == nil, Uptime.seconds < deadline { Uptime.nap(milliseconds: 2) }
    guard child.poll() == .exited(0) else { return nil }
    return SmallFile.read("\(base).out")?.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
