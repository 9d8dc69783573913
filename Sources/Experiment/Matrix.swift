/// One thing to measure: an arm at one level of each factor it depends on.
package struct Cell: Sendable, Hashable, CustomStringConvertible {
  package var arm: String
  /// In the definition's order of factors.
  package var levels: [Level]
  package var factors: [String]

  package var description: String {
    ([arm] + zip(factors, levels).map { "\($0)=\($1)" }).joined(separator: " ")
  }

  package func level(of factor: String) -> Level? {
    zip(factors, levels).first { $0.0 == factor }?.1
  }
}

/// One process-level run of a cell.
package struct PlannedRun: Sendable, Hashable {
  /// Place in the campaign, from 0: the run's name in the journal.
  package var order: Int
  /// From 1.
  package var replicate: Int
  package var cell: Cell

  package init(order: Int, replicate: Int, cell: Cell) {
    self.order = order
    self.replicate = replicate
    self.cell = cell
  }
}

/// All cells of an experiment and the order in which a campaign runs them. Pure: the same seed gives the same order.
package struct Matrix: Sendable, Equatable {
  package let cells: [Cell]
  package let replicates: Int
  /// By arm, where an arm runs in the first replicates only.
  private let replicatesMax: [String: Int]
  /// Arms that keep to a pace which another arm's search finds.
  private let searching: Set<String>

  /// Arms times the levels they run at; an arm's `only` restricts, its `ignores` removes factors.
  package init(_ experiment: Experiment) {
    replicates = experiment.replicates
    replicatesMax = experiment.arms.reduce(into: [:]) { most, arm in most[arm.name] = arm.replicatesMax }
    searching = Set(experiment.arms.filter { $0.paceOf.map(experiment.isSearch) ?? false }.map(\.name))
    cells = experiment.arms.flatMap { arm -> [Cell] in
      let factors = experiment.factors.filter { !arm.ignores.contains($0.name) }
      let choices = factors.map { factor in arm.only.first { $0.name == factor.name }?.levels ?? factor.levels }
      return Self.combinations(choices).map { Cell(arm: arm.name, levels: $0, factors: factors.map(\.name)) }
    }
  }

  /// Blocks of one replicate of every cell, each block in an order of its own: A B, B A, A B ... and never A A B B, so
  /// that a machine that slows down in the course of an hour slows all arms alike.
  package func order(using generator: inout some RandomNumberGenerator) -> [PlannedRun] {
    var runs: [PlannedRun] = []
    runs.reserveCapacity(cells.count * replicates)
    for replicate in 1...max(1, replicates) {
      runs += block(replicate, from: runs.count, using: &generator)
    }
    return runs
  }

  /// One replicate of every cell in an order of its own, but that a search comes before what keeps to its rate. The blocks of one generator are always the same, so a campaign
  /// that goes on, or is resumed, has the order it would have had.
  package func block(
    _ replicate: Int, from order: Int, using generator: inout some RandomNumberGenerator
  ) -> [PlannedRun] {
    // Shuffled as a whole: what runs in fewer replicates changes nothing in the order of the others.
    let shuffled = cells.shuffled(using: &generator).filter { replicate <= replicatesMax[$0.arm] ?? .max }
    let ordered = shuffled.filter { !searching.contains($0.arm) } + shuffled.filter { searching.contains($0.arm) }
    return ordered.enumerated().map { index, cell in
      PlannedRun(order: order + index, replicate: replicate, cell: cell)
    }
  }

  private static func combinations(_ choices: [[Level]]) -> [[Level]] {
    choices.reduce([[]]) { partial, levels in
      partial.flatMap { chosen in levels.map { chosen + [$0] } }
    }
  }
}
