import Synchronization

/// How a mechanism's run went over time: the bytes moved so far, looked at every 20 ms while measuring by a thread of its own.
///
/// A mechanism has a process to itself, so one counter serves (`shared`): its loops add each chunk that they moved, one relaxed addition,
/// and the runner judges from the moments whether the rate was steady.
final class Progress: Sendable {
  enum Limits {
    static let lookNs: Int64 = 20_000_000
    /// Moments reported of a run, so that files of many runs stay small; steadiness needs ten.
    static let momentsMax = 20
  }

  struct Moment: Sendable, Equatable {
    /// Since measuring began.
    var seconds: Double
    /// Moved by then.
    var bytes: Int
  }

  static let shared = Progress()

  private let moved = Atomic<Int>(0)
  private let looks = Mutex<[Moment]>([])

  /// Counts bytes that were moved; from any thread.
  func add(_ bytes: Int) { moved.wrappingAdd(bytes, ordering: .relaxed) }

  /// Begins to look, until the watch is ended; what was seen of an earlier one is forgotten.
  func watch() throws(MechanismError) -> Watch {
    moved.store(0, ordering: .relaxed)
    replace([])
    return try Watch(self)
  }

  /// For a mechanism that knows its own moments, such as the ends of its rounds.
  func replace(_ moments: [Moment]) { looks.withLock { $0 = moments } }

  /// What was seen, at most `Limits.momentsMax` moments, as evenly apart as they came.
  var moments: [Moment] {
    let all = looks.withLock { $0 }
    guard all.count > Limits.momentsMax else { return all }
    return (1...Limits.momentsMax).map { all[all.count * $0 / Limits.momentsMax - 1] }
  }

  fileprivate func look(since start: Int64, at now: Int64) {
    let moment = Moment(seconds: Double(now - start) / 1e9, bytes: moved.load(ordering: .relaxed))
    looks.withLock { $0.append(moment) }
  }

  /// The looking thread. Exactly one `end`, after the clock of what is measured has been read: it may wait for one look.
  final class Watch: Sendable {
    private let isOver: Flag
    private let thread: WorkThread

    fileprivate init(_ progress: Progress) throws(MechanismError) {
      let start = nowNanoseconds()
      let isOver = Flag()
      self.isOver = isOver
      thread = try WorkThread {
        var next = start + Limits.lookNs
        while true {
          sleepUntil(nanoseconds: next)
          guard !isOver.isSet else { return }
          let now = nowNanoseconds()
          progress.look(since: start, at: now)
          next = max(next, now - Limits.lookNs) + Limits.lookNs
        }
      }
    }

    func end() {
      isOver.set()
      thread.join()
    }
  }

  private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
  }
}
