import Glibc
import Model
import Testing

@testable import Storage

private let now: Int64 = 1_700_000_000_000

/// What the fake disk cannot show: the blocks that a file system has given to a segment beyond its batches.
@Suite("A segment's blocks", .enabled(if: Blocks.canBeReserved, "the file system of /tmp has no fallocate(2)"))
struct ReservedBlocksTests {
  /// Beyond its bytes a file may have what rounding to blocks adds, and a block or two of the tree that finds them.
  private static let slack = 64 << 10
  private static let batchBytes = 64 << 10

  private static func log(_ config: LogConfig, in temporary: TemporaryDirectory) throws -> Log {
    try Log.create(
      disk: RealDisk(), directory: "\(temporary.path)/t-0", partition: TopicPartition("t", 0), topicID: nil,
      config: config, nowMs: now)
  }

  private static func append(to log: Log) throws {
    _ = try log.append(Batches.make(records: 1, bodyBytes: batchBytes), leaderEpoch: 0, nowMs: now)
  }

  @Test("are reserved ahead of appends, and given back when it takes no more")
  func ahead() throws {
    let temporary = try TemporaryDirectory()
    var config = LogConfig()
    config.segmentBytes = 3 << 20
    let log = try Self.log(config, in: temporary)
    let blocks = { (base: Offset) in try Blocks(of: "\(temporary.path)/t-0/\(Segment.name(base)).log") }
    while try blocks(0).size < SegmentReserve.from { try Self.append(to: log) }
    try Self.append(to: log)
    let active = try blocks(0)
    #expect(active.allocated >= active.size + SegmentReserve.bytesMin, "\(active)")

    // Full: the next segment begins with this batch, and is written on until it has reserved too.
    while log.segments.count == 1 { try Self.append(to: log) }
    let rolled = try blocks(0)
    #expect(rolled.size > 2 << 20 && rolled.allocated <= rolled.size + Self.slack, "\(rolled)")
    let second = try #require(log.segments.last).baseOffset
    while try blocks(second).size <= SegmentReserve.from + Self.batchBytes { try Self.append(to: log) }
    let last = try blocks(second)
    #expect(last.allocated >= last.size + SegmentReserve.bytesMin / 2, "\(last)")

    try log.close(nowMs: now)
    let closed = try blocks(second)
    #expect(closed.size == last.size && closed.allocated <= closed.size + Self.slack, "\(closed)")
  }

  @Test("are there from its beginning with preallocation, and those not used given back when it takes no more")
  func preallocated() throws {
    let temporary = try TemporaryDirectory()
    var config = LogConfig()
    config.segmentBytes = 1 << 20
    config.preallocate = true
    let log = try Self.log(config, in: temporary)
    try Self.append(to: log)
    let path = { (base: Offset) in "\(temporary.path)/t-0/\(Segment.name(base)).log" }
    let active = try Blocks(of: path(0))
    #expect(active.size == config.segmentBytes && active.allocated >= config.segmentBytes, "\(active)")
    while log.segments.count == 1 { try Self.append(to: log) }
    let rolled = try Blocks(of: path(0))
    #expect(rolled.size < config.segmentBytes && rolled.allocated <= rolled.size + Self.slack, "\(rolled)")
    let second = try #require(log.segments.last).baseOffset
    #expect(try Blocks(of: path(second)).allocated >= config.segmentBytes)
    try log.close(nowMs: now)
    let closed = try Blocks(of: path(second))
    #expect(closed.size < 2 * Self.batchBytes && closed.allocated <= closed.size + Self.slack, "\(closed)")
  }
}

/// A file's bytes, and those the file system holds for it.
private struct Blocks: CustomStringConvertible {
  let size: Int, allocated: Int

  /// stat(2) counts blocks of 512 bytes, whatever the file system's are.
  private static let unit = 512

  init(of path: String) throws {
    var status = stat()
    guard stat(path, &status) == 0 else { throw DiskError("stat", path, code: errno) }
    size = Int(status.st_size)
    allocated = Int(status.st_blocks) * Self.unit
  }

  var description: String { "\(size) bytes in \(allocated) bytes of blocks" }

  /// Asked of the C library by name, as Swift does not show it, and not of the code under test.
  static let canBeReserved: Bool = {
    typealias Allocate = @convention(c) (Int32, Int32, off_t, off_t) -> Int32
    guard let temporary = try? TemporaryDirectory(), let symbol = dlsym(nil, "fallocate") else { return false }
    let keepSize: Int32 = 1
    let descriptor = open("\(temporary.path)/probe", O_RDWR | O_CREAT, 0o600)
    defer { close(descriptor) }
    return descriptor >= 0 && unsafeBitCast(symbol, to: Allocate.self)(descriptor, keepSize, 0, 1 << 20) == 0
  }()
}
