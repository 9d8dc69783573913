internal import CMillrace
import Glibc
import Model
import NIOCore
import Synchronization

/// What a broker must do at the very least with what producers send: receive a batch, append it to a file. One blocking
/// thread a connection, each with a file of its own; the sender is the calling thread.
///
/// The yardstick of the broker's CPU for a gigabyte produced: no protocol. With `recordBytes` each batch is one of records, whose checksum is
/// computed and whose records are walked before it is appended, and which is answered by `answerBytes`: what no broker can leave out.
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
  /// The bytes of a record's value; nil sends bytes that are no records, and nothing is checked or answered.
  package var recordBytes: Int?

  /// What Kafka's answer to one produced batch takes: version 9, a topic's name of one character.
  static let answerBytes = 58

  package init(
    directory: String, bytes: Int, batchBytes: Int, connections: Int = 1, congestionControl: String? = "cubic",
    recordBytes: Int? = nil
  ) {
    self.recordBytes = recordBytes
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
    let batch = try makeBatch()
    defer { batch.deallocate() }
    let bytes = self.bytes / batch.count * batch.count
    guard bytes > 0 else { throw .badPlan("bytes must make a batch of \(batch.count), not \(self.bytes)") }
    var loopbacks: [Loopback] = []
    defer { for loopback in loopbacks { loopback.closeBoth() } }
    for _ in 0..<connections { loopbacks.append(try Loopback(congestionControl: congestionControl)) }
    var appenders: [Appender] = []
    do throws(MechanismError) {
      for (index, loopback) in loopbacks.enumerated() {
        let path = "\(directory)/append-\(index).log"
        appenders.append(
          try Appender(
            socket: loopback.receiver, path: path, batchBytes: batch.count, checksAndAnswers: recordBytes != nil))
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
    let sent = Swift.Result { () throws(MechanismError) in try send(batch, bytes, over: loopbacks) }
    used = ThreadUsage.now() - used
    for loopback in loopbacks { shutdown(loopback.sender, Int32(SHUT_WR)) }
    let outcomes = appenders.map { $0.finish() }
    let elapsed = Double(max(nowNanoseconds() - start, 1)) / 1e9
    try sent.get()
    if let error = outcomes.compactMap(\.error).first { throw error }
    let appended = outcomes.reduce(0) { $0 + $1.bytes }
    guard appended == bytes else { throw .corrupted("\(bytes) bytes were sent and \(appended) appended") }
    return Result(
      bytes: bytes, seconds: elapsed, cpuSeconds: outcomes.reduce(0) { $0 + $1.cpuSeconds },
      senderCPUSeconds: used.cpuSeconds, congestionControl: loopbacks[0].congestionControl)
  }

  /// The batch that is sent again and again: of records when they are to be checked, as many as fit.
  private func makeBatch() throws(MechanismError) -> UnsafeMutableRawBufferPointer {
    let bytes = alignedBuffer(byteCount: batchBytes)
    fillIncompressible(bytes, seed: 1)
    guard let recordBytes else { return bytes }
    var builder = RecordBatchBuilder(capacity: batchBytes)
    while builder.sizeAtMost(afterKey: 0, value: recordBytes) <= batchBytes {
      builder.append(timestamp: 0, key: nil, value: UnsafeRawBufferPointer(rebasing: bytes[..<recordBytes]))
    }
    bytes.deallocate()
    guard !builder.isEmpty, let batch = try? builder.finish() else {
      throw .badPlan("no record of \(recordBytes) bytes fits into a batch of \(batchBytes)")
    }
    let records = alignedBuffer(byteCount: batch.readableBytes)
    records.copyBytes(from: batch.readableBytesView)
    return records
  }

  /// Sends the batch again and again, to each connection in turn, and drops the answers that have come.
  private func send(
    _ batch: UnsafeMutableRawBufferPointer, _ bytes: Int, over loopbacks: [Loopback]
  ) throws(MechanismError) {
    let answers = alignedBuffer(byteCount: 64 << 10)
    defer { answers.deallocate() }
    var sent = 0
    var turn = 0
    while sent < bytes {
      var done = 0
      let socket = loopbacks[turn].sender
      while done < batch.count {
        let (from, count) = (batch.baseAddress.map { $0 + done }, batch.count - done)
        done += try check("send") { Glibc.send(socket, from, count, Int32(MSG_NOSIGNAL)) }
      }
      sent += batch.count
      turn = (turn + 1) % loopbacks.count
      // Seldom, so that the receiver's threads are not woken to see that there is room again.
      if recordBytes != nil, (sent / batch.count).isMultiple(of: 64) {
        for loopback in loopbacks { _ = recv(loopback.sender, answers.baseAddress, answers.count, Int32(MSG_DONTWAIT)) }
      }
    }
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
  private let checksAndAnswers: Bool
  private let outcome = Mutex(Outcome())
  private let thread = Mutex<WorkThread?>(nil)

  init(socket: Int32, path: String, batchBytes: Int, checksAndAnswers: Bool) throws(MechanismError) {
    self.checksAndAnswers = checksAndAnswers
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
        if checksAndAnswers { try checkBatch(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
        let written = try check("write") { write(file, buffer.baseAddress, count) }
        guard written == count else { throw .corrupted("\(written) of \(count) bytes were written") }
        seen.bytes += count
        Progress.shared.add(count)
        if checksAndAnswers {
          let sent = try check("send") {
            send(socket, buffer.baseAddress, ReceiveAppend.answerBytes, Int32(MSG_NOSIGNAL))
          }
          guard sent == ReceiveAppend.answerBytes else { throw .corrupted("\(sent) bytes of an answer were sent") }
        }
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

  /// Computes the checksum, and goes from record to record by their lengths.
  private func checkBatch(_ bytes: UnsafeRawBufferPointer) throws(MechanismError) {
    let header = RecordBatchHeader(reading: bytes)
    let computed = millrace_crc32c(0, bytes.baseAddress! + BatchField.attributes, bytes.count - BatchField.attributes)
    guard computed == header.crc else { throw .corrupted("a batch's checksum is \(computed) and not \(header.crc)") }
    var position = BatchField.records
    for _ in 0..<header.count {
      var length = 0
      var shift = 0
      while position < bytes.count, shift < 32 {
        let byte = Int(bytes[position])
        position += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 { break }
      }
      position += length >> 1
    }
    guard position == bytes.count else { throw .corrupted("a batch's records end at \(position) of \(bytes.count)") }
  }
}
