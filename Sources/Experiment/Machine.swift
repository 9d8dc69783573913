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

    package init(
      model: String? = nil, cores: Int, governor: String? = nil, virtual: Bool, stealPercentSinceBoot: Double,
      loadAverage1: Double, busyPercentBefore: Double, quotaCores: Double? = nil
    ) {
      self.model = model
      self.cores = cores
      self.governor = governor
      self.virtual = virtual
      self.stealPercentSinceBoot = stealPercentSinceBoot
      self.loadAverage1 = loadAverage1
      self.busyPercentBefore = busyPercentBefore
      self.quotaCores = quotaCores
    }
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

    package init(
      totalMiB: Double, availableMiB: Double, swapUsedMiB: Double, transparentHugePages: String? = nil,
      cgroup: String? = nil, cgroupObstacle: String? = nil, dirtyRatioPercent: Int? = nil,
      dirtyBackgroundRatioPercent: Int? = nil, limitMiB: Double? = nil, swappiness: Int? = nil
    ) {
      self.totalMiB = totalMiB
      self.availableMiB = availableMiB
      self.swapUsedMiB = swapUsedMiB
      self.transparentHugePages = transparentHugePages
      self.cgroup = cgroup
      self.cgroupObstacle = cgroupObstacle
      self.dirtyRatioPercent = dirtyRatioPercent
      self.dirtyBackgroundRatioPercent = dirtyBackgroundRatioPercent
      self.limitMiB = limitMiB
      self.swappiness = swappiness
    }
  }

  package struct Disk: Sendable, Equatable, Codable {
    package var path: String
    package var device: String?
    package var fileSystem: String?
    package var mountOptions: String?
    package var rotational: Bool?
    package var scheduler: String?
    package var freeGiB: Double

    package init(
      path: String, device: String? = nil, fileSystem: String? = nil, mountOptions: String? = nil,
      rotational: Bool? = nil, scheduler: String? = nil, freeGiB: Double
    ) {
      self.path = path
      self.device = device
      self.fileSystem = fileSystem
      self.mountOptions = mountOptions
      self.rotational = rotational
      self.scheduler = scheduler
      self.freeGiB = freeGiB
    }
  }

  package struct Build: Sendable, Equatable, Codable {
    package var commit: String?
    /// The tree differs from the commit; null when git cannot say.
    package var dirty: Bool?
    package var optimized: Bool
    package var swift: String

    package init(commit: String? = nil, dirty: Bool? = nil, optimized: Bool, swift: String) {
      self.commit = commit
      self.dirty = dirty
      self.optimized = optimized
      self.swift = swift
    }
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
