import ArgumentParser
internal import CMillrace
import Foundation
import Glibc
import Measure
import Synchronization

/// What replication must do at the very least: receive batches over a socket, append them to a file, and have that file copied to
/// others over sockets while it grows.
///
/// ```
/// sender ─ socket ─▶ leader ─▶ file 0 ─ sendfile ─ socket ─▶ follower 1 ─▶ file 1
///                                     └ sendfile ─ socket ─▶ follower 2 ─▶ file 2
/// ```
///
/// The yardstick of a cluster's CPU for a gigabyte replicated: no protocol, no checks, no acknowledgements. Threads: one that receives and
/// appends, and for each copy one that sends and one that receives and appends; the sender of the batches is the calling thread.
package struct ReplicateStream: Sendable {
  package enum Limits {
    static let copies = 0...16
    static let batchBytesMax = 64 << 20
  }

  /// Where the files go; they are removed afterwards.
  package var directory: String
  /// A last batch that does not fit is left out.
  package var bytes: Int
  package var batchBytes: Int
  /// Files beside the first.
  package var copies: Int
  package var congestionControl: String?

  package init(
    directory: String, bytes: Int, batchBytes: Int, copies: Int, congestionControl: String? = "cubic"
  ) {
    self.directory = directory
    self.bytes = bytes
    self.batchBytes = batchBytes
    self.copies = copies
    self.congestionControl = congestionControl
  }

  package struct Result: Sendable, Equatable {
    /// Received; each copy has as many.
    package var bytes: Int
    /// From the first byte sent to the last one appended to the last file.
    package var seconds: Double
    /// Of all threads but the sender's.
    package var cpuSeconds: Double
    package var senderCPUSeconds: Double
    /// Of all files together.
    package var storedBytes: Int
    package var congestionControl: String
  }

  package func run() throws(MechanismError) -> Result {
    guard (1...Limits.batchBytesMax).contains(batchBytes), bytes >= batchBytes else {
      throw .badPlan("batch-bytes must be 1 to \(Limits.batchBytesMax) and at most bytes, not \(batchBytes)")
    }
    guard Limits.copies.contains(copies) else { throw .badPlan("copies must be 0 to \(Limits.copies.upperBound)") }
    var sockets: [Loopback] = []
    var files: [Int32] = []
    defer {
      for socket in sockets { socket.closeBoth() }
      for file in files { close(file) }
      for index in 0...copies { unlink(path(index)) }
    }
    for index in 0...copies {
      sockets.append(try Loopback(congestionControl: congestionControl))
      let path = path(index)
      files.append(try check("open \(path)") { open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600) })
    }
    let line = ReplicationLine(copies: copies)
    let batchBytes = batchBytes
    var threads: [WorkThread] = []
    let watch = try Progress.shared.watch()
    defer { watch.end() }
    let start = nowNanoseconds()
    let (first, file) = (sockets[0], files[0])
    threads.append(
      try WorkThread { line.run { () throws(MechanismError) in try line.lead(first.receiver, file, batchBytes) } })
    for copy in 1..<copies + 1 {
      let (socket, own) = (sockets[copy], files[copy])
      threads.append(
        try WorkThread { line.run { () throws(MechanismError) in try line.send(file, to: socket.sender, copy - 1) } })
      threads.append(
        try WorkThread { line.run { () throws(MechanismError) in try line.append(socket.receiver, own, batchBytes) } })
    }
    var used = ThreadUsage.now()
    let sent = Swift.Result { () throws(MechanismError) in try send(to: first.sender) }
    used = ThreadUsage.now() - used
    shutdown(first.sender, Int32(SHUT_WR))
    for thread in threads { thread.join() }
    let elapsed = Double(max(nowNanoseconds() - start, 1)) / 1e9
    let outcome = line.outcome
    if let error = outcome.error { throw error }
    let bytes = try sent.get()
    guard outcome.appended == bytes * (copies + 1) else {
      throw .corrupted("\(bytes) bytes were sent, and the \(copies + 1) files have \(outcome.appended)")
    }
    return Result(
      bytes: bytes, seconds: elapsed, cpuSeconds: outcome.cpuSeconds, senderCPUSeconds: used.cpuSeconds,
      storedBytes: outcome.appended, congestionControl: first.congestionControl)
  }

  private func path(_ index: Int) -> String { "\(directory)/replica-\(index).log" }

  private func send(to socket: Int32) throws(MechanismError) -> Int {
    let batch = alignedBuffer(byteCount: batchBytes)
    defer { batch.deallocate() }
    fillIncompressible(batch, seed: 1)
    var sent = 0
    while sent + batchBytes <= bytes {
      var done = 0
      while done < batchBytes {
        let (from, count) = (batch.baseAddress.map { $0 + done }, batchBytes - done)
        done += try check("send") { Glibc.send(socket, from, count, Int32(MSG_NOSIGNAL)) }
      }
      sent += batchBytes
    }
    return sent
  }
}

/// What the threads of one run share: how far the first file has grown, and what each spent.
private final class ReplicationLine: Sendable {
  struct Outcome {
    var appended = 0
    var cpuSeconds = 0.0
    var error: MechanismError?
  }

  private let written = Atomic(0)
  private let isWhole = Atomic(false)
  /// Signalled for each batch, and at the end.
  private let grown: [DispatchSemaphore]
  private let state = Mutex(Outcome())

  init(copies: Int) { grown = (0..<copies).map { _ in DispatchSemaphore(value: 0) } }

  var outcome: Outcome { state.withLock { $0 } }

  /// A thread's work: its CPU and its error are kept.
  func run(_ body: () throws(MechanismError) -> Void) {
    do throws(MechanismError) {
      try body()
    } catch {
      state.withLock { $0.error = $0.error ?? error }
      // Nobody waits for what does not come.
      isWhole.store(true, ordering: .releasing)
      for one in grown { one.signal() }
    }
    let used = ThreadUsage.now().cpuSeconds
    state.withLock { $0.cpuSeconds += used }
  }

  /// Receives batches and appends them to the first file.
  func lead(_ socket: Int32, _ file: Int32, _ batchBytes: Int) throws(MechanismError) {
    defer {
      isWhole.store(true, ordering: .releasing)
      for one in grown { one.signal() }
    }
    try receive(socket, file, batchBytes) { count in
      written.wrappingAdd(count, ordering: .releasing)
      for one in grown { one.signal() }
      Progress.shared.add(count)
    }
  }

  /// Sends what the first file has grown by, until it grows no more.
  func send(_ file: Int32, to socket: Int32, _ copy: Int) throws(MechanismError) {
    defer { shutdown(socket, Int32(SHUT_WR)) }
    var place: off_t = 0
    while true {
      let ends = isWhole.load(ordering: .acquiring)
      let there = written.load(ordering: .acquiring)
      if place < there {
        _ = try check("sendfile") { sendfile(socket, file, &place, there - Int(place)) }
      } else if ends {
        return
      } else {
        grown[copy].wait()
      }
    }
  }

  /// Receives a copy and appends it to its file.
  func append(_ socket: Int32, _ file: Int32, _ batchBytes: Int) throws(MechanismError) {
    try receive(socket, file, batchBytes) { _ in }
  }

  private func receive(
    _ socket: Int32, _ file: Int32, _ batchBytes: Int, _ took: (Int) -> Void
  ) throws(MechanismError) {
    let buffer = alignedBuffer(byteCount: batchBytes)
    defer { buffer.deallocate() }
    var appended = 0
    defer { state.withLock { $0.appended += appended } }
    do throws(MechanismError) {
      while true {
        let count = try check("recv") { recv(socket, buffer.baseAddress, batchBytes, Int32(MSG_WAITALL)) }
        if count == 0 { return }
        let wrote = try check("write") { write(file, buffer.baseAddress, count) }
        guard wrote == count else { throw .corrupted("\(wrote) of \(count) bytes were written") }
        appended += count
        took(count)
      }
    } catch {
      // The sender must not wait for a reader that is gone.
      shutdown(socket, Int32(SHUT_RDWR))
      throw error
    }
  }
}

struct ReplicateStreamCommand: Mechanism {
  static let configuration = CommandConfiguration(
    commandName: "replicate-stream",
    abstract:
      "Receive batches, append them to a file, and copy that to others, as replication does at least.")

  @Option(help: "Directory for the files, which are removed afterwards.") var directory: String
  @Option(help: "Total bytes received.") var bytes: Int
  @Option(help: "Bytes per batch, with one receive and one write.") var batchBytes = 65_536
  @Option(help: "Replicas, the first file among them.") var replicas = 1
  @Option(help: "TCP_CONGESTION of all sockets.") var congestionControl = "cubic"
  @Flag(help: "JSON is always printed, in the last line.") var json = false

  static func cost(of run: PricedRun) -> RunCost {
    let bytes = run.option("bytes") * max(1, run.option("replicas"))
    return RunCost(seconds: bytes / RunCost.Rates.appendBytesPerSecond, bytes: bytes, diskBytes: bytes)
  }

  static func ceilings(isCold: Bool, isSynced: Bool) -> [MachineCeiling] { [.loopback] }

  func measure() throws -> [String: Any] {
    let result = try ReplicateStream(
      directory: directory, bytes: bytes, batchBytes: batchBytes, copies: replicas - 1,
      congestionControl: congestionControl
    ).run()
    let gigabytes = Double(result.bytes) / 1e9
    return [
      "bytes": result.bytes, "seconds": result.seconds, "mb_per_s": Double(result.bytes) / 1e6 / result.seconds,
      "cpu_seconds": result.cpuSeconds, "cpu_s_per_gb": result.cpuSeconds / gigabytes,
      "stored_bytes": result.storedBytes, "client_cpu_s_per_gb": result.senderCPUSeconds / gigabytes,
      "congestion_control": result.congestionControl,
      "client_cpu_share": result.senderCPUSeconds / result.seconds,
    ]
  }
}
