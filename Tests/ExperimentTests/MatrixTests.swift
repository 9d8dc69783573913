import Testing

@testable import Experiment
@testable import LabFixtures

@Suite("Matrix")
struct MatrixTests {
  /// A generator of known numbers: the tests want repeatable order, not good randomness.
  struct Counter: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state
    }
  }

  @Test("cells are arms times levels; `only` and `ignores` take away")
  func cells() throws {
    let matrix = Matrix(try Sample.experiment())
    #expect(matrix.cells.count == 6 + 6 + 1)
    #expect(matrix.cells.filter { $0.arm == "new-again" }.map(\.description) == ["new-again size=1"])
  }

  @Test("an arm with `replicates_max` runs in the first replicates only, and the others' order stays")
  func fewerReplicates() throws {
    let all = try Sample.experiment()
    var fewer = all
    fewer.arms[0].replicatesMax = 2
    var one = Counter(state: 1), same = Counter(state: 1)
    let runs = Matrix(fewer).order(using: &one)
    #expect(Set(runs.filter { $0.cell.arm == all.arms[0].name }.map(\.replicate)) == [1, 2])
    #expect(runs.map(\.order) == Array(0..<runs.count))
    let others = Matrix(all).order(using: &same).filter { $0.replicate < 3 || $0.cell.arm != all.arms[0].name }
    #expect(runs.map(\.cell) == others.map(\.cell))
  }

  @Test("the order is the seed's, and replicates are interleaved in blocks")
  func order() throws {
    let matrix = Matrix(try Sample.experiment())
    var one = Counter(state: 1), same = Counter(state: 1), other = Counter(state: 2)
    let runs = matrix.order(using: &one)
    #expect(runs == matrix.order(using: &same))
    #expect(runs.map(\.cell) != matrix.order(using: &other).map(\.cell))
    #expect(runs.map(\.order) == Array(0..<39))
    for block in 0..<3 {
      let cells = runs[(block * 13)..<(block * 13 + 13)].map(\.cell)
      #expect(Set(cells) == Set(matrix.cells), "block \(block) is not one of each")
      #expect(cells != matrix.cells, "block \(block) is not shuffled")
    }
  }
}
