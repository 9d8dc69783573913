import Testing

@testable import Experiment
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
}
