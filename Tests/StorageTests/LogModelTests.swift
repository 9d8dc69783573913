import Glibc
import Testing

@testable import Storage

/// Seeds that always run, and `MILLRACE_FRESH_SEEDS=n` (20) that never ran before. `MILLRACE_SEED=n` runs that one alone.
enum Seeds {
  /// The last found a preallocated segment whose cut to its true length a power failure took back: it was closed, killed
  /// and recovered behind the recovery point, and nothing synced it any more.
  static let fixed = Array(UInt64(1)...20) + [125_415_427_156_821]

  static let all: [UInt64] = {
    if let text = getenv("MILLRACE_SEED"), let seed = UInt64(String(cString: text)) { return [seed] }
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    var random = SeededRandom(UInt64(time.tv_sec) &* 1_000_000_007 &+ UInt64(time.tv_nsec))
    let fresh = getenv("MILLRACE_FRESH_SEEDS").flatMap { Int(String(cString: $0)) } ?? 20
    return fixed + (0..<fresh).map { _ in random.next() >> 16 }
  }()
}

@Suite("A log against a model, on a disk that crashes, tears and fails")
struct LogModelTests {
  @Test("what was flushed survives, what is read is a prefix of what was appended", arguments: Seeds.all)
  func model(seed: UInt64) throws {
    let model = try LogModel(seed: seed)
    do { try model.run(steps: 250) } catch {
      Issue.record("MILLRACE_SEED=\(seed): \(error) after \(model.history.suffix(40).joined(separator: "; "))")
    }
  }
}
