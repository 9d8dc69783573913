import Glibc
import Results

/// A program of the system that this process runs for its effect: ip, tc, mount.
enum SystemTool {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// These answer at once.
  private static let seconds = 10.0

  static func path(of tool: String) -> String? {
    Tool.path(of: tool) ?? ["/usr/sbin", "/sbin"].map { "\($0)/\(tool)" }.first { access($0, X_OK) == 0 }
  }

  /// Runs a tool to its end.
  ///
  /// - Throws: the first line of what it says, when it fails or does not end in ten seconds.
  static func run(_ tool: String, _ arguments: [String]) throws(Failure) {
    guard let program = path(of: tool) else { throw Failure(description: "there is no `\(tool)`") }
    let log = "/tmp/millrace-\(getpid())-\(tool).log"
    defer { unlink(log) }
    let child: ChildProcess
    do {
      child = try ChildProcess(program: program, arguments: arguments, outPath: log, errPath: log)
    } catch { throw Failure(description: "\(error)") }
    let deadline = Uptime.seconds + seconds
    while child.poll() == nil, Uptime.seconds < deadline { Uptime.nap(milliseconds: 1) }
    guard child.poll() == .exited(0) else {
      let said = (SmallFile.read(log) ?? "").split(separator: "\n").first.map(String.init) ?? "it does not end"
      throw Failure(description: "\(tool) \(arguments.joined(separator: " ")): \(said)")
    }
  }
}
