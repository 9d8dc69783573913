import Base
import CMillrace
import Glibc
import Model

extension ProcessFigures {
  /// Reads the kernel's figures of this process from /proc. What cannot be read is 0.
  static func read() -> ProcessFigures {
    var figures = ProcessFigures()
    let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    if let fields = statFields("/proc/self/stat") {
      figures.cpuSeconds = Double(number(fields, 11) + number(fields, 12)) / ticks
      let startMs = number(fields, 19) * Int64(1000 / ticks)
      figures.startSeconds = Double(Clocks.wallMs() - Clocks.bootMs() + startMs) / 1000
      figures.virtualBytes = number(fields, 20)
      figures.residentBytes = number(fields, 21).multipliedClamped(by: Int64(sysconf(Int32(_SC_PAGESIZE))))
    }
    figures.openDescriptors = max(0, names("/proc/self/fd").count - 1)
    figures.descriptorsMax = OpenFileLimit.current
    var threads: [String: Double] = [:]
    for thread in names("/proc/self/task").prefix(Limits.threadsShown) {
      guard let text = contents("/proc/self/task/\(thread)/stat"), let open = text.firstIndex(of: "("),
        let close = text.lastIndex(of: ")"), open < close
      else { continue }
      let fields = text[text.index(after: close)...].split(separator: " ")
      let name = String(text[text.index(after: open)..<close])
      threads[name, default: 0] += Double(number(fields, 11) + number(fields, 12)) / ticks
    }
    figures.threads = threads.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    return figures
  }

  /// The fields of a stat file from the third on: the second, the name in parentheses, may hold spaces.
  private static func statFields(_ path: String) -> [Substring]? {
    guard let text = contents(path), let close = text.lastIndex(of: ")") else { return nil }
    return text[text.index(after: close)...].split(separator: " ")
  }

  private static func number(_ fields: [Substring], _ index: Int) -> Int64 {
    index < fields.count ? Int64(fields[index]) ?? 0 : 0
  }

  private static func names(_ path: String) -> [String] {
    guard let stream = opendir(path) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names
  }

  /// A small file of /proc.
  private static func contents(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = Glibc.read(file, &bytes, bytes.count)
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}
