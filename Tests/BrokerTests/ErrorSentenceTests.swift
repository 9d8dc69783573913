import Compression
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
    AppendError.coordinatorFenced(producerID: 1, latest: 2, got: 1), AppendError.invalidRecord("a batch of 0 records"),
    AppendError.unexpectedOffset(got: 1, expected: 2), AppendError.corrupt, AppendError.diskFailed(disk),
    AppendError.offline(disk), ReadError.outOfRange(logStart: 1, logEnd: 2), ReadError.diskFailed(disk),
    ReadError.unpacksTooMuch, PartitionError.deleted, PartitionError.offline, PartitionError.notLeader,
    PartitionError.notEnoughReplicas, PartitionError.notEnoughReplicasAfterAppend, PartitionError.fencedLeaderEpoch,
    PartitionError.unknownLeaderEpoch, PartitionError.append(.diskFailed(disk)), PartitionError.read(.diskFailed(disk)),
    WireError.truncated(needed: 4, left: 2), WireError.invalidLength(-7), WireError.invalidCount(9, left: 2),
    WireError.tooManyElements(limit: 5), WireError.unexpectedNull, WireError.invalidVarint,
    WireError.taggedFieldSize(tag: 1), WireError.unsupportedVersion(key: 1, version: 99), FrameError.negativeLength(-1),
    FrameError.tooLarge(9, limit: 5), FrameError.startLost,
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
}
