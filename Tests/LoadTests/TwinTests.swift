import Testing

@testable import Load

@Suite("A twin: a growing topic beside fresh ones")
struct TwinTests {
  private static func plan(_ arguments: [String]) throws(PlanError) -> TwinPlan {
    try TwinPlan(arguments: ["--topic", "t", "--bootstrap-server", "h:1"] + arguments)
  }

  @Test("a step has as many whole records as fit, and there are as many steps as fit into the total")
  func steps() throws {
    let plan = try Self.plan(["--total-bytes", "1000000", "--step-bytes", "300000", "--record-size", "1024"])
    #expect(plan.steps == 3 && plan.base.recordCount == 292)
  }

  @Test("windows end at doublings up to the total where no levels are given")
  func doublings() throws {
    #expect(try Self.plan(["--total-bytes", "\(8 << 30)", "--from-mib", "1024"]).levels == [2048, 4096, 8192])
  }

  @Test(
    "what cannot be run is refused with the flag's name",
    arguments: [
      ([], "--total-bytes is missing"),
      (["--total-bytes", "100000", "--num-records", "3"], "--num-records is set by the steps"),
      (["--total-bytes", "100000"], "makes 0 steps"),
      (["--total-bytes", "268435456", "--levels", "64,32"], "levels"),
      (["--total-bytes", "268435456", "--levels", "64,512"], "levels"),
      (["--total-bytes", "268435456", "--from-mib", "64", "--levels", "64,128"], "levels"),
      (["--total-bytes", "268435456", "--null-sink"], "needs a broker"),
      (["--total-bytes", "268435456", "--broker-pid", "0"], "broker-pid"),
      (["--total-bytes", "70000", "--step-bytes", "65536", "--record-size", "65537"], "beyond --step-bytes"),
    ])
  func refused(arguments: [String], word: String) {
    let error = #expect(throws: PlanError.self) { try Self.plan(arguments) }
    #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
  }

  @Test("of each two steps one lets the growing topic go first and one the fresh one, and the seed says which")
  func order() throws {
    func order(_ seed: Int) throws -> [Bool] {
      let plan = try Self.plan(["--total-bytes", "\(32 << 30)", "--seed", "\(seed)"])
      return (0..<plan.steps).map(plan.growsFirst(at:))
    }
    let first = try order(1)
    #expect(first.count == 256)
    for block in stride(from: 0, to: 256, by: 2) { #expect(first[block] != first[block + 1], "steps \(block)") }
    let swapped = stride(from: 0, to: 256, by: 2).count { first[$0] }
    #expect((40...88).contains(swapped), "\(swapped) of 128 blocks begin with the growing topic")
    #expect(try order(2) != first && order(1) == first)
  }

  /// Steps of 128 MiB whose growing part costs `cpu` and takes `seconds` at the volume it begins at.
  private func report(
    steps: Int, _ cpu: (Int) -> Double?, _ seconds: (Int) -> Double = { _ in 0.1 }
  ) throws -> TwinReport {
    var report = TwinReport(
      plan: try Self.plan(["--total-bytes", "\(8 << 30)", "--from-mib", "1024", "--levels", "2048,4096,8192"]))
    let bytes = 128 << 20
    for step in 0..<steps {
      func part(_ cpu: Double?, _ seconds: Double) -> TwinRun.Part {
        var service = Latency()
        service.record(from: 0, to: 1_000_000, records: 1000)
        return TwinRun.Part(bytes: bytes, records: 1000, seconds: seconds, cpuSeconds: cpu, service: service)
      }
      report.steps.append(
        TwinRun.Step(
          storedBytes: (step + 1) * bytes, grown: part(cpu(step * 128), seconds(step * 128)),
          fresh: part(cpu(0).map { _ in 0.1 }, 0.1)))
    }
    return report
  }

  @Test("a window's ratio is the geometric mean of its own steps' ratios, and what filled memory is in none")
  func windows() throws {
    // Twice the CPU up to 1 GiB, then the same as the fresh one; from 4 GiB on a quarter more, at half the rate.
    let report = try report(
      steps: 64, { $0 < 1024 ? 0.2 : $0 < 4096 ? 0.1 : 0.125 }, { $0 < 4096 ? 0.1 : 0.2 })
    let windows = report.windows
    #expect(windows.map(\.level) == [2048, 4096, 8192])
    #expect(windows.map { $0.grown.bytes >> 20 } == [1024, 2048, 4096])
    for (found, expected) in zip(windows.compactMap(\.cpuRatio), [1, 1, 1.25]) { #expect(abs(found - expected) < 1e-9) }
    for (found, expected) in zip(windows.compactMap(\.rateRatio), [1, 1, 0.5]) { #expect(abs(found - expected) < 1e-9) }
  }

  @Test("a level that was not reached has no window, and without a process there is no CPU")
  func partial() throws {
    let report = try report(steps: 40) { _ in nil }
    #expect(report.windows.map(\.level) == [2048, 4096])
    #expect(report.windows.allSatisfy { $0.cpuRatio == nil && $0.rateRatio != nil })
    #expect(!report.isGood, "40 of 64 steps were done")
  }

  @Test("the series has a row a step, with the time of the growing topic alone")
  func series() throws {
    let lines = try report(steps: 3) { _ in 0.1 }.intervals.split(separator: "\n")
    #expect(lines.count == 4)
    #expect(lines[3].hasPrefix("0.3,1000,134217728,402653184,1280,"), "\(lines[3])")
  }
}
