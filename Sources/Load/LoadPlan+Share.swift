extension LoadPlan {
  /// The number of this generator's first connection among those of all that share the run.
  var firstNumber: Int { share.index * connections }

  /// Reduces the plan of a whole run to this generator's share of it: its part of the records and of the rate, another seed, and end to end
  /// a topic of its own, `NAME-I`, because the stamps' times are comparable on one machine alone. Connections and threads are those of each
  /// generator. Does nothing to a whole run; to be called once.
  mutating func takeShare() throws(PlanError) {
    guard share.count > 1 else { return }
    if command == .consume {
      guard recordCount == nil else {
        throw PlanError(
          "a share of \(share.count) does not know how many records its partitions have: leave out --num-records, which reads to "
            + "their ends, or give --duration")
      }
    } else if let count = recordCount {
      guard count >= share.count else {
        throw PlanError("--num-records \(count) is too few for \(share.count) generators: give each at least one")
      }
      recordCount = share.part(of: count)
    }
    throughput = throughput.map { $0 / Double(share.count) }
    seed = seed &+ UInt64(share.index) &* 1_000_003
    if command == .endToEnd { topic += "-\(share.index + 1)" }
  }
}
