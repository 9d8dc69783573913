import Base
import Glibc
import Model
import Testing

@testable import Storage

/// Seeds that always run, and `MILLRACE_FRESH_SEEDS=n` (20) that never ran before. `MILLRACE_SEED=n` runs that one alone.
enum Seeds {
  static let fixed =
    Array(UInt64(1)...20) + [
      // A preallocated segment whose cut to its true length a power failure took back: it was closed, killed and recovered
      // behind the recovery point, and nothing synced it any more.
      125_415_427_156_821,
      // A crash cut the log at 8; the next brought back segment 13, which that recovery had removed, behind 8–12 appended anew.
      175_520_502_951_394,
      // The same after a crash in which the roll to 317 kept its log and lost its indexes: 317–318 stood for 317–320.
      35_561_046_196_260,
      // The same without an append between, which alone does no harm: 206–208 were gone, and came back.
      44_203_965_932_305,
      // Records back from below a raised start after a crash, then a truncation that left these alone: no epoch was known.
      237_693_190_381_775, 247_088_398_569_146,
      // A truncation at 40 of a log that starts at 39, within its only batch, 36–43: it ends at 36. A false alarm of the model.
      106_219_703_738_892,
      // A commit marker for a compacted log that has lost its producer's records: the log knows no sequence number of it. The same.
      24_367_767_574_341,
      // The same after a restart: the records were deleted, and the marker was not. The same.
      253_257_640_056_744,
      // A cleaning that began behind an aborted transaction, and took the producer's next one, committed, for aborted too.
      218_724_075_544_634,
    ]

  static let all: [UInt64] = {
    if let text = getenv("MILLRACE_SEED"), let seed = UInt64(String(cString: text)) { return [seed] }
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    var random = SplitMix(seed: UInt64(time.tv_sec) &* 1_000_000_007 &+ UInt64(time.tv_nsec))
    let fresh = getenv("MILLRACE_FRESH_SEEDS").flatMap { Int(String(cString: $0)) } ?? 20
    return fixed + (0..<fresh).map { _ in random.next() >> 16 }
  }()
}

extension Seeds {
  /// A part of them, for tests that take long.
  static var some: [UInt64] { all.count == 1 ? all : Array(all.prefix(8) + all.suffix(6)) }
}

@Suite("A log against a model, on a disk that crashes, tears and fails")
struct LogModelTests {
  @Test(
    "what was flushed survives, what is read is a prefix of what was appended", arguments: Arm.allCases, Seeds.all
  )
  func model(arm: Arm, seed: UInt64) throws {
    let model = try LogModel(seed: seed, arm: arm)
    do { try model.run(steps: 250) } catch {
      Issue.record(
        "\(arm) MILLRACE_SEED=\(seed): \(error) after \(model.history.suffix(40).joined(separator: "; "))")
    }
  }

  @Test("the same holds of batches that are appended several at a time", arguments: Seeds.some)
  func groups(seed: UInt64) throws {
    let model = try LogModel(seed: seed, arm: .page, isGrouped: true)
    do { try model.run(steps: 250) } catch {
      Issue.record("groups MILLRACE_SEED=\(seed): \(error) after \(model.history.suffix(40).joined(separator: "; "))")
    }
  }
}
