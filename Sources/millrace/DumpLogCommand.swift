import Administration
import ArgumentParser
import Base
import Foundation
import Storage

/// Prints the contents of a log's files as text.
struct DumpLogCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dump-log", abstract: "Print a log's files as text or JSON, and report inconsistencies.",
    discussion: """
      Line for line as kafka-dump-log --print-data-log, or an object a line (--json). Exit code 65 when something is wrong
      with the files.

      EXAMPLES
        millrace dump-log /var/lib/millrace/t-0
        millrace dump-log /var/lib/millrace/t-0/00000000000000000000.log --no-records
        millrace dump-log /var/lib/millrace/t-0 --verify-index-only
        millrace dump-log /var/lib/millrace/__consumer_offsets-7 --offsets-decoder
      """)

  @Argument(help: "Partition directories or single files.") var paths: [String]
  @Flag(inversion: .prefixedNo, help: "Print records as well as batches.") var records = true
  @Flag(help: "Print records as well as batches, which is the default: kafka-dump-log's flag is understood.")
  var printDataLog = false
  @Flag(help: "Check every entry of the indexes against the log, and print no entries.") var verifyIndexOnly = false

  @Flag(help: "Print an object a line: a file, then its batches and records, or its entries.") var json = false

  @Flag(help: "Read records as those of __consumer_offsets.") var offsetsDecoder = false
  @Flag(help: "Read records as those of __transaction_state.") var transactionLogDecoder = false

  func validate() throws {
    guard !offsetsDecoder || !transactionLogDecoder else {
      throw ValidationError("give either --offsets-decoder or --transaction-log-decoder")
    }
    guard !verifyIndexOnly || !offsetsDecoder && !transactionLogDecoder else {
      throw ValidationError("--verify-index-only reads no records: leave out the decoder")
    }
    guard !verifyIndexOnly || !json else {
      throw ValidationError("--verify-index-only prints no entries: leave out --json")
    }
  }

  func run() throws {
    try Stop.translating {
      let faults = verifyIndexOnly ? try verifyIndexes() : try dump()
      for fault in faults { Terminal.complain(fault) }
      if !faults.isEmpty { throw Exit.badData }
    }
  }

  private func dump() throws -> [String] {
    let printsJSON = json
    var dump = LogDump { entry in
      guard printsJSON else { return Terminal.say(entry.line) }
      if let json = entry.json { Terminal.say(String(decoding: json.encoded, as: UTF8.self)) }
    }
    dump.printsRecords = records || printDataLog
    if offsetsDecoder { dump.decode = { InternalRecordText.offsets(key: $0, value: $1) } }
    if transactionLogDecoder { dump.decode = { InternalRecordText.transaction(key: $0, value: $1) } }
    return try paths.flatMap { try dump.dump($0) }
  }

  private func verifyIndexes() throws -> [String] {
    let dump = LogDump { _ in }
    var faults: [String] = []
    for file in try paths.flatMap(Self.indexes) {
      let found = try dump.dump(file)
      if found.isEmpty { Terminal.say("\(file): every entry is right") }
      faults += found
    }
    return faults
  }

  /// The index files that a path means: itself, or those in a partition's directory.
  private static func indexes(at path: String) throws -> [String] {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
      return [path]
    }
    return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
      .filter { $0.hasSuffix(".index") || $0.hasSuffix(".timeindex") }.map { "\(path)/\($0)" }
  }
}
