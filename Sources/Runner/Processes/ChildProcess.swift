import Base
import CMillrace
import Glibc

/// A program this process started: its output in files, its end awaited here.
///
/// Not Sendable: one thread starts, watches and stops it. The kernel kills it when this process dies.
package final class ChildProcess {
  package enum End: Equatable, CustomStringConvertible {
    case exited(Int32)
    case signalled(Int32)

    package var description: String {
      switch self {
      case .exited(let code): "exit code \(code)"
      case .signalled(let number): "signal \(number)"
      }
    }
  }

  package struct StartError: Error, CustomStringConvertible {
    package let program: String
    package let number: Int32
    package var description: String { "cannot start \(program): \(String(cString: strerror(number)))" }
  }

  package let pid: Int32
  package let name: String
  private(set) package var end: End?

  /// Output goes to `outPath` and `errPath`, which are made anew; `procs` is the cgroup to join, as its cgroup.procs, and
  /// `network` the file of the network namespace to run in.
  package init(
    program: String, arguments: [String], outPath: String, errPath: String, procs: String? = nil,
    network: String? = nil
  ) throws(StartError) {
    name = program.split(separator: "/").last.map(String.init) ?? program
    let out = open(outPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard out >= 0 else { throw StartError(program: outPath, number: errno) }
    defer { close(out) }
    let err = open(errPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard err >= 0 else { throw StartError(program: errPath, number: errno) }
    defer { close(err) }
    var argv: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
    argv.append(nil)
    defer { for pointer in argv { free(pointer) } }
    let result = millrace_spawn(program, argv, out, err, procs, network)
    guard result > 0 else { throw StartError(program: program, number: -result) }
    pid = result
  }

  deinit { kill() }

  /// How it ended; nil while it runs. Never blocks.
  @discardableResult
  package func poll() -> End? {
    if let end { return end }
    var status: Int32 = 0
    guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
    // The macros of wait.h: the low seven bits are the signal, the next eight the exit code.
    let signal = status & 0x7f
    end = signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
    return end
  }

  /// SIGTERM, then after `grace` seconds SIGKILL to the whole group. Returns how it ended.
  @discardableResult
  package func stop(grace: Double) -> End {
    if poll() == nil { Glibc.kill(pid, SIGTERM) }
    let deadline = Uptime.seconds + grace
    while poll() == nil, Uptime.seconds < deadline { Uptime.nap(milliseconds: 5) }
    kill()
    return end ?? .signalled(SIGKILL)
  }

  /// `signal` to the whole group, and after `grace` seconds SIGKILL. Returns how the program itself ended, when nothing of the group
  /// is left.
  @discardableResult
  package func stopGroup(by signal: Int32, grace: Double) -> End {
    let deadline = Uptime.seconds + grace
    if poll() == nil || hasGroup { Glibc.kill(-pid, signal) }
    while poll() == nil || hasGroup, Uptime.seconds < deadline { Uptime.nap(milliseconds: 5) }
    killGroup()
    return end ?? .signalled(SIGKILL)
  }

  /// SIGKILL to what is left of the group, whether or not the program itself has ended.
  package func killGroup() {
    kill()
    while hasGroup {
      Glibc.kill(-pid, SIGKILL)
      Uptime.nap(milliseconds: 1)
    }
  }

  /// Whether a process of its group still runs.
  private var hasGroup: Bool { ProcessTree.all().contains { $0.group == pid && !$0.isZombie } }

  /// SIGKILL to the group; returns when it is gone.
  package func kill() {
    guard poll() == nil else { return }
    Glibc.kill(-pid, SIGKILL)
    while poll() == nil { Uptime.nap(milliseconds: 1) }
  }
}

/// The monotonic clock, for waits and bounds; measured times come from the programs themselves.
package enum Uptime {
  package static var seconds: Double { Double(Clocks.monotonicNs()) * 1e-9 }

  /// The clock that other programs tell their times by.
  package static var wallMs: Double { Double(Clocks.wallNs()) * 1e-6 }

  package static func nap(milliseconds: Int) { Clocks.nap(milliseconds: Int64(milliseconds)) }
}
