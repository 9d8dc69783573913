internal import CMillrace
import Glibc
import Synchronization

/// What a broker must do at the very least with what producers send: receive a batch, append it to a file. One blocking
/// thread a connection, each with a file of its own; the sender is the calling thread.
///
/// The yardstick of the broker's CPU for a gigabyte produced: no protocol, no checks, no answers.
package struct ReceiveAppend: Sendable {
  package enum Limits {
    static let connectionsMax = 256
    static let batchBytesMax = 64 << 20
  }

  /// Where the files go; they are removed afterwards.
  package var directory: String
  /// Over all connections; a last batch that does not fit is left out.
  package var bytes: Int
  package var batchBytes: Int
  package var connections: Int
  package var congestionControl: String?

  package init(
    directory: String, bytes: Int, batchBytes: Int, connections: Int = 1, congestionControl: String? = "cubic"
  ) {
    self.directory = directory
    self.bytes = bytes
    self.batchBytes = batchBytes
    self.connections = connections
    self.congestionControl = congestionControl
  }

  package struct Result: Sendable, Equatable {
    package var bytes: Int
    /// From the first byte sent to the last one appended.
    package var seconds: Double
    /// Of the threads that receive and append.
    package var cpuSeconds: Double
    package var senderCPUSeconds: Double
    package var congestionControl: String

    package var mbPerSecond: Double { Double(bytes) / 1e6 / seconds }
    package var cpuSecondsPerGB: Double { cpuSeconds / (Double(bytes) / 1e9) }
    package var senderCPUSecondsPerGB: Double { senderCPUSeconds / (Double(bytes) / 1e9) }
  }

  package func run() throws(MechanismError) -> Result {
    guard (1...Limits.batchBytesMax).contains(batchBytes), bytes >= batchBytes else {
      throw .badPlan("batch-bytes must be 1 to \(Limits.batchBytesMax) and at most bytes, not \(batchBytes)")
    }
    guard (1...Limits.connectionsMax).contains(connections) else {
      throw .badPlan("connections must be 1 to \(Limits.connectionsMax), not \(connections)")
    }
    var loopbacks: [Loopback] = []
    defer { for loopback in loopbacks { loopback.closeBoth() } }
    for _ in 0..<connections { loopbacks.append(try Loopback(congestionControl: congestionControl)) }
    var appenders: [Appender] = []
    do throws(MechanismError) {
      for (index, loopback) in loopbacks.enumerated() {
        let path = "\(directory)/append-\(index).log"
        appenders.append(try Appender(socket: loopback.receiver, path: path, batchBytes: batchBytes))
      }
    } catch {
      // Those that run already must end before their sockets do.
      for loopback in loopbacks { shutdown(loopback.sender, Int32(SHUT_WR)) }
      for appender in appenders { _ = appender.finish() }
      throw error
    }
    let watch = try Progress.shared.watch()
    defer { watch.end() }
    let start = nowNanoseconds()
    var used = ThreadUsage.now()
    let sent = Swift.Result { () throws(MechanismError) in try send(over: loopbacks) }
    used = ThreadUsage.now() - used
    for loopback in loopbacks { shutdown(loopback.sender, Int32(SHUT_WR)) }
    let outcomes = appenders.map { $0.finish() }
    let elapsed = Double(max(nowNanoseconds() - start, 1)) / 1e9
    let bytes = try sent.get()
    if let error = outcomes.compactMap(\.error).first { throw error }
    let appended = outcomes.reduce(0) { $0 + $1.bytes }
    guard appended == bytes else { throw .corrupted("\(bytes) bytes were sent and \(appended) appended") }
    return Result(
      bytes: bytes, seconds: elapsed, cpuSeconds: outcomes.reduce(0) { $0 + $1.cpuSeconds },
      senderCPUSeconds: used.cpuSeconds, congestionControl: loopbacks[0].congestionControl)
  }

  /// Batch after batch, to each connection in turn; returns the bytes.
  private func send(over loopbacks: [Loopback]) throws(MechanismError) -> Int {
    let batch = alignedBuffer(byteCount: batchBytes)
    defer { batch.deallocate() }
    fillIncompressible(batch, seed: 1)
    var sent = 0
    var turn = 0
    while sent + batchBytes <= bytes {
      var done = 0
      while done < batchBytes {
        let (socket, from, count) = (loopbacks[turn].sender, batch.baseAddress.map { $0 + done }, batchBytes - done)
        done += try check("send") { Glibc.send(socket, from, count, Int32(MSG_NOSIGNAL)) }
      }
      sent += batchBytes
      turn = (turn + 1) % loopbacks.count
    }
    return sent
  }
}

/// One connection's receiving thread and its file. Started by `init`, ended by `finish`; exactly one call.
private final class Appender: Sendable {
  struct Outcome {
    var bytes = 0
    var cpuSeconds = 0.0
    var error: MechanismError?
  }

  private let socket: Int32
  private let path: String
  private let file: Int32
  private let batchBytes: Int
  private let outcome = Mutex(Outcome())
  private let thread = Mutex<WorkThread?>(nil)

  init(socket: Int32, path: String, batchBytes: Int) throws(MechanismError) {
    self.socket = socket
    self.path = path
    self.batchBytes = batchBytes
    file = try check("open \(path)") { open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600) }
    let started: WorkThread
    do throws(MechanismError) {
      started = try WorkThread { self.run() }
    } catch {
      close(file)
      throw error
    }
    thread.withLock { $0 = started }
  }

  func finish() -> Outcome {
    thread.withLock { $0 }?.join()
    close(file)
    unlink(path)
    return outcome.withLock { $0 }
  }

  private func run() {
    let buffer = alignedBuffer(byteCount: batchBytes)
    defer { buffer.deallocate() }
    var seen = Outcome()
    do throws(MechanismError) {
      while true {
        let count = try check("recv") { recv(socket, buffer.baseAddress, batchBytes, Int32(MSG_WAITALL)) }
        if count == 0 { break }
        let written = try check("write") { write(file, buffer.baseAddress, count) }
        guard written == count else { throw .corrupted("\(written) of \(count) bytes were written") }
        seen.bytes += count
        Progress.shared.add(count)
      }
    } catch {
      seen.error = error
      // The sender must not wait for a reader that is gone.
      shutdown(socket, Int32(SHUT_RDWR))
    }
    seen.cpuSeconds = ThreadUsage.now().cpuSeconds
    let ended = seen
    outcome.withLock { $0 = ended }
  }
}
