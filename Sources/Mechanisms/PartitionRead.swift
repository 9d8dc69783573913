internal import CMillrace
import Glibc
import Synchronization

/// Reads parts of a file from several threads at once, as consumers read partitions: each part belongs to one thread, which
/// copies it into its buffer and checksums it. The bare mechanism behind "partitions give parallelism": no broker, no socket,
/// nothing shared but the machine.
///
/// A thread goes over its parts in turn, over and over until the time is up and at least once; a thread without a part is
/// done at once. Afterwards the parts' checksums of the first pass are compared with those of one thread alone.
package struct PartitionRead: Sendable {
  package enum Limits {
    static let partitionsMax = 4096
    static let consumersMax = 256
    static let readBytesMax = 64 << 20
    static let secondsMax = 600.0
  }

  package var file: String
  package var partitions: Int
  package var consumers: Int
  /// Bytes a system call is asked for.
  package var readBytes = 1 << 20
  package var seconds: Double

  package init(file: String, partitions: Int, consumers: Int, seconds: Double) {
    self.file = file
    self.partitions = partitions
    self.consumers = consumers
    self.seconds = seconds
  }

  package struct Result: Sendable, Equatable {
    package var bytes: Int
    /// From the first thread's start to the last one's end.
    package var seconds: Double
    /// Of all threads.
    package var cpuSeconds: Double
    /// Threads that had something to read.
    package var working: Int

    package var mbPerSecond: Double { Double(bytes) / 1e6 / seconds }
    package var cpuSecondsPerGB: Double { cpuSeconds / (Double(bytes) / 1e9) }
  }

  package func run() throws(MechanismError) -> Result {
    guard (1...Limits.partitionsMax).contains(partitions) else {
      throw .badPlan("partitions must be 1 to \(Limits.partitionsMax), not \(partitions)")
    }
    guard (1...Limits.consumersMax).contains(consumers) else {
      throw .badPlan("consumers must be 1 to \(Limits.consumersMax), not \(consumers)")
    }
    guard (1...Limits.readBytesMax).contains(readBytes) else {
      throw .badPlan("read-bytes must be 1 to \(Limits.readBytesMax), not \(readBytes)")
    }
    guard seconds > 0, seconds <= Limits.secondsMax else {
      throw .badPlan("seconds must be above 0 and at most \(Limits.secondsMax), not \(seconds)")
    }
    let data = try DataFile(path: file)
    guard data.byteCount >= partitions else {
      throw .badPlan("\(file) holds \(data.byteCount) bytes: too few for \(partitions) partitions")
    }
    let parts = (0..<partitions).map { index in
      data.byteCount * index / partitions..<data.byteCount * (index + 1) / partitions
    }
    let watch = try Progress.shared.watch()
    defer { watch.end() }
    let start = nowNanoseconds()
    var readers: [PartReader] = []
    var failure: MechanismError?
    do throws(MechanismError) {
      for consumer in 0..<consumers {
        let own = stride(from: consumer, to: partitions, by: consumers).map { parts[$0] }
        readers.append(
          try PartReader(file, own, readBytes: readBytes, deadline: start + Int64(seconds * 1e9)))
      }
    } catch {
      failure = error
    }
    let outcomes = readers.map { $0.finish() }
    let elapsed = Double(max(nowNanoseconds() - start, 1)) / 1e9
    if let error = failure ?? outcomes.compactMap(\.error).first { throw error }
    try verify(outcomes, parts)
    return Result(
      bytes: outcomes.reduce(0) { $0 + $1.bytes }, seconds: elapsed,
      cpuSeconds: outcomes.reduce(0) { $0 + $1.cpuSeconds }, working: outcomes.count { $0.bytes > 0 })
  }

  /// One thread alone reads everything again.
  private func verify(_ outcomes: [PartReader.Outcome], _ parts: [Range<Int>]) throws(MechanismError) {
    let alone = try PartReader(file, parts, readBytes: readBytes, deadline: 0).finish()
    if let error = alone.error { throw error }
    for (index, expected) in alone.checksums.enumerated() {
      let checksums = outcomes[index % consumers].checksums
      let place = index / consumers
      guard checksums.indices.contains(place), checksums[place] == expected else {
        throw .corrupted("a thread read other bytes from part \(index) than one thread alone")
      }
    }
  }
}

/// One thread and the parts it reads. Started by `init`, ended by `finish`; exactly one call.
private final class PartReader: Sendable {
  struct Outcome {
    var bytes = 0
    /// CRC-32C of each part, from the first pass.
    var checksums: [UInt32] = []
    var cpuSeconds = 0.0
    var error: MechanismError?
  }

  private let path: String
  private let parts: [Range<Int>]
  private let readBytes: Int
  private let deadline: Int64
  private let outcome = Mutex(Outcome())
  private let thread = Mutex<WorkThread?>(nil)

  /// - Parameter deadline: of `nowNanoseconds`; past it no further part is begun after the first pass.
  init(_ path: String, _ parts: [Range<Int>], readBytes: Int, deadline: Int64) throws(MechanismError) {
    self.path = path
    self.parts = parts
    self.readBytes = readBytes
    self.deadline = deadline
    let started = try WorkThread { self.run() }
    thread.withLock { $0 = started }
  }

  func finish() -> Outcome {
    thread.withLock { $0 }?.join()
    return outcome.withLock { $0 }
  }

  private func run() {
    var seen = Outcome()
    do throws(MechanismError) {
      if !parts.isEmpty { try readAll(&seen) }
    } catch {
      seen.error = error
    }
    seen.cpuSeconds = ThreadUsage.now().cpuSeconds
    let ended = seen
    outcome.withLock { $0 = ended }
  }

  private func readAll(_ seen: inout Outcome) throws(MechanismError) {
    let file = try check("open \(path)") { open(path, O_RDONLY | O_CLOEXEC) }
    defer { close(file) }
    let buffer = alignedBuffer(byteCount: readBytes)
    defer { buffer.deallocate() }
    for part in parts { seen.checksums.append(try read(part, file, buffer, &seen, until: .max)) }
    while nowNanoseconds() < deadline {
      for part in parts { _ = try read(part, file, buffer, &seen, until: deadline) }
    }
  }

  /// The part, or as much of it as the deadline allows.
  private func read(
    _ part: Range<Int>, _ file: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ seen: inout Outcome, until end: Int64
  ) throws(MechanismError) -> UInt32 {
    var crc: UInt32 = 0
    var place = part.lowerBound
    while place < part.upperBound, end == .max || nowNanoseconds() < end {
      let wanted = min(buffer.count, part.upperBound - place)
      let count = try check("pread \(path)") { pread(file, buffer.baseAddress, wanted, place) }
      guard count > 0 else { throw .corrupted("\(path) ended at \(place)") }
      crc = millrace_crc32c(crc, buffer.baseAddress, count)
      place += count
      seen.bytes += count
      Progress.shared.add(count)
    }
    return crc
  }
}
