import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results
@testable import Runner

@Suite("The machine, read")
struct MachineTests {
  @Test("the manifest of this machine reads back as written")
  func manifest() throws {
    let machine = Machine.read(data: ".")
    #expect(machine.processor.cores > 0)
    #expect(machine.memory.totalMiB > 0)
    #expect(try Machine(json: try machine.json()) == machine)
  }

  @Test("the mount of a path is the longest that holds it")
  func mount() {
    let mounts = "/dev/a / ext4 rw 0 0\n/dev/b /data xfs rw,noatime 0 0\n/dev/c /database ext4 rw 0 0\n"
    #expect(Mount.holding("/data/x", in: mounts)?.device == "/dev/b")
    #expect(Mount.holding("/database", in: mounts)?.device == "/dev/c")
    #expect(Mount.holding("/home", in: mounts)?.options == "rw")
  }

  @Test("a busy second before the start is waited for, at most two minutes, and not held against the campaign")
  func quietStart() {
    func begun(busy: [Double], stopAfter: Int = .max) -> (machine: Machine, reads: Int, told: Int) {
      var (now, reads, told) = (0.0, 0, 0)
      let machine = Quiet.machine(
        now: { now }, stopRequested: { reads >= stopAfter }, waiting: { _ in told += 1 },
        read: {
          now += 1
          reads += 1
          return Fixture.machine { $0.processor.busyPercentBefore = busy[min(reads, busy.count) - 1] }
        })
      return (machine, reads, told)
    }
    let quiet = begun(busy: [1])
    #expect(quiet.reads == 1 && quiet.told == 0)
    let late = begun(busy: [90, 60, 11, 3])
    #expect(late.reads == 4 && late.told == 1 && late.machine.processor.busyPercentBefore == 3)
    let never = begun(busy: [90])
    #expect(never.reads <= 121 && never.told == 1 && never.machine.processor.busyPercentBefore == 90)
    #expect(begun(busy: [90], stopAfter: 2).reads == 2)
  }
}
