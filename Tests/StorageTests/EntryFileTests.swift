import Base
import Model
import Testing

@testable import Storage

@Suite("A search in an index")
struct EntryFileTests {
  /// Entries whose numbers rise by one to nine.
  private static func index(_ random: inout SplitMix, entries: Int, on disk: FakeDisk) throws -> (EntryFile, [Int32]) {
    var file = EntryFile(path: "/i/\(entries).index", entryBytes: 8)
    try file.reset(on: disk)
    var numbers: [Int32] = []
    var number: Int32 = 0
    for _ in 0..<entries {
      number += Int32(1 + random.below(9))
      numbers.append(number)
      try file.makeRoom(on: disk)
      file.append {
        $0.appendBigEndian(number)
        $0.appendBigEndian(number)
      }
    }
    return (file, numbers)
  }

  @Test(
    "finds what a look at every entry finds, wherever the one before ended",
    arguments: [0, 1, 2, 254, 255, 256, 700, 1400])
  func finds(entries: Int) throws {
    var random = SplitMix(seed: UInt64(entries))
    let disk = FakeDisk()
    try disk.makeDirectory("/i")
    var (file, numbers) = try Self.index(&random, entries: entries, on: disk)
    var wanted: Int32 = 0
    for round in 0..<3000 {
      // Mostly onwards in small steps, as a reader goes; sometimes anywhere.
      let last = numbers.last ?? 0
      wanted =
        random.below(20) == 0
        ? Int32(random.below(Int(last) + 20)) - 5 : min(last + 5, wanted + Int32(random.below(12)))
      if random.below(200) == 0, numbers.count > 2 {
        let kept = numbers.count - 1 - random.below(2)
        try file.truncate(to: kept, on: disk)
        numbers.removeLast(numbers.count - kept)
      }
      let expected = numbers.firstIndex { $0 > wanted } ?? numbers.count
      let found = try file.partitionPoint(on: disk) { $0.bigEndian(at: 0, as: Int32.self) > wanted }
      #expect(found == expected, "round \(round): \(wanted) among \(numbers.count)")
    }
  }

  @Test("looks at few entries where a reader goes on from one to the next")
  func looksAtFew() throws {
    var random = SplitMix(seed: 1)
    let disk = FakeDisk()
    try disk.makeDirectory("/i")
    var (file, numbers) = try Self.index(&random, entries: 2000, on: disk)
    var looks = 0
    for number in numbers[..<1500] {
      _ = try file.partitionPoint(on: disk) {
        looks += 1
        return $0.bigEndian(at: 0, as: Int32.self) > number
      }
    }
    // By halving alone a search takes eight to eleven.
    #expect(looks < 5 * 1500, "\(looks) looks")
  }
}
