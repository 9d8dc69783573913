import Glibc
import Synchronization

/// What the threads of one `BlockIO` run share: the file, the order of its blocks and the cursor. Lives for one run.
final class BlockJob: Sendable {
  let plan: BlockIO
  let descriptor: Int32
  /// Address of the mapping; nil without one.
  let map: Int?
  /// Bytes of one step of the cursor, and how many steps the file has.
  let stepBytes: Int
  let steps: Int
  let order: ScatteredOrder
  private let cursor = Atomic<Int>(0)

  init(_ plan: BlockIO, descriptor: Int32, map: Int?, size: Int) {
    self.plan = plan
    self.descriptor = descriptor
    self.map = map
    let isScan = plan.access == .mapped && plan.pattern == .sequential
    // A step of a scan is so large that the cursor costs nothing beside it.
    stepBytes = isScan ? min(max(plan.blockBytes, BlockIO.Limits.mappedStepBytes), size & ~3) : plan.blockBytes
    steps = size / stepBytes
    order = ScatteredOrder(count: max(1, steps), seed: plan.seed)
  }

  /// The next step's block, or nil when the file has been visited.
  func next() -> Int? {
    let step = cursor.wrappingAdd(1, ordering: .relaxed).oldValue
    guard step < steps else { return nil }
    return plan.pattern == .sequential ? step : order[step]
  }

  /// No thread takes another step.
  func stop() { cursor.store(steps, ordering: .relaxed) }
}

/// One thread of a `BlockIO` run. Its outcome is its own until it has been joined.
final class BlockWorker: @unchecked Sendable {
  struct Outcome {
    var bytes = 0
    var operations = 0
    var syncs = 0
    var sum: UInt64 = 0
    var latencies = LatencyBuckets()
    var failure: MechanismError?

    mutating func add(_ other: Outcome) {
      bytes += other.bytes
      operations += other.operations
      syncs += other.syncs
      sum &+= other.sum
      latencies.add(other.latencies)
      if failure == nil { failure = other.failure }
    }
  }

  private let job: BlockJob
  private let deadline: Int64
  private let number: Int
  private(set) var outcome = Outcome()

  init(_ job: BlockJob, number: Int, start: Int64) {
    self.job = job
    self.number = number
    deadline = start + Int64(job.plan.seconds * 1e9)
  }

  func run() {
    do throws(MechanismError) {
      if let map = job.map {
        load(from: map)
      } else {
        try move()
      }
    } catch {
      outcome.failure = error
      job.stop()
    }
  }

  private func move() throws(MechanismError) {
    let buffer = alignedBuffer(byteCount: job.stepBytes)
    defer { buffer.deallocate() }
    fillIncompressible(buffer, seed: job.plan.seed &+ UInt64(number))
    var unsynced = 0
    var begun = nowNanoseconds()
    while begun < deadline, let block = job.next() {
      switch job.plan.operation {
      case .read:
        try transfer(buffer, at: block) { pread(job.descriptor, $0, $1, $2) }
        outcome.sum &+= sum(UnsafeRawBufferPointer(buffer))
      case .write:
        buffer.storeBytes(of: UInt32(truncatingIfNeeded: block).littleEndian, as: UInt32.self)
        try transfer(buffer, at: block) { pwrite(job.descriptor, $0, $1, $2) }
        unsynced += job.stepBytes
        if job.plan.sync == .each || job.plan.sync == .mib && unsynced >= 1 << 20 {
          try check("fdatasync \(job.plan.file)") { fdatasync(job.descriptor) }
          unsynced = 0
          outcome.syncs += 1
        }
      }
      outcome.bytes += job.stepBytes
      Progress.shared.add(job.stepBytes)
      outcome.operations += 1
      let ended = nowNanoseconds()
      outcome.latencies.record(nanoseconds: ended - begun)
      begun = ended
    }
  }

  /// The whole block, however many calls that takes.
  private func transfer(
    _ buffer: UnsafeMutableRawBufferPointer, at block: Int,
    _ call: (UnsafeMutableRawPointer?, Int, off_t) -> Int
  ) throws(MechanismError) {
    var done = 0
    while done < job.stepBytes {
      let from = buffer.baseAddress.map { $0 + done }
      let count = try check("\(job.plan.operation.rawValue) \(job.plan.file)") {
        call(from, job.stepBytes - done, off_t(block * job.stepBytes + done))
      }
      if count == 0 { throw .corrupted("\(job.plan.file) ended within block \(block)") }
      done += count
    }
  }

  /// Page faults in place of calls. Latencies only where a step is one access.
  private func load(from map: Int) {
    guard let base = UnsafeRawPointer(bitPattern: map) else { return }
    let isScan = job.plan.pattern == .sequential
    var begun = nowNanoseconds()
    while begun < deadline, let block = job.next() {
      outcome.sum &+= sum(UnsafeRawBufferPointer(start: base + block * job.stepBytes, count: job.stepBytes))
      outcome.bytes += job.stepBytes
      Progress.shared.add(job.stepBytes)
      outcome.operations += isScan ? job.stepBytes / job.plan.blockBytes : 1
      let ended = nowNanoseconds()
      if !isScan { outcome.latencies.record(nanoseconds: ended - begun) }
      begun = ended
    }
  }
}

/// The wrapping sum of a buffer's 32-bit values in the machine's byte order.
func sum(_ buffer: UnsafeRawBufferPointer) -> UInt64 {
  var sum: UInt64 = 0
  for value in buffer.assumingMemoryBound(to: UInt32.self) { sum &+= UInt64(value) }
  return sum
}
