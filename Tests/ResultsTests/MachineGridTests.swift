import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results
@testable import Verdict

@Suite("Machines side by side")
struct MachineGridTests {
  @Test("have each claim with grade and figure, and what differs between them apart from what does not")
  func grid() throws {
    let scratch = try ScratchDirectory("machines")
    let ours = try Synthetic.store("11-zero-copy", .quick, in: "\(scratch.path)/ours")
    let volume = try Synthetic.store("06-throughput-over-volume", .quick, in: "\(scratch.path)/ours")
    var theirs = try Synthetic.store("11-zero-copy", .standard, in: "\(scratch.path)/theirs")
    theirs.machine.memory.cgroup = nil
    theirs.machine.memory.cgroupObstacle = "not root"
    theirs.machine.kernel = "7.0"
    let grid = MachineGrid([("ours", [ours, volume]), ("theirs", [theirs])])
    #expect(grid.machines == ["ours", "theirs"] && grid.rows.map(\.id) == ["E6", "E11"])
    #expect(grid.rows[0].cells.map { $0 == nil } == [false, true])
    let cells = grid.rows[1].cells
    #expect(cells[0]?.line == Overview.line(ours) && cells[1]?.profile == .standard)
    #expect(cells[0]?.isOther == false && cells[1]?.isOther == true, "the quick profile has other levels")
    let differing = Dictionary(uniqueKeysWithValues: grid.differing.map { ($0.name, $0.values) })
    #expect(differing["kernel"] == [ours.machine.kernel, "7.0"])
    #expect(differing["memory cgroup"]?.last == "none: not root", "\(differing)")
    #expect(grid.same.contains { $0.name == "cores" } && differing["cores"] == nil)
    let text = grid.text.split(separator: "\n")
    #expect(text[0].contains("ours") && text[0].hasSuffix("theirs"))
    #expect(text.contains { $0.contains("what differs") } && text.last { $0.contains("kernel") } != nil)
    #expect(MachineGrid([("a", [ours]), ("b", [ours])]).text.hasSuffix("the machines do not differ"))
  }
}
