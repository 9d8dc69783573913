import Compression
import Coordination
import DiskSupport
import Glibc
import Model
import NIOCore
import Storage
import Testing
import Wire

@testable import Broker

@Suite("An error that reaches a person")
struct ErrorSentenceTests {
  private static let disk = DiskError("open", "/data/t-0", code: 13)

  static let errors: [any Error & Sendable] = [
    RecordBatchError.truncated(bytes: 3, needed: 61), RecordBatchError.unsupportedMagic(9),
    RecordBatchError.inconsistent("8 bytes after the 4 records"), RecordBatchError.badChecksum(stored: 1, computed: 2),
    RecordBatchError.undecodable("gzip: \(CompressionError.corrupt("incorrect length check"))"),
    RecordBatchError.badStreamChecksum("lz4: \(CompressionError.badChecksum("ERROR_blockChecksum_invalid"))"),
    RecordBatchError.unpacksTooLarge(limit: 5), CompressionError.tooLarge(limit: 5), CompressionError.truncated,
    CompressionError.trailingBytes(5), CompressionError.unknownLevel(99, .gzip),
    CompressionError.libraryFailed("inflate: out of memory"), AppendError.tooLarge(bytes: 5, limit: 4),
    AppendError.largerThanSegment(bytes: 5, limit: 4),
    AppendError.timestampOutOfRange(timestamp: 1, earliest: 2, latest: 3),
    AppendError.outOfOrderSequence(producerID: 1, expected: 2, got: 3),
    AppendError.invalidProducerEpoch(producerID: 1, latest: 2, got: 1),
    AppendError.coordinatorFenced(producerID: 1, latest: 2, got: 1), AppendError.unverified(producerID: 1),
    AppendError.invalidRecord("a batch of 0 records"),
    AppendError.unexpectedOffset(got: 1, expected: 2), AppendError.corrupt, AppendError.diskFailed(disk),
    AppendError.offline(disk), ReadError.outOfRange(logStart: 1, logEnd: 2), ReadError.diskFailed(disk),
    ReadError.unpacksTooMuch, PartitionError.deleted, PartitionError.offline, PartitionError.notLeader,
    PartitionError.notEnoughReplicas, PartitionError.notEnoughReplicasAfterAppend, PartitionError.fencedLeaderEpoch,
    PartitionError.unknownLeaderEpoch, PartitionError.append(.diskFailed(disk)), PartitionError.read(.diskFailed(disk)),
    WireError.truncated(needed: 4, left: 2), WireError.invalidLength(-7), WireError.invalidCount(9, left: 2),
    WireError.tooManyElements(limit: 5), WireError.unexpectedNull, WireError.invalidVarint,
    WireError.taggedFieldSize(tag: 1), WireError.unsupportedVersion(key: 1, version: 99), FrameError.negativeLength(-1),
    FrameError.tooLarge(9, limit: 5), FrameError.startLost, StartRefusal(disk),
    StartRefusal(DiskError("open", "/data", code: 5)),
  ]

  @Test("is words, not the name of a case with its values", arguments: errors.indices)
  func words(index: Int) {
    let text = "\(Self.errors[index])"
    #expect(text.split(separator: " ").count >= 3, "\(text)")
    #expect(!text.contains(/[a-z][A-Za-z]*\([^)]*:/), "\(text)")
    #expect(!text.contains("Error."), "\(text)")
  }

  @Test("says of a host name that it has no address")
  func unknownHost() {
    do {
      _ = try SocketAddress.makeAddressResolvingHost("no-such-host.invalid", port: 1)
      Issue.record("the name has an address")
    } catch {
      let text = SocketFailure.reason(error)
      #expect(text.hasPrefix("the host name 'no-such-host.invalid' has no address ("), "\(text)")
    }
    #expect(SocketFailure.reason(IOError(errnoCode: 111, reason: "connect")) == "Connection refused")
  }

  @Test(
    "says of a file without which a broker does not start what to do",
    arguments: [
      (ENOSPC, "the disk of /d is full (znodes.journal could not be written): free some space and start again"),
      (EDQUOT, "the disk of /d is full (znodes.journal could not be written): free some space and start again"),
      (EROFS, "the disk of /d is mounted read-only (znodes.journal could not be written): mount it for writing"),
      (
        EACCES,
        "/d/znodes.journal may not be used by this user (open /d/znodes.journal: Permission denied): correct its owner or its mode"
      ),
      (EISDIR, "/d/znodes.journal is a directory, and a file is needed there: move it away, and put the file back"),
      (ENOTDIR, "/d is a file, and a directory is needed there: move it away, and put the directory back"),
      (EIO, "open /d/znodes.journal: Input/output error: the broker needs it to start"),
    ])
  func startRefusal(code: Int32, sentence: String) {
    let error = ZNodeError(JournalStoreError(call: "open", path: "/d/znodes.journal", errno: code))
    #expect(StartRefusal(error).description == sentence)
  }

  @Test("says of a start on a full disk, and of a directory in the journal's place, what to do")
  func startOnJournal() throws {
    try withDirectory { directory in
      let disk = FullDisk()
      try TestBroker.start(in: directory, disk: disk).running.stop()
      disk.isFull = true
      let full = #expect(throws: StartRefusal.self) { try TestBroker.start(in: directory, disk: disk) }
      #expect(
        full?.description
          == "the disk of \(directory)/data is full (znodes.journal could not be written): free some space and start again"
      )
      disk.isFull = false
      try disk.rename("\(directory)/data/znodes.journal", to: "\(directory)/kept")
      try disk.makeDirectory("\(directory)/data/znodes.journal")
      let other = #expect(throws: StartRefusal.self) { try TestBroker.start(in: directory, disk: disk) }
      #expect(
        other?.description
          == "\(directory)/data/znodes.journal is a directory, and a file is needed there: move it away, and put the file back"
      )
      try disk.removeDirectory("\(directory)/data/znodes.journal")
      try disk.rename("\(directory)/kept", to: "\(directory)/data/znodes.journal")
      try TestBroker.start(in: directory, disk: disk).running.stop()
    }
  }

  @Test("says of a full disk that a topic's creation met which disk, in the words of the tree")
  func fullDiskWhileRunning() throws {
    let disk = FullDisk()
    try withBroker(disk: disk) { broker in
      let client = try broker.connect()
      disk.isFull = true
      var request = CreateTopicsRequest()
      var topic = CreateTopicsRequest.Topic()
      (topic.name, topic.numPartitions, topic.replicationFactor) = ("t", 1, 1)
      request.topics = [topic]
      let refused = try client.ask(request, version: 7).topics.first
      #expect(refused?.errorCode == .unknownServerError)
      #expect(
        refused?.errorMessage
          == "the z-node tree was not changed: pwritev \(broker.directory)/data/znodes.journal: No space left on device"
      )
      disk.isFull = false
      try client.createTopic("t")
    }
  }
}
