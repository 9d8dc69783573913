/// Waits for the neighbours.
package enum Quiet {
  package enum Limits {
    /// The longest wait; then the run is made whatever the machine does.
    static let waitSeconds = 20.0
    /// One look. What the hypervisor takes shows only while we want the CPU, so looking is work.
    static let lookSeconds = 0.3
    static let takenPercentMax = 5.0
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
