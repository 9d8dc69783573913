import CMillrace
package import Experiment
import Glibc
import Results

/// Whether the page cache holds some files: made so, and proved with mincore. Never "cold" or "hot" unproved.
package struct CacheState: Sendable {
  /// A share of resident pages from which the data count as hot, and below which as cold.
  package enum Thresholds {
    static let hot = 0.99
    static let cold = 0.01
  }

  package let paths: [String]

  package init(paths: [String]) { self.paths = paths }

  /// The share of the files' pages that are in memory; nil when a file cannot be mapped or there are no bytes.
  package func residentShare() -> Double? {
    var pages = 0
    var resident = 0
    for path in paths {
      guard let (all, here) = Self.pages(of: path) else { return nil }
      pages += all
      resident += here
    }
    return pages > 0 ? Double(resident) / Double(pages) : nil
  }

  /// What may be written into a row: the state that the share proves.
  package static func proved(by share: Double?) -> Row.CacheState {
    guard let share else { return .unknown }
    if share >= Thresholds.hot { return .hot }
    return share <= Thresholds.cold ? .cold : .lukewarm
  }

  /// Reads every byte, so that the pages are in memory if they fit.
  package func warm() {
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    for path in paths {
      let file = open(path, O_RDONLY | O_CLOEXEC)
      guard file >= 0 else { continue }
      while read(file, &buffer, buffer.count) > 0 {}
      close(file)
    }
  }

  /// Writes dirty pages back and drops the files' pages. Pages that sendfile sent stay while a socket's messages are not freed:
  /// those are freed, and the pages dropped again. Where some stay even then and root allows, all of the machine's clean pages go:
  /// that costs every neighbour its cache, so it is the last resort.
  package func chill() {
    drop()
    for _ in 0..<Chilling.attempts where residentShare() ?? 0 > 0 {
      millrace_free_received()
      drop()
      guard residentShare() ?? 0 > 0 else { return }
      _ = SmallFile.control("/proc/sys/vm/drop_caches", "1")
      // The kernel tells nobody when another processor has let go of a page it was moving: asked again a little later.
      usleep(Chilling.pauseUs)
    }
  }

  private enum Chilling {
    static let attempts = 5
    static let pauseUs: UInt32 = 50_000
  }

  private func drop() {
    for path in paths {
      let file = open(path, O_RDONLY | O_CLOEXEC)
      guard file >= 0 else { continue }
      fdatasync(file)
      posix_fadvise(file, 0, 0, Int32(POSIX_FADV_DONTNEED))
      close(file)
    }
  }

  private static func pages(of path: String) -> (all: Int, resident: Int)? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    let size = Int(lseek(file, 0, SEEK_END))
    guard size > 0 else { return (0, 0) }
    guard let start = mmap(nil, size, PROT_READ, MAP_SHARED, file, 0), start != MAP_FAILED else { return nil }
    defer { munmap(start, size) }
    let count = (size + 4095) / 4096
    var map = [UInt8](repeating: 0, count: count)
    guard mincore(start, size, &map) == 0 else { return nil }
    return (count, map.reduce(0) { $0 + Int($1 & 1) })
  }
}
