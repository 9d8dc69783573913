import Results

/// The limits of the cgroup this process runs in: a container's, most often, which no other figure shows.
enum OwnCgroup {
  /// Nil where CPU time is not limited, or nothing can be read.
  static func quotaCores() -> Double? {
    for directory in directories(controller: "cpu") {
      if let cores = quotaCores(max: SmallFile.line("\(directory)/cpu.max")) { return cores }
      if let quota = SmallFile.integer("\(directory)/cpu.cfs_quota_us"), quota > 0,
        let period = SmallFile.integer("\(directory)/cpu.cfs_period_us"), period > 0
      {
        return Double(quota) / Double(period)
      }
    }
    return nil
  }

  /// Of version 2's `cpu.max`: `QUOTA PERIOD` in microseconds, or `max PERIOD`.
  static func quotaCores(max line: String?) -> Double? {
    let words = (line ?? "").split(separator: " ").map(String.init)
    guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]), period > 0 else { return nil }
    return quota / period
  }

  /// Nil where memory is not limited below what the machine has.
  static func memoryLimitMiB(totalMiB: Double) -> Double? {
    for directory in directories(controller: "memory") {
      for name in ["memory.max", "memory.limit_in_bytes"] {
        guard let bytes = SmallFile.line("\(directory)/\(name)").flatMap({ Double($0) }) else { continue }
        let mib = bytes / 1_048_576
        // Version 1 says "no limit" as the largest number of pages there is.
        return mib < totalMiB ? mib : nil
      }
    }
    return nil
  }

  /// Where the controller's files of our own group are: version 1's hierarchy, or version 2's one.
  private static func directories(controller: String) -> [String] {
    (SmallFile.read("/proc/self/cgroup") ?? "").split(separator: "\n").compactMap { line in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3 else { return nil }
      if parts[1].isEmpty { return "/sys/fs/cgroup\(parts[2])" }
      return parts[1].split(separator: ",").contains { $0 == controller }
        ? "/sys/fs/cgroup/\(controller)\(parts[2])" : nil
    }
  }
}

/// Settings of the kernel that shape traffic on loopback. They are recorded, and the one that matters most, congestion
/// control, is set on the sockets of every arm and read back.
enum LoopbackSettings {
  private static let files: [(name: String, path: String)] =
    [
      "tcp_congestion_control", "tcp_autocorking", "tcp_slow_start_after_idle", "tcp_mtu_probing", "tcp_rmem",
      "tcp_wmem", "tcp_limit_output_bytes", "tcp_notsent_lowat",
    ].map { ($0, "/proc/sys/net/ipv4/\($0)") } + [
      ("somaxconn", "/proc/sys/net/core/somaxconn"), ("default_qdisc", "/proc/sys/net/core/default_qdisc"),
      ("busy_poll", "/proc/sys/net/core/busy_poll"), ("lo_mtu", "/sys/class/net/lo/mtu"),
    ]

  static func read() -> [String: String] {
    var found: [String: String] = [:]
    for (name, path) in files {
      if let value = SmallFile.line(path) { found[name] = value.replacing("\t", with: " ") }
    }
    return found
  }
}
