import Testing

@testable import Experiment
@testable import Mechanisms

@Suite("Phases of a run")
struct PhasesTests {
  private let some = [Setting(name: "num-records", value: "1")]

  @Test("are in their order, however they are given, and found by what they are")
  func order() throws {
    let phases = try Phases([
      .restart, .measure(.consume, some), .stall(ms: "100"), .warm([]), .beside(.produce, some), .prepare(some),
    ])
    #expect(
      phases.list == [
        .prepare(some), .warm([]), .beside(.produce, some), .measure(.consume, some), .stall(ms: "100"), .restart,
      ])
    #expect(phases.prepare == some && phases.fill == nil && phases.warm == [] && phases.stallMs == "100")
    #expect(phases.beside?.flow == .produce && phases.beside?.options == some && phases.restarts)
    let alone = Phases(measuring: .sustain, some)
    #expect(alone.list == [.measure(.sustain, some)] && alone.warm == nil && alone.beside == nil && !alone.restarts)
  }

  @Test("what does not go together is no value, and the key says which")
  func refused() {
    func key(_ phases: [Phase]) -> String? {
      do throws(Phases.Fault) {
        _ = try Phases(phases)
        return nil
      } catch {
        return error.key
      }
    }
    #expect(key([.fill(some)]) == "program")
    #expect(key([.measure(.produce, []), .measure(.produce, [])]) == "program")
    #expect(key([.measure(.produce, []), .prepare(some), .fill(some)]) == "fill")
    #expect(key([.measure(.produce, []), .restart]) == "restart")
    #expect(key([.measure(.endToEnd, []), .warm(some)]) == "warm")
    #expect(key([.measure(.consume, []), .stall(ms: "1"), .stall(ms: "2")]) == "stall_ms")
    #expect(key([.measure(.consume, []), .fill(some), .warm(some), .restart]) == nil)
  }

  @Test("a program has one name, and one program a name")
  func programs() {
    let names = Arm.Program.all(MechanismList.descriptions).map(\.name)
    #expect(Set(names).count == names.count && names.count == MechanismList.descriptions.count + 6)
    #expect(names.contains("mechanism raw-append") && names.contains("load end-to-end"))
  }
}
