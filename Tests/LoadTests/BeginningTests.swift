import Model
import Testing

@testable import Load

@Suite("Where a consumer begins")
struct BeginningTests {
  private static func plan(_ arguments: [String]) throws -> LoadPlan {
    try LoadPlan(
      arguments: ["consume", "--topic", "t", "--bootstrap-server", "h:1", "--num-records", "1"] + arguments)
  }

  @Test("at a distance is so far before each partition's end")
  func distance() throws {
    let plan = try Self.plan(["--lag-records", "30"])
    #expect(try plan.beginning(starts: [0: 0, 1: 70], ends: [0: 50, 1: 100]) == [0: 20, 1: 70])
  }

  @Test(
    "is nowhere when a partition holds fewer records than the distance is long",
    arguments: [[0: 29], [0: 30, 1: 29]] as [[Int32: Int]])
  func tooShort(records: [Int32: Int]) throws {
    let plan = try Self.plan(["--lag-records", "30"])
    let error = #expect(throws: PlanError.self) {
      // What retention has taken is not there to be behind by.
      try plan.beginning(starts: records.mapValues { _ in 1000 }, ends: records.mapValues { Offset(1000) + $0 })
    }
    let last = records.count - 1
    #expect(error?.description.contains("--lag-records 30") == true)
    #expect(error?.description.contains("t-\(last) has 29 records: give a distance of at most 29") == true)
  }

  @Test("at random is anywhere, in partitions that have records")
  func random() throws {
    let plan = try Self.plan(["--order", "random", "--no-verify"])
    #expect(try plan.beginning(starts: [0: 5, 1: 70], ends: [0: 50, 1: 70]) == [0: 5])
  }
}
