import ArgumentParser
import Storage

/// Prints the contents of a log's files as text.
struct DumpLogCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dump-log", abstract: "Print a log's files as text, and report inconsistencies.",
    discussion: """
      Line for line as kafka-dump-log --print-data-log. Exit code 65 when something is wrong with the files.

      EXAMPLES
        millrace dump-log /var/lib/millrace/t-0
        millrace dump-log /var/lib/millrace/t-0/00000000000000000000.log --no-records
      """)

  @Argument(help: "Partition directories or single files.") var paths: [String]
  @Flag(inversion: .prefixedNo, help: "Print records as well as batches.") var records = true

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
