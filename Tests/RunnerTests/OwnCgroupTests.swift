import Testing

@testable import Experiment
@testable import Results
@testable import Runner

@Suite("Limits and settings of our own")
struct OwnCgroupTests {
  @Test("a quota is its time over its period, and `max` is none")
  func quota() {
    #expect(OwnCgroup.quotaCores(max: "150000 100000") == 1.5)
    #expect(OwnCgroup.quotaCores(max: "max 100000") == nil)
    #expect(OwnCgroup.quotaCores(max: nil) == nil)
    #expect(OwnCgroup.memoryLimitMiB(totalMiB: 0) == nil, "no limit is below nothing")
  }

  @Test("what shapes loopback is recorded, and a manifest of before it was still reads")
  func loopback() throws {
    let machine = Machine.read(data: ".")
    let settings = try #require(machine.loopback)
    #expect(settings["tcp_congestion_control"] == machine.congestionControl)
    #expect(settings["lo_mtu"].flatMap { Int($0) } != nil)
    var older = machine
    older.loopback = nil
    older.processor.quotaCores = nil
    #expect(try Machine(json: try older.json()).loopback == nil)
    #expect(try Machine(json: try machine.json()).loopback == settings)
  }
}
