package import Experiment
import Verdict

/// Waits for the neighbours.
package enum Quiet {
  package enum Limits {
    /// The longest wait; then the run is made whatever the machine does.
    static let waitSeconds = 20.0
    /// One look. What the hypervisor takes shows only while we want the CPU, so looking is work.
    static let lookSeconds = 0.3
    static let takenPercentMax = 5.0
    /// The longest wait before a campaign; then it begins, and its result says that others were busy.
    package static let startSeconds = 120.0
  }

  /// The machine as a campaign begins: read again until the second before was quiet, for one busy second would be held
  /// against all that follows it.
  ///
  /// - Parameters:
  ///   - read: takes a second or more of `now`.
  ///   - waiting: called once, when there is something to wait for.
  package static func machine(
    now: () -> Double, stopRequested: () -> Bool, waiting: (Machine) -> Void, read: () -> Machine
  ) -> Machine {
    let deadline = now() + Limits.startSeconds
    var machine = read()
    if !Gates.isQuiet(machine) { waiting(machine) }
    while !Gates.isQuiet(machine), now() < deadline, !stopRequested() { machine = read() }
    return machine
  }

  package static func wait() {
    let deadline = Uptime.seconds + Limits.waitSeconds
    while takenPercent() > Limits.takenPercentMax, Uptime.seconds < deadline, !Interrupt.isRequested {
      Uptime.nap(milliseconds: 500)
    }
  }

  /// Share of the CPU time that the hypervisor and others took in one look.
  private static func takenPercent() -> Double {
    let before = MachineFigures.now(device: nil)
    let end = Uptime.seconds + Limits.lookSeconds
    while Uptime.seconds < end {}
    let after = MachineFigures.now(device: nil)
    return after.stealPercent(since: before) + after.othersPercent(since: before, live: 0)
  }
}
