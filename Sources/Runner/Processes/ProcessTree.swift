import Glibc
import Results

/// The processes that a started program has become: a script's Java, a broker's helpers.
package enum ProcessTree {
  package struct Entry: Sendable, Equatable {
    package var pid: Int32
    package var parent: Int32
    package var group: Int32
    /// Ended, and not yet awaited by its parent.
    package var isZombie: Bool

    package init(pid: Int32, parent: Int32, group: Int32, isZombie: Bool = false) {
      (self.pid, self.parent, self.group, self.isZombie) = (pid, parent, group, isZombie)
    }

    /// Of /proc/PID/stat; nil where the line is none. The name, in parentheses, may hold spaces and parentheses itself.
    package init?(stat: String) {
      guard let open = stat.firstIndex(of: "("), let close = stat.lastIndex(of: ")"), open < close,
        let pid = Int32(stat[..<open].filter { $0 != " " })
      else { return nil }
      let fields = stat[stat.index(after: close)...].split(separator: " ")
      guard fields.count > 2, let parent = Int32(fields[1]), let group = Int32(fields[2]) else { return nil }
      self.init(pid: pid, parent: parent, group: group, isZombie: fields[0] == "Z")
    }
  }

  /// All processes of the machine that can be seen.
  package static func all() -> [Entry] {
    (SmallFile.entries(of: "/proc") ?? []).filter { $0.first?.isNumber == true }
      .compactMap { SmallFile.read("/proc/\($0)/stat").flatMap(Entry.init(stat:)) }
  }

  /// The leaders, their process groups, and what descends from either; in order of their ids, without the ended.
  ///
  /// One that has left both its group and its parent (a daemon) is not found.
  package static func members(of leaders: [Int32], among all: [Entry]) -> [Int32] {
    var found = Set(all.filter { leaders.contains($0.pid) || leaders.contains($0.group) }.map(\.pid))
    while true {
      let more = all.filter { found.contains($0.parent) && !found.contains($0.pid) }.map(\.pid)
      if more.isEmpty { break }
      found.formUnion(more)
    }
    return all.filter { found.contains($0.pid) && !$0.isZombie }.map(\.pid).sorted()
  }
}
