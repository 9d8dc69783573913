import DiskSupport
import Glibc
import Storage
import Synchronization
import Testing

@testable import Coordination

/// A directory of its own for one test, removed afterwards.
private func withDirectory(_ body: (String) throws -> Void) throws {
  var template = Array("/tmp/millrace-znodes-XXXXXX\0".utf8CString)
  let path = try #require(
    template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) }.map { String(cString: $0) })
  defer {
    unlink("\(path)/\(JournalFile.name)")
    rmdir(path)
  }
  try body(path)
}

/// The machine's disk, with a switch: names are not synced for want of a descriptor to open their directory with.
private final class CrowdedDisk: ForwardingDisk {
  let real = RealDisk()
  let isFull = Mutex(false)

  func syncDirectory(_ path: String) throws(DiskError) {
    if isFull.withLock({ $0 }) { throw DiskError("open", path, code: EMFILE) }
    try real.syncDirectory(path)
  }
}

@Suite("JournalFile")
struct JournalFileTests {
  @Test("a tree in a directory is there again when it is opened again, and can be read meanwhile")
  func reopen() throws {
    try withDirectory { directory in
      let tree = try EmbeddedTree(disk: RealDisk(), directory: directory) { 5 }
      try tree.create("/a", Array("x".utf8))
      try tree.create("/e", mode: .ephemeral)
      let view = try ZNodeView(directory: directory)
      #expect(try view.children(of: "/") == ["a", "e"])
      #expect(try view.get("/a") == tree.get("/a"))
      tree.close()
      let again = try EmbeddedTree(disk: RealDisk(), directory: directory) { 6 }
      #expect(try again.children(of: "/") == ["a"])
      #expect(try again.get("/a").stat.ctime == 5)
    }
  }

  @Test("an open tree keeps a second one out, also after a compaction, until it is closed")
  func locked() throws {
    try withDirectory { directory in
      let tree = try EmbeddedTree(disk: RealDisk(), directory: directory, compaction: .init(changeBytes: 1)) { 5 }
      for index in 0..<20 { try tree.create("/n\(index)") }
      let error = #expect(throws: ZNodeError.self) {
        _ = try EmbeddedTree(disk: RealDisk(), directory: directory) { 5 }
      }
      #expect(error?.code == .disk)
      tree.close()
      #expect(throws: ZNodeError.self) { try tree.create("/late") }
      #expect(try EmbeddedTree(disk: RealDisk(), directory: directory) { 5 }.children(of: "/").count == 20)
    }
  }

  @Test("damage is told with the file's path and what to do; so is a journal in use")
  func sentences() throws {
    try withDirectory { directory in
      let path = "\(directory)/\(JournalFile.name)"
      do {
        let tree = try EmbeddedTree(disk: RealDisk(), directory: directory) { 5 }
        let error = #expect(throws: ZNodeError.self) {
          _ = try EmbeddedTree(disk: RealDisk(), directory: directory) { 5 }
        }
        #expect(error?.description == "\(path) is in use by another broker")
        for index in 0..<3 { try tree.create("/n\(index)") }
        tree.close()
      }
      let file = try RealDisk().open(path, creating: false)
      try [UInt8](repeating: 7, count: 20).withUnsafeBytes { bytes in
        try file.write(bytes, UnsafeRawBufferPointer(start: nil, count: 0), at: 30)
      }
      let error = #expect(throws: ZNodeError.self) {
        _ = try EmbeddedTree(disk: RealDisk(), directory: directory) { 5 }
      }
      #expect(error?.description.hasPrefix("\(path): the z-node journal is damaged at byte ") == true, "\(error!)")
      #expect(error?.description.contains("Put a copy of the file back") == true)
    }
  }

  @Test(
    "a snapshot whose name is not synced ends the writing: what a crash brings back is unknown, and no change is lost")
  func unsyncedSnapshot() throws {
    try withDirectory { directory in
      let disk = CrowdedDisk()
      let tree = try EmbeddedTree(disk: disk, directory: directory, compaction: .init(changeBytes: 1)) { 5 }
      disk.isFull.withLock { $0 = true }
      var acknowledged = 0
      while acknowledged < 50, (try? tree.create("/n\(acknowledged)")) != nil { acknowledged += 1 }
      #expect(acknowledged < 50, "the journal was never compacted")
      disk.isFull.withLock { $0 = false }
      #expect(throws: ZNodeError.self) { try tree.create("/late") }
      tree.close()
      let again = try EmbeddedTree(disk: RealDisk(), directory: directory) { 6 }
      #expect(try again.children(of: "/").count >= acknowledged)
    }
  }

  @Test("a torn end is cut off the file when the tree is opened")
  func tornEnd() throws {
    try withDirectory { directory in
      let tree = try EmbeddedTree(disk: RealDisk(), directory: directory) { 5 }
      try tree.create("/a")
      tree.close()
      let file = open("\(directory)/\(JournalFile.name)", O_WRONLY | O_APPEND)
      #expect(write(file, [0, 0, 0, 9, 1, 2], 6) == 6)
      close(file)
      let again = try EmbeddedTree(disk: RealDisk(), directory: directory) { 5 }
      try again.create("/b")
      again.close()
      #expect(try ZNodeView(directory: directory).paths == ["/", "/a", "/b"])
    }
  }

  @Test("a directory without a journal, and a file that is none, are said to be so")
  func notThere() throws {
    try withDirectory { directory in
      #expect(#expect(throws: ZNodeError.self) { try ZNodeView(directory: directory) }?.code == .noNode)
      let file = open("\(directory)/\(JournalFile.name)", O_WRONLY | O_CREAT, 0o600)
      #expect(write(file, Array("this is no journal, it is text".utf8), 30) == 30)
      close(file)
      #expect(#expect(throws: ZNodeError.self) { try ZNodeView(directory: directory) }?.code == .disk)
      #expect(throws: ZNodeError.self) { _ = try EmbeddedTree(disk: RealDisk(), directory: directory) { 5 } }
    }
  }
}
