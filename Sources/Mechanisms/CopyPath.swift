internal import CMillrace
import Glibc

/// Sends a file through a loopback TCP connection by one of the ways the kernel offers, over and over until the time is
/// up: the bare mechanism behind "zero copy".
///
/// The sender is the calling thread and the receiver a thread of its own, so that each one's CPU is counted apart.
/// After measuring, one more pass is sent and checked against the file's CRC-32C: a fast wrong path is an error.
package struct CopyPath: Sendable {
  package enum Path: String, Sendable, CaseIterable {
    /// pread into a buffer, send from it.
    case readWrite = "read-write"
    /// The file mapped anew for each pass, sent from the mapping.
    case mmapWrite = "mmap-write"
    case sendfile
    /// File to pipe to socket.
    case splice
    /// pread into a buffer, sealed in the records of TLS 1.3, send from those: what encryption costs without a handshake.
    case readSealWrite = "read-seal-write"

    /// Copies of each byte by the sender's CPU between page cache and socket, by construction; encryption into another buffer is
    /// one.
    package var senderCopies: Int {
      switch self {
      case .readWrite: 2
      case .readSealWrite: 3
      case .mmapWrite: 1
      case .sendfile, .splice: 0
      }
    }
  }

  package enum Cache: String, Sendable, CaseIterable {
    /// As found.
    case any
    /// Read once before; at least 99 % resident or the run fails.
    case hot
    /// Dropped before, at most 1 % resident or the run fails; the file is sent once.
    case cold
  }

  package enum Limits {
    static let bufferBytesMax = 64 << 20
    /// Of all connections together.
    static let receiveBytesMax = 1 << 30
    static let connectionsMax = 256
    static let secondsMax = 600.0
    static let hotShareMin = 0.99
    static let coldShareMax = 0.01
  }

  package var file: String
  package var path: Path
  /// Bytes a system call is asked to move.
  package var bufferBytes: Int
  package var seconds: Double
  /// Each chunk of `bufferBytes` goes to the next one; one receiver reads them all.
  package var connections = 1
  /// The memory a connection's bytes are received into, over and over: small enough, and it stays in the processor's cache.
  package var receiveBytes = 1 << 20
  /// Of both sockets; nil leaves the kernel's default.
  package var congestionControl: String?
  package var cache = Cache.any
  package var verifies = true

  package init(file: String, path: Path, bufferBytes: Int, seconds: Double, congestionControl: String? = "cubic") {
    self.file = file
    self.path = path
    self.bufferBytes = bufferBytes
    self.seconds = seconds
    self.congestionControl = congestionControl
  }

  package struct Result: Sendable, Equatable {
    package var fileBytes: Int
    /// Whole file and its parts, as the receiver counted them; without what records add.
    package var bytes: Int
    /// From the first byte sent to the last received.
    package var seconds: Double
    package var passes: Int
    package var senderCPUSeconds: Double
    package var receiverCPUSeconds: Double
    /// Of the sender, counted one by one: those that read, map, or send.
    package var systemCalls: Int
    package var contextSwitches: Int
    package var minorFaults: Int
    package var senderCopies: Int
    /// Share of the file in the page cache just before and after measuring.
    package var residentBefore: Double
    package var residentAfter: Double
    package var congestionControl: String
    /// Nil when verification was off.
    package var checksum: UInt32?

    package var mbPerSecond: Double { Double(bytes) / 1e6 / seconds }
    package var senderCPUSecondsPerGB: Double { senderCPUSeconds / (Double(bytes) / 1e9) }
    package var receiverCPUSecondsPerGB: Double { receiverCPUSeconds / (Double(bytes) / 1e9) }
  }

  package func run() throws(MechanismError) -> Result {
    guard (1...Limits.bufferBytesMax).contains(bufferBytes) else {
      throw .badPlan("buffer-bytes must be 1 to \(Limits.bufferBytesMax), not \(bufferBytes)")
    }
    guard (1...Limits.connectionsMax).contains(connections) else {
      throw .badPlan("connections must be 1 to \(Limits.connectionsMax), not \(connections)")
    }
    guard receiveBytes > 0, receiveBytes <= Limits.receiveBytesMax / connections else {
      throw .badPlan(
        "receive-bytes must be 1 to \(Limits.receiveBytesMax) over all connections, not \(receiveBytes) for each")
    }
    guard seconds > 0, seconds <= Limits.secondsMax else {
      throw .badPlan("seconds must be above 0 and at most \(Limits.secondsMax), not \(seconds)")
    }
    let data = try DataFile(path: file)
    let before = try prepare(data)
    var result = try measure(data)
    result.residentBefore = before
    result.residentAfter = try data.residentShare()
    if verifies { result.checksum = try verify(data) }
    return result
  }

  /// Returns the share resident when measuring may begin.
  private func prepare(_ data: DataFile) throws(MechanismError) -> Double {
    switch cache {
    case .any: break
    case .hot: try data.warm()
    case .cold: try data.evict()
    }
    let share = try data.residentShare()
    guard cache != .hot || share >= Limits.hotShareMin else {
      throw .badPlan("only \(share) of \(file) stays in the page cache: not hot")
    }
    guard cache != .cold || share <= Limits.coldShareMax else {
      throw .badPlan("\(share) of \(file) is still in the page cache: not cold")
    }
    return share
  }

  private func measure(_ data: DataFile) throws(MechanismError) -> Result {
    var used = ThreadUsage.now()
    var start: Int64 = 0
    var sent = PathSender.Tally()
    let watch = try Progress.shared.watch()
    defer { watch.end() }
    let (outcome, congestion) = try transfer(data, over: connections, checksums: false) {
      (sender) throws(MechanismError) in
      used = ThreadUsage.now()
      start = nowNanoseconds()
      let deadline = cache == .cold ? Int64.max : start + Int64(seconds * 1e9)
      repeat { try sender.sendFile(until: deadline) } while nowNanoseconds() < deadline && cache != .cold
      used = ThreadUsage.now() - used
      sent = sender.tally
    }
    let elapsed = Double(max(nowNanoseconds() - start, 1)) / 1e9
    guard outcome.bytes == sent.wireBytes else {
      throw .corrupted("\(sent.wireBytes) bytes were sent and \(outcome.bytes) received")
    }
    return Result(
      fileBytes: data.byteCount, bytes: sent.bytes, seconds: elapsed, passes: sent.passes,
      senderCPUSeconds: used.cpuSeconds, receiverCPUSeconds: outcome.usage.cpuSeconds, systemCalls: sent.calls,
      contextSwitches: used.voluntarySwitches + used.involuntarySwitches, minorFaults: used.minorFaults,
      senderCopies: path.senderCopies, residentBefore: 0, residentAfter: 0, congestionControl: congestion,
      checksum: nil)
  }

  private func verify(_ data: DataFile) throws(MechanismError) -> UInt32 {
    let (outcome, _) = try transfer(data, over: 1, checksums: true) { (sender) throws(MechanismError) in
      try sender.sendFile(until: .max)
    }
    let expected = try data.checksum()
    guard outcome.bytes == data.byteCount, outcome.checksum == expected else {
      throw .corrupted("\(path.rawValue) delivered \(outcome.bytes) of \(data.byteCount) bytes, or other ones")
    }
    return outcome.checksum
  }

  /// Connections, a receiver, and a sender for the length of `body`; ends the streams and waits for the receiver.
  private func transfer(
    _ data: DataFile, over connections: Int, checksums: Bool, _ body: (inout PathSender) throws(MechanismError) -> Void
  ) throws(MechanismError) -> (Receiver.Outcome, String) {
    var loopbacks: [Loopback] = []
    defer { for loopback in loopbacks { loopback.closeBoth() } }
    for _ in 0..<connections { loopbacks.append(try Loopback(congestionControl: congestionControl)) }
    var sender = try PathSender(path, data: data, sockets: loopbacks.map(\.sender), bufferBytes: bufferBytes)
    defer { sender.close() }
    let receiver = try Receiver(
      sockets: loopbacks.map(\.receiver), bufferBytes: receiveBytes, checksums: checksums,
      opens: checksums && path == .readSealWrite)
    do throws(MechanismError) {
      try body(&sender)
    } catch {
      for loopback in loopbacks { shutdown(loopback.sender, Int32(SHUT_RDWR)) }
      _ = try? receiver.finish()
      throw error
    }
    for loopback in loopbacks { shutdown(loopback.sender, Int32(SHUT_WR)) }
    return (try receiver.finish(), loopbacks[0].congestionControl)
  }
}
