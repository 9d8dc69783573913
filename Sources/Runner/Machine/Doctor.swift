package import Experiment

/// What on this machine spoils a measurement, and how to mend it. Pure: a manifest and the tools in, findings out.
package struct Doctor {
  package enum Grade: String, Sendable {
    case good, note, bad
  }

  package struct Finding: Sendable, Equatable {
    package var grade: Grade
    package var subject: String
    package var found: String
    /// Empty when nothing needs mending.
    package var remedy: String
  }

  private enum Limits {
    static let busyPercent = 10.0
    static let stealPercent = 1.0
    static let freeGiB = 25.0
    static let availableMiB = 4096.0
    static let coresMin = 2
  }

  let machine: Machine
  let congestionControls: CongestionControls
  let hasTool: (String) -> Bool

  package init(
    _ machine: Machine, congestionControls: CongestionControls, hasTool: @escaping (String) -> Bool
  ) {
    self.machine = machine
    self.congestionControls = congestionControls
    self.hasTool = hasTool
  }

  package var findings: [Finding] { processor + memory + disk + network + build + tools }

  private var processor: [Finding] {
    let cpu = machine.processor
    let isQuiet = cpu.busyPercentBefore <= Limits.busyPercent
    return [
      Finding(
        grade: cpu.cores >= Limits.coresMin ? .good : .bad, subject: "cores",
        found: "\(cpu.cores) (\(cpu.model ?? "unknown model"))",
        remedy: cpu.cores >= Limits.coresMin ? "" : "generator and broker need a core each"),
      Finding(
        grade: cpu.virtual ? .note : .good, subject: "virtual machine", found: cpu.virtual ? "yes" : "no",
        remedy: cpu.virtual
          ? "results are VALID at best: host caches and neighbours are out of sight; repeat on bare metal to quote" : ""
      ),
      Finding(
        grade: isQuiet ? .good : .bad, subject: "other programs",
        found:
          "\(Figures.text(cpu.busyPercentBefore)) % of the CPU now, load average \(Figures.text(cpu.loadAverage1))",
        remedy: isQuiet ? "" : "stop what else runs (ps -eo pcpu,pid,args --sort -pcpu | head)"),
      Finding(
        grade: cpu.stealPercentSinceBoot <= Limits.stealPercent ? .good : .note, subject: "steal",
        found: "\(Figures.text(cpu.stealPercentSinceBoot)) % since boot",
        remedy: cpu.stealPercentSinceBoot <= Limits.stealPercent
          ? "" : "the host is shared: run at a quieter hour; rows carry their own steal"),
      governor,
    ]
  }

  private var governor: Finding {
    guard let governor = machine.processor.governor else {
      return Finding(grade: .good, subject: "governor", found: "no frequency scaling to be seen", remedy: "")
    }
    let fit = governor == "performance"
    return Finding(
      grade: fit ? .good : .bad, subject: "governor", found: governor,
      remedy: fit ? "" : "cpupower frequency-set -g performance")
  }

  private var memory: [Finding] {
    let memory = machine.memory
    let pages = memory.transparentHugePages ?? "unknown"
    return [
      Finding(
        grade: memory.availableMiB >= Limits.availableMiB ? .good : .bad, subject: "memory",
        found: "\(Figures.text(memory.availableMiB / 1024)) of \(Figures.text(memory.totalMiB / 1024)) GiB available",
        remedy: memory.availableMiB >= Limits.availableMiB ? "" : "free memory: hot data must fit"),
      Finding(
        grade: memory.swapUsedMiB < 64 ? .good : .bad, subject: "swap",
        found: "\(Figures.text(memory.swapUsedMiB)) MiB used", remedy: memory.swapUsedMiB < 64 ? "" : "swapoff -a"),
      Finding(
        grade: pages == "always" ? .note : .good, subject: "transparent huge pages", found: pages,
        remedy: pages == "always"
          ? "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (background compaction adds stalls)" : ""),
      Finding(
        grade: memory.cgroup == nil ? .bad : .good, subject: "memory cgroup",
        found: memory.cgroup ?? "not available: \(memory.cgroupObstacle ?? "unknown")",
        remedy: memory.cgroup == nil
          ? "run as root on a kernel with the memory controller; without it throughput-over-volume is skipped" : ""),
    ]
  }

  private var disk: [Finding] {
    let disk = machine.disk
    return [
      Finding(
        grade: disk.freeGiB >= Limits.freeGiB ? .good : .bad, subject: "free disk",
        found: "\(Figures.text(disk.freeGiB)) GiB at \(disk.path)",
        remedy: disk.freeGiB >= Limits.freeGiB
          ? "" : "the standard suite holds up to 20 GiB; use --scratch on another disk"),
      Finding(
        grade: disk.fileSystem == "tmpfs" ? .bad : .good, subject: "file system",
        found: "\(disk.fileSystem ?? "unknown") on \(disk.device ?? "an unknown device"), \(disk.mountOptions ?? "")",
        remedy: disk.fileSystem == "tmpfs" ? "memory is no disk: use --scratch on a real one" : ""),
    ]
  }

  private var network: [Finding] {
    let control = machine.congestionControl ?? "unknown"
    let paces = control.hasPrefix("bbr")
    let available = machine.congestionControlsAvailable ?? ""
    let hasCubic = available.split(separator: " ").contains("cubic")
    let cubicObstacle = congestionControls.obstacle(to: "cubic")
    return [
      Finding(
        grade: paces ? .note : .good, subject: "TCP congestion control", found: "\(control) (of \(available))",
        remedy: paces
          ? "it paces loopback to a third of its speed; experiments set cubic on their sockets, other programs need "
            + "sysctl -w net.ipv4.tcp_congestion_control=cubic" : ""),
      Finding(
        grade: hasCubic && cubicObstacle == nil ? .good : .bad, subject: "cubic",
        found: hasCubic ? (cubicObstacle == nil ? "available" : "not allowed") : "not available",
        remedy: hasCubic
          ? cubicObstacle ?? "" : "modprobe tcp_cubic, or change congestion_control in the definitions"),
    ]
  }

  private var build: [Finding] {
    let build = machine.build
    return [
      Finding(
        grade: build.optimized ? .good : .bad, subject: "build", found: build.optimized ? "optimized" : "debug",
        remedy: build.optimized ? "" : "swift build -c release: results of a debug build are never valid"),
      Finding(
        grade: build.commit != nil && build.dirty == false ? .good : .note, subject: "commit",
        found: "\(build.commit ?? "unknown")\(build.dirty == true ? ", with changes" : "")",
        remedy: build.commit != nil && build.dirty == false ? "" : "commit before a run to be quoted"),
    ]
  }

  private var tools: [Finding] {
    [
      ("gnuplot", "apt-get install gnuplot-nox fonts-dejavu-core", "draws the charts"),
      ("git", "apt-get install git", "names results by their commit"),
      ("ip", "apt-get install iproute2", "makes links of a known speed"),
    ]
    .map { tool, remedy, use in
      let there = hasTool(tool)
      return Finding(
        grade: there ? .good : .bad, subject: tool, found: there ? "there (\(use))" : "missing (\(use))",
        remedy: there ? "" : remedy)
    }
  }
}
