import Administration
import ArgumentParser
import Base

extension GroupsCommand {
  /// Moves a group's committed offsets.
  struct ResetOffsets: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "reset-offsets", abstract: "Move a group's committed offsets; shows them unless --execute is given.",
      discussion: """
        The group must have no members. Offsets outside a log are moved to its nearer end.

        EXAMPLES
          millrace groups reset-offsets g --topic t --to-earliest --bootstrap-server 127.0.0.1:9092
          millrace groups reset-offsets g --topic t:0,1 --shift-by -100 --execute --bootstrap-server 127.0.0.1:9092
          millrace groups reset-offsets g --all-topics --to-datetime 2026-01-31T12:00:00 --bootstrap-server 127.0.0.1:9092
          millrace groups reset-offsets g --all-topics --by-duration PT1H --bootstrap-server 127.0.0.1:9092
        """)

    @OptionGroup var chosen: Chosen
    @Option(help: "A topic, or its partitions as in t:0,1; may be repeated.") var topic: [String] = []
    @Flag(help: "All topics with committed offsets.") var allTopics = false
    @Flag(help: "To the first records.") var toEarliest = false
    @Flag(help: "To the ends of the logs.") var toLatest = false
    @Flag(help: "To where they are, or to the ends where none is committed.") var toCurrent = false
    @Option(help: "To this offset.") var toOffset: Int64?
    @Option(parsing: .unconditional, help: "Forward by so many records, or back when negative.") var shiftBy: Int64?
    @Option(help: "To the first records at or after YYYY-MM-DDThh:mm:ss, UTC unless a zone follows.") var toDatetime:
      String?
    @Option(help: "To the first records of the last so long, as in P7D or PT1H30M.") var byDuration: String?
    @Option(help: "To the offsets of a file with lines of topic,partition,offset.") var fromFile: String?
    @Flag(help: "Commit the offsets; without it they are only shown.") var execute = false
    @Flag(help: "Only show the offsets (default).") var dryRun = false
    @Flag(help: "Print lines of topic,partition,offset, as --from-file reads them.") var export = false
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
      let targets = [
        toEarliest, toLatest, toCurrent, toOffset != nil, shiftBy != nil, toDatetime != nil, byDuration != nil,
        fromFile != nil,
      ]
      guard targets.count(where: { $0 }) == 1 else {
        throw ValidationError(
          "give one of --to-earliest, --to-latest, --to-current, --to-offset, --shift-by, --to-datetime, --by-duration "
            + "and --from-file")
      }
      guard !export || !isOfSeveralGroups else {
        throw ValidationError("--export writes the offsets of one group: a file names no groups")
      }
      guard !execute || !dryRun else { throw ValidationError("give either --execute or --dry-run") }
      if let toOffset, toOffset < 0 { throw ValidationError("--to-offset \(toOffset): an offset is not negative") }
    }

    private var isOfSeveralGroups: Bool { chosen.allGroups || chosen.groups.count > 1 }

    private func target() throws -> ResetTarget {
      if toEarliest { return .earliest }
      if toLatest { return .latest }
      if toCurrent { return .current }
      if let toOffset { return .offset(toOffset) }
      if let shiftBy { return .shiftedBy(shiftBy) }
      if let toDatetime {
        guard let time = TimeText.milliseconds(datetime: toDatetime) else {
          throw ValidationError(
            "--to-datetime \(toDatetime): YYYY-MM-DDThh:mm:ss is needed, as in 2026-01-31T12:00:00Z")
        }
        return .datetime(time)
      }
      if let byDuration {
        guard let duration = TimeText.milliseconds(duration: byDuration) else {
          throw ValidationError("--by-duration \(byDuration): a duration such as P7D, PT1H30M or PT10S is needed")
        }
        return .duration(duration)
      }
      return try ResetTarget(csv: try textOfFile(fromFile ?? ""))
    }

    func run() async throws {
      let target = try checkingArguments { try self.target() }
      let scope = try checkingArguments { try self.scope(of: target) }
      try await cluster.answer {
        try await $0.resetOffsets(
          of: chosen.choice, scope, to: target, nowMs: Clocks.wallMs(), isExecuted: execute,
          isExported: export)
      }
    }

    /// A file of offsets names its partitions itself.
    private func scope(of target: ResetTarget) throws -> OffsetScope {
      guard let scope = target.scope else { return try OffsetScope(all: allTopics, topics: topic) }
      guard !allTopics, topic.isEmpty else {
        throw ValidationError("--from-file names the partitions: leave out --topic and --all-topics")
      }
      return scope
    }
  }
}
