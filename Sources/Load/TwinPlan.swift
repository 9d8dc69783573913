import Base
import Client

/// Holds the flags of `millrace-load twin`, and its workload's.
package struct TwinPlan: Sendable, Equatable {
  package static let command = "twin"

  package enum Limits {
    static let stepBytesDefault = 128 << 20
    static let stepBytes = 1.0 * 65_536...Double(1 << 40)
    static let stepsMax = 1 << 20
    /// After a step the broker is given this long to come to rest.
    static let restMs: Int64 = 1000
    /// A broker at rest: less CPU than this between two looks.
    static let restCPUSeconds = 0.0005
    static let lookMs: Int64 = 10
  }

  /// The workload of one step.
  package var base: LoadPlan
  package var stepBytes = Limits.stepBytesDefault
  package var steps: Int
  /// The volumes (MiB in the growing topic) at which windows of steps end; each begins where the one before ended, the first
  /// at `from`.
  package var levels: [Int]
  /// MiB in the growing topic before the first window.
  package var from: Int
  /// The process whose CPU time is measured; nil: none.
  package var brokerPID: Int32?
  /// Whether the growing topic is a fresh one at each step too: both are the same, and what still differs is noise (A/A).
  package var isFreshOnly = false

  package static let help = """
    millrace-load twin produces step by step to a topic that grows, and the same step to a topic that is made for it and
    deleted after it. The two of a step meet the machine in the same state, so their ratio shows what the stored volume does.

    usage: millrace-load twin --total-bytes N --bootstrap-server HOST:PORT --topic NAME [flags]

    flags beyond those of produce (--num-records, --duration, --throughput and --partitions are the steps' own):
      --total-bytes N        bytes of keys and values for the growing topic
      --step-bytes N         bytes of each step (default 134217728)
      --levels MIB,MIB,…     volumes at which windows end, whose figures are printed (default: doublings up to the end)
      --from-mib MIB         volume at which the first window begins (default 0): what is written until memory is full
      --broker-pid PID       also measure the CPU time of this process
      --fresh-only           both topics of a step are fresh: the same against itself

    exit code: 0 all steps were done; 1 errors; 2 a plan that cannot be run; 74 standard output cannot be written

    """

  package init(arguments: [String]) throws(PlanError) {
    let own = try OwnFlags(arguments, valued: Self.valued, switches: ["fresh-only"])
    for name in ["throughput", "num-records", "duration", "partitions"]
    where own.others.contains(where: { $0 == "--\(name)" || $0.hasPrefix("--\(name)=") }) {
      throw PlanError("--\(name) is set by the steps: leave it out")
    }
    guard let total = try own.number("total-bytes", Limits.stepBytes) else {
      throw PlanError("--total-bytes is missing: the bytes that the growing topic gets")
    }
    stepBytes = Int(try own.number("step-bytes", Limits.stepBytes) ?? Double(stepBytes))
    let count = Int(total) / stepBytes
    guard count >= 1, count <= Limits.stepsMax else {
      throw PlanError(
        "--total-bytes \(Int(total)) makes \(count) steps of \(stepBytes) bytes: 1 to \(Limits.stepsMax) can be run")
    }
    steps = count
    base = try LoadPlan(arguments: [LoadPlan.Command.produce.rawValue, "--num-records", "1"] + own.others)
    guard base.recordSize <= stepBytes else {
      throw PlanError("--record-size \(base.recordSize) is beyond --step-bytes \(stepBytes)")
    }
    base.recordCount = stepBytes / base.recordSize
    guard !base.usesNullSink else { throw PlanError("--null-sink stores nothing: a twin needs a broker") }
    brokerPID = try own.number("broker-pid", 1...Double(Int32.max)).map { Int32($0) }
    isFreshOnly = own["fresh-only"] != nil
    from = Int(try own.number("from-mib", 0...1e12) ?? 0)
    let end = steps * stepBytes >> 20
    levels = try Self.levels(own["levels"], from: from, to: end)
  }

  private static let valued: Set<String> = [
    "total-bytes", "step-bytes", "levels", "from-mib", "broker-pid",
  ]

  private static func levels(_ text: String?, from: Int, to end: Int) throws(PlanError) -> [Int] {
    guard let text else {
      var levels = [end]
      while let first = levels.first, first / 2 > max(from, 1) { levels.insert(first / 2, at: 0) }
      return levels
    }
    let levels = text.split(separator: ",").map { Int($0.filter { $0 != " " }) ?? -1 }
    guard let first = levels.first, first > from, zip(levels, levels.dropFirst()).allSatisfy({ $0 < $1 }),
      levels.last ?? 0 <= end
    else {
      throw LoadPlan.invalid(
        "levels", text, "rising MiB above --from-mib \(from), the last at most the total of \(end)")
    }
    return levels
  }

  /// Whether the growing topic gets its part of step `step` (from 0) first. Steps come in fours, ABBA: what the first of a pair
  /// does to the second falls on both topics alike, and so does a drift of the machine. The seed says which of both is A.
  package func growsFirst(at step: Int) -> Bool {
    // Of the two steps of a block one is AB and the other BA.
    let isSwapped = SplitMix.mixed(base.seed &+ UInt64(step / 2)) & 1 == 1
    return (step % 2 == 0) != isSwapped
  }
}
