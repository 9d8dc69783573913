import Base
import Client
import Foundation
import NIOCore

/// The threads of a run that compress batches (`--compression-threads`), for all its producers. Each measures its share of a core, as
/// event loops do.
final class CompressionThreads: BatchCompression, @unchecked Sendable {
  // Unchecked: all that changes is guarded by `condition`.

  let ahead: Int
  private let condition = NSCondition()
  private var waiting = CircularBuffer<@Sendable () -> Void>()
  private var running: Int
  private var isEnding = false
  private var ended: CheckedContinuation<Void, Never>?
  private var shares: [Double?]

  /// - Parameter count: at least 1.
  init(_ count: Int) {
    ahead = count * Limits.batchesAheadOfThread
    running = count
    shares = Array(repeating: nil, count: count)
    for number in 0..<count {
      let thread = Thread { [self] in work(as: number) }
      thread.name = "compress-\(number)"
      thread.start()
    }
  }

  func run(_ work: @escaping @Sendable () -> Void) {
    condition.lock()
    waiting.append(work)
    condition.unlock()
    condition.signal()
  }

  /// The share of a core of each thread that has worked, from its first batch to its last.
  var cpuShares: [Double] {
    condition.lock()
    defer { condition.unlock() }
    return shares.compactMap(\.self)
  }

  /// Ends the threads; batches that none of them has taken are left as they are. Returns when the last has ended.
  func end() async {
    await withCheckedContinuation { continuation in
      condition.lock()
      isEnding = true
      ended = continuation
      let isOver = running == 0
      condition.unlock()
      condition.broadcast()
      if isOver { continuation.resume() }
    }
  }

  private func work(as number: Int) {
    var stopwatch = ThreadStopwatch()
    var hasBegun = false
    while let work = take(as: number, share: stopwatch.share) {
      if !hasBegun { stopwatch.start() }
      hasBegun = true
      work()
      stopwatch.look(lastNs: Clocks.monotonicNs())
    }
    leave()
  }

  /// Waits for something to do; nil when the threads are to end.
  private func take(as number: Int, share: Double?) -> (@Sendable () -> Void)? {
    condition.lock()
    defer { condition.unlock() }
    shares[number] = share
    while !isEnding {
      // Nothing here holds what a thread has taken: the memory of its records is used again.
      if let work = waiting.popFirst() { return work }
      condition.wait()
    }
    return nil
  }

  private func leave() {
    condition.lock()
    running -= 1
    let ended = running == 0 ? ended : nil
    condition.unlock()
    ended?.resume()
  }
}
