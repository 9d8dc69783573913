import ArgumentParser
import Storage

/// What a log's files hold, as text.
struct DumpLogCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dump-log", abstract: "Write a log's files out as text, and say what does not fit together.",
    discussion: """
      Line for line as kafka-dump-log --print-data-log. Exit code 65 when something is wrong with the files.

      EXAMPLES
        millrace dump-log /var/lib/millrace/t-0
        millrace dump-log /var/lib/millrace/t-0/00000000000000000000.log --no-records
      """)

  @Argument(help: "Partition directories or single files.") var paths: [String]
  @Flag(inversion: .prefixedNo, help: "Records too, not only batches.") var records = true

  func run() throws {
    try Stop.translating {
      var dump = LogDump { Terminal.say($0) }
      dump.printsRecords = records
      var faults: [String] = []
      for path in paths { faults += try dump.dump(path) }
      for fault in faults { Terminal.complain(fault) }
      if !faults.isEmpty { throw Exit.badData }
    }
  }
}
