import Client
import Glibc
import NIOCore
import NIOPosix
import TestSupport
import Testing

/// A broker under attack: a bystander is served meanwhile, and the broker's memory is looked at before and after.
struct Siege {
  let broker: BrokerProcess
  let bystander: Bystander

  /// What an attack did.
  struct Outcome: Sendable {
    /// How much more memory the broker used, at its highest, than before.
    let grownBytes: Int
    let service: Bystander.Service
  }

  /// Runs `attack` on a thread of its own and demands that the bystander is served, and the broker's memory grows by no
  /// more than `bytes`.
  ///
  /// - Parameter held: rounds of the bystander for which the attackers stay as they are after `attack`.
  func endure<T: Sendable>(
    growingAtMost bytes: Int, _ name: String, held: Int = 0, attack: @escaping @Sendable () throws -> T
  ) async throws -> T {
    // Once before, so that what the broker needs for any client at all is there.
    var warmUp = Bystander.Service()
    for _ in 0..<8 { try await bystander.round(&warmUp) }
    ProcessMemory.forgetPeak(of: broker.pid)
    let before = try ProcessMemory(of: broker.pid).resident
    let clock = ContinuousClock()
    let began = clock.now
    let (result, service) = try await bystander.served(while: attack, held: held)
    let seconds = (clock.now - began) / .seconds(1)
    let after = try ProcessMemory(of: broker.pid)
    let grown = after.peak - before
    let log = try broker.logText()
    print(
      """
      \(name): \(tenths(seconds)) s, \(result); broker's memory \(before >> 20) MiB before, \(after.peak >> 20) at most, \
      \(after.resident >> 20) after, \(bytes >> 20) more allowed; bystander: \(service.rounds) rounds, \
      slowest answer \(tenths(service.slowestMs)) ms
      """)
    #expect(
      grown <= bytes,
      "\(name): the broker grew by \(grown >> 20) MiB, where \(bytes >> 20) are allowed: \(log.suffix(500))")
    #expect(service.rounds > 1, "\(name): the bystander came round \(service.rounds) times")
    return result
  }

  private func tenths(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}

/// Runs `body` with a broker and a bystander that knows it.
func withSiege(_ overrides: [String] = [], _ body: (Siege) async throws -> Void) async throws {
  try await withBroker(overrides) { broker in
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    do {
      try await body(Siege(broker: broker, bystander: try await Bystander.start(port: broker.port, on: group)))
    } catch is ExpectationFailedError {
      // Said already.
    } catch {
      let log = try broker.logText()
      Issue.record("\(error); the broker's log ends: \(log.suffix(1000))")
    }
    try await group.shutdownGracefully()
  }
}

/// What the broker may use for its clients, put together from the bounds that docs/broker.md names.
enum MemoryBound {
  static let eventLoops = 3
  static let receiveBuffer = 256 << 10
  /// Of each event loop: 4 spare buffers, and 32 that connections keep for part of a frame.
  static let sharedBuffers = eventLoops * (4 + 32) * receiveBuffer
  /// A connection by itself: the channel and its handlers, the first buffer, its place in tables.
  static let connection = 32 << 10
  /// Replies in memory that a client does not read: the limit, and the one that passed it.
  static let replies = 1 << 20
  /// A frame larger than a shared buffer: its bytes, in a buffer that doubles, while the old one is copied.
  static func largeFrame(_ bytes: Int) -> Int { bytes * 5 / 2 }
  /// What the allocator keeps of what was freed, and everybody's small change.
  static let slack = 32 << 20
}

/// Raises this process's soft limit of open files, since the test's ends of the connections are files too.
func raiseDescriptorLimit(to wanted: Int) throws {
  var limit = rlimit()
  guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
  guard limit.rlim_cur < rlim_t(wanted) else { return }
  try #require(limit.rlim_max >= rlim_t(wanted), "ulimit -Hn is \(limit.rlim_max); this test needs \(wanted)")
  limit.rlim_cur = rlim_t(wanted)
  setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
