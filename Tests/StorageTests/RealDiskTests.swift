import Glibc
import Model
import Testing

@testable import Storage

@Suite("The real disk")
struct RealDiskTests {
  /// Locks belong to what was opened, not to a descriptor of it: one made by dup(2), as a child process has, keeps them.
  @Test(
    "gives up a lock with its file, whoever else has the descriptor, and touches no other file's",
    arguments: [true, false])
  func lock(isLock: Bool) throws {
    let temporary = try TemporaryDirectory()
    let disk = RealDisk()
    let path = "\(temporary.path)/file"
    let copy: Int32
    do {
      let file = try #require(isLock ? try disk.lock(path) : try disk.open(path, creating: true))
      copy = dup(file.descriptor)
      if !isLock { #expect(flock(copy, LOCK_EX | LOCK_NB) == 0) }
      #expect(try disk.lock(path) == nil)
    }
    defer { close(copy) }
    #expect((try disk.lock(path) != nil) == isLock)
  }

  @Test("leaves the last descriptors to files that are open for a moment: a segment does not keep one of them")
  func reserve() throws {
    let temporary = try TemporaryDirectory()
    let disk = RealDisk(segmentDescriptors: SegmentDescriptors(end: 3))
    func create() throws {
      _ = try Log.create(
        disk: disk, directory: "\(temporary.path)/t-0", partition: TopicPartition("t", 0), topicID: nil,
        config: LogConfig(), nowMs: 0)
    }
    let path = "\(temporary.path)/t-0/00000000000000000000.log"
    #expect(throws: DiskError("open", path, code: EMFILE)) { try create() }
    try OffsetCheckpoint.recoveryPoint.write([TopicPartition("t", 0): 5], in: temporary.path, on: disk)
  }
}
