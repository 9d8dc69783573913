import Glibc
import Results

/// A memory cgroup, so that data can exceed memory on a machine that has much: page cache and process share the limit.
///
/// Version 1 (/sys/fs/cgroup/memory) where it is mounted, else version 2. Made under the root group, because the
/// harness's own group may forbid children; removed by `remove()`, when its processes are gone.
package struct Cgroup: Sendable {
  package enum Version: String, Sendable {
    case one = "v1", two = "v2"
  }

  package struct Unavailable: Error, CustomStringConvertible {
    package let reason: String
    package var description: String { reason }
  }

  package let path: String
  package let version: Version
  package let limitMiB: Int

  /// The file a process writes itself into.
  package var procs: String { "\(path)/cgroup.procs" }

  private static let rootOne = "/sys/fs/cgroup/memory"
  private static let rootTwo = "/sys/fs/cgroup"

  /// Which version could be used; throws why none can.
  package static func available() throws(Unavailable) -> Version {
    guard geteuid() == 0 else { throw Unavailable(reason: "memory cgroups need root") }
    if access("\(rootOne)/memory.limit_in_bytes", W_OK) == 0 || access("\(rootOne)/cgroup.procs", W_OK) == 0 {
      return .one
    }
    let controllers = SmallFile.read("\(rootTwo)/cgroup.controllers") ?? ""
    if controllers.split(whereSeparator: \.isWhitespace).contains("memory") { return .two }
    throw Unavailable(reason: "no memory cgroup controller is mounted")
  }

  /// A group of `limitMiB` with no way out to swap where the kernel allows.
  package init(name: String, limitMiB: Int) throws(Unavailable) {
    version = try Self.available()
    self.limitMiB = limitMiB
    path = "\(version == .one ? Self.rootOne : Self.rootTwo)/\(name)"
    let bytes = String(limitMiB * 1_048_576)
    if version == .two { _ = SmallFile.control("\(Self.rootTwo)/cgroup.subtree_control", "+memory") }
    if mkdir(path, 0o755) != 0 && errno != EEXIST {
      throw Unavailable(reason: "cannot make \(path): \(String(cString: strerror(errno)))")
    }
    let file = version == .one ? "memory.limit_in_bytes" : "memory.max"
    guard SmallFile.control("\(path)/\(file)", bytes) else {
      rmdir(path)
      throw Unavailable(reason: "cannot set \(path)/\(file)")
    }
    _ = SmallFile.control(
      "\(path)/\(version == .one ? "memory.memsw.limit_in_bytes" : "memory.swap.max")", version == .one ? bytes : "0")
  }

  /// Memory charged to the group now, page cache included.
  package var usedMiB: Double {
    let file = version == .one ? "memory.usage_in_bytes" : "memory.current"
    return Double(SmallFile.integer("\(path)/\(file)") ?? 0) / 1_048_576
  }

  /// Gives up the group's page cache and removes it. Waits a little for processes that are just ending.
  package func remove() {
    _ = SmallFile.control(
      "\(path)/\(version == .one ? "memory.force_empty" : "memory.reclaim")",
      version == .one ? "0" : String(limitMiB * 1_048_576))
    for _ in 0..<100 {
      if rmdir(path) == 0 || errno == ENOENT { return }
      Uptime.nap(milliseconds: 10)
    }
  }
}
