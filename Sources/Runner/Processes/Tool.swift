import Foundation
import Glibc
import Results

/// Small programs of the system, run to their end.
package enum Tool {
  /// A name with a slash is a path already.
  package static func path(of name: String) -> String? {
    if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
    let directories = (getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin").split(separator: ":")
    return directories.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
  }

  /// Trimmed standard output; nil when it is missing, fails, or takes more than five seconds.
  package static func output(_ name: String, _ arguments: [String]) -> String? {
    guard let program = path(of: name) else { return nil }
    let base = NSTemporaryDirectory() + "millrace-\(getpid())-\(name.replacing("/", with: "-"))"
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
