package import Experiment
import Foundation
import Glibc
import Results

extension Machine {
  /// Reads everything, and for a second watches what else runs; `data` is a path on the disk that experiments use.
  package static func read(data: String) -> Machine {
    Machine(
      time: UTC.now(), kernel: SmallFile.line("/proc/sys/kernel/osrelease") ?? "unknown", processor: processor(),
      memory: memory(), disk: disk(data), build: build(),
      congestionControl: SmallFile.line("/proc/sys/net/ipv4/tcp_congestion_control"),
      congestionControlsAvailable: SmallFile.line("/proc/sys/net/ipv4/tcp_available_congestion_control"),
      isRoot: geteuid() == 0, loopback: LoopbackSettings.read())
  }

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
