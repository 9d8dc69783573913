import CMillrace
package import Experiment
import Foundation
import SystemPackage
package import Verdict

/// What a campaign has done, one line each: `CRC-32C in hex, space, JSON`. Appended and synced, so that a crash loses
/// the run in progress and nothing before it.
package enum JournalEntry: Sendable, Equatable, Codable {
  /// The first line: what runs, fixed before anything ran.
  case begin(Begin)
  /// A pilot run's median throughput, which paced arms keep to.
  case pilot(arm: String, mibPerSecond: Double)
  /// The rate that an arm's search found, which paced arms keep to.
  case searched(arm: String, recordsPerSecond: Double)
  /// A run ended, counted or not; so long were the files when its lines were in them. Nil: nobody sealed them then, or no run so far had a histogram.
  case finished(order: Int, rowsBytes: Int, seriesBytes: Int, seal: RunSeal? = nil, latencyBytes: Int? = nil)
  /// A run was thrown away and made again, because of what the machine did meanwhile; its figures had no say in it.
  case disturbed(order: Int, reason: String)
  /// Another replicate of every cell (so many runs) was added, because an interval was too wide.
  case extended(replicate: Int, runs: Int, reason: String)
  /// No further replicate was added, and why.
  case settled(replicates: Int, reason: String)
  /// What the self-validation beside this campaign said, before the first run.
  case validated(SelfValidation)
  /// How far apart arms and their A/A twins were in the campaigns before this one.
  case noise(NoiseHistory)
  /// An arm is left out, and why.
  case skipped(arm: String, reason: String)
  case resumed(at: String)
  /// The last line; `complete` is false after Ctrl-C or a stop.
  case end(complete: Bool, at: String)

  package struct Begin: Sendable, Equatable, Codable {
    package var experiment: String
    /// SHA-256 of the definition's text, verdict rule and all.
    package var definition: String
    package var profile: String
    package var seed: UInt64
    package var runs: Int
    package var startedAt: String
    /// Nil in journals of before there were any.
    package var changes: RunChanges?
    /// Whether the arms with a broker were left out of the order; nil in journals of before it was written down.
    package var bareOnly: Bool?
    /// SHA-256 of the files that were written before the first run, by name; nil in journals of before there were seals.
    package var files: [String: String]?
    /// The parts that `--without` left out, which a resumed campaign leaves out too; nil in journals of before it was written down.
    package var without: [String]?

    package init(
      experiment: String, definition: String, profile: String, seed: UInt64, runs: Int, startedAt: String,
      changes: RunChanges? = nil, bareOnly: Bool? = nil
    ) {
      self.experiment = experiment
      self.definition = definition
      self.profile = profile
      self.seed = seed
      self.runs = runs
      self.startedAt = startedAt
      self.changes = changes
      self.bareOnly = bareOnly
    }
  }
}

/// The file of entries, open for appending. Owned by one campaign.
package final class Journal {
  package struct Failure: Error, CustomStringConvertible {
    package let path: String
    package let reason: String
    package var description: String { "\(path): \(reason)" }
  }

  package let path: String
  private let file: FileDescriptor

  /// Opens or creates the journal and returns what it holds. A torn last line (a crash in mid-append) is cut off; a bad
  /// line with good ones after it is no torn tail but damage, and is refused.
  package static func open(_ path: String) throws(Failure) -> (Journal, [JournalEntry]) {
    let bytes = SmallFile.bytes(path) ?? []
    let (entries, length) = try read(bytes, path: path)
    return (try naming(path) { try Journal(path: path, keeping: length) }, entries)
  }

  /// The entries of a journal that nobody is writing, for reports; the torn tail is left as it is.
  package static func read(_ path: String) throws(Failure) -> [JournalEntry] {
    try read(SmallFile.bytes(path) ?? [], path: path).entries
  }

  private init(path: String, keeping length: Int) throws {
    self.path = path
    file = try FileDescriptor.open(
      FilePath(path), .readWrite, options: [.create, .closeOnExec],
      permissions: [.ownerReadWrite, .groupRead, .otherRead])
    try file.resize(to: Int64(length))
    try file.seek(offset: 0, from: .end)
    try file.sync()
  }

  deinit { try? file.close() }

  /// On disk when this returns.
  package func append(_ entry: JournalEntry) throws(Failure) {
    let line = try Self.line(entry, path: path)
    try Self.naming(path) {
      _ = try file.writeAll(line)
      try file.sync()
    }
  }

  private static func naming<Value>(_ path: String, _ body: () throws -> Value) throws(Failure) -> Value {
    do throws(WriteError) {
      return try WriteError.naming(path, body)
    } catch {
      throw Failure(path: path, reason: "\(error.errno)")
    }
  }

  static func line(_ entry: JournalEntry, path: String) throws(Failure) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json: [UInt8]
    do {
      json = Array(try encoder.encode(entry))
    } catch {
      throw Failure(path: path, reason: "\(error)")
    }
    return Array(checksum(json).utf8) + [UInt8(ascii: " ")] + json + [UInt8(ascii: "\n")]
  }

  /// The entries and the length of the text they cover.
  static func read(_ bytes: [UInt8], path: String) throws(Failure) -> (entries: [JournalEntry], length: Int) {
    var entries: [JournalEntry] = []
    var start = 0
    while start < bytes.count {
      guard let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")), let entry = entry(bytes[start..<end]) else {
        let isLast = !bytes[start...].dropLast().contains(UInt8(ascii: "\n"))
        if isLast { return (entries, start) }
        throw Failure(path: path, reason: "line \(entries.count + 1) is damaged and others follow it")
      }
      entries.append(entry)
      start = end + 1
    }
    return (entries, start)
  }

  private static func entry(_ line: ArraySlice<UInt8>) -> JournalEntry? {
    guard line.count > 9, line[line.startIndex + 8] == UInt8(ascii: " ") else { return nil }
    let json = Array(line.dropFirst(9))
    guard String(decoding: line.prefix(8), as: UTF8.self) == checksum(json) else { return nil }
    return try? JSONDecoder().decode(JournalEntry.self, from: Data(json))
  }

  private static func checksum(_ bytes: [UInt8]) -> String {
    let crc = bytes.withUnsafeBytes { buffer in
      buffer.baseAddress.map { millrace_crc32c(0, $0, buffer.count) } ?? 0
    }
    let digits = String(crc, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
