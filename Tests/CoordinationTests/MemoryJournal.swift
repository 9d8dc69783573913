@testable import Coordination

/// A journal in memory that can be told to fail. Not locked: one test owns it.
final class MemoryJournal: JournalStore, @unchecked Sendable {
  enum Fault { case none, write(keeping: Int), flush, truncate }

  var bytes: [UInt8] = []
  var fault = Fault.none
  var replacements = 0

  init(_ bytes: [UInt8] = []) { self.bytes = bytes }

  func load() throws(JournalStoreError) -> [UInt8] { bytes }

  func append(_ new: [UInt8], at position: Int) throws(JournalStoreError) {
    precondition(position == bytes.count, "an append at \(position) of \(bytes.count)")
    switch fault {
    case .none: bytes += new
    case .write(let kept):
      bytes += new.prefix(kept)
      throw error("pwrite")
    case .flush:
      bytes += new
      throw error("fdatasync")
    case .truncate:
      bytes += new.prefix(1)
      throw error("pwrite")
    }
  }

  func truncate(to length: Int) throws(JournalStoreError) {
    if case .truncate = fault { throw error("ftruncate") }
    bytes.removeLast(bytes.count - length)
  }

  func replace(with new: [UInt8]) throws(JournalStoreError) {
    bytes = new
    replacements += 1
  }

  func close() {}

  private func error(_ call: String) -> JournalStoreError { JournalStoreError(call: call, path: "memory", errno: 28) }
}
