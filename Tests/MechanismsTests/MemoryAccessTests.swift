import Base
import Testing

@testable import Mechanisms

@Suite("Memory access", .serialized)
struct MemoryAccessTests {
  private let bytes = 1 << 20

  private func run(_ pattern: MemoryAccess.Pattern, _ change: (inout MemoryAccess) -> Void = { _ in }) throws
    -> MemoryAccess.Result
  {
    var plan = MemoryAccess(arrayBytes: bytes, pattern: pattern)
    (plan.seconds, plan.seed) = (0.01, 5)
    change(&plan)
    return try plan.run()
  }

  private func value(_ index: Int) -> UInt64 { UInt64(index) * 2_654_435_769 % (1 << 32) }

  @Test("in order, every value is read as often as the passes say")
  func sequential() throws {
    let result = try run(.sequential)
    let count = bytes / 4
    let pass = (0..<count).reduce(UInt64(0)) { $0 &+ value($1) }
    let rest = (0..<(result.values % count)).reduce(UInt64(0)) { $0 &+ value($1) }
    #expect(result.sum == UInt64(result.values / count) &* pass &+ rest)
    #expect(result.values > 0 && result.seconds >= 0.01)
  }

  @Test("at random, the sum is that of the seed's own indices")
  func random() throws {
    let result = try run(.random)
    var random = SplitMix(seed: 5)
    var sum: UInt64 = 0
    for _ in 0..<result.values { sum &+= value(random.below(bytes / 4)) }
    #expect(result.sum == sum)
  }

  @Test("a chain's next index follows from what was read")
  func chained() throws {
    let result = try run(.chained)
    var random = SplitMix(seed: 5)
    var sum: UInt64 = 0
    var place = 0
    for _ in 0..<result.values {
      sum &+= value(place)
      place = Int((random.next() ^ value(place) << 32).multipliedFullWidth(by: UInt64(bytes / 4)).high)
    }
    #expect(result.sum == sum)
  }

  @Test("all pages of the array are there before the clock starts, and small pages are small")
  func touched() throws {
    let result = try run(.random) { $0.arrayBytes = 16 << 20 }
    #expect(result.residentBytes >= 16 << 20)
    #expect(result.hugeShare < 0.1)
  }

  @Test("what cannot run is refused")
  func refused() {
    for change in [
      { (plan: inout MemoryAccess) in plan.arrayBytes = 0 }, { $0.arrayBytes = 4098 }, { $0.seconds = 0 },
    ] as [(inout MemoryAccess) -> Void] {
      #expect(throws: MechanismError.self) { try run(.random, change) }
    }
  }
}
