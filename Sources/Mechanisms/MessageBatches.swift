internal import CMillrace
import Glibc

/// Sends plain messages over a loopback TCP connection, one system call for so many of them: the bare mechanism behind
/// batching. No protocol, no checks, no answers.
///
/// Each message is copied into the buffer that is sent, whatever the batch, as a producer must: what differs is how often the
/// kernel is asked, and how much it is given at once. TCP_NODELAY is set, or the kernel would batch by itself.
package struct MessageBatches: Sendable {
  package enum Limits {
    static let messageBytesMax = 1 << 20
    static let batchBytesMax = 64 << 20
    static let secondsMax = 600.0
    static let receiveBytes = 1 << 20
    /// Messages between two looks at the clock, which costs as much as copying some of them.
    static let messagesALook = 64
  }

  package var messageBytes: Int
  /// Messages a write.
  package var batch: Int
  package var seconds: Double
  package var congestionControl: String?

  package init(messageBytes: Int, batch: Int, seconds: Double, congestionControl: String? = "cubic") {
    self.messageBytes = messageBytes
    self.batch = batch
    self.seconds = seconds
    self.congestionControl = congestionControl
  }

  package struct Result: Sendable, Equatable {
    package var messages: Int
    package var bytes: Int
    /// From the first message sent to the last received.
    package var seconds: Double
    /// Of the sender, counted one by one.
    package var writes: Int
    package var receives: Int
    package var senderCPUSeconds: Double
    package var receiverCPUSeconds: Double
    package var contextSwitches: Int
    package var congestionControl: String

    package var messagesPerSecond: Double { Double(messages) / seconds }
    package var mbPerSecond: Double { Double(bytes) / 1e6 / seconds }
  }

  package func run() throws(MechanismError) -> Result {
    guard (1...Limits.messageBytesMax).contains(messageBytes) else {
      throw .badPlan("message-bytes must be 1 to \(Limits.messageBytesMax), not \(messageBytes)")
    }
    guard batch > 0, batch <= Limits.batchBytesMax / messageBytes else {
      throw .badPlan(
        "batch must be 1 to \(Limits.batchBytesMax / messageBytes) of messages of \(messageBytes) bytes, not \(batch)")
    }
    guard seconds > 0, seconds <= Limits.secondsMax else {
      throw .badPlan("seconds must be above 0 and at most \(Limits.secondsMax), not \(seconds)")
    }
    let loopback = try Loopback(congestionControl: congestionControl)
    defer { loopback.closeBoth() }
    let receiver = try Receiver(sockets: [loopback.receiver], bufferBytes: Limits.receiveBytes, checksums: true)
    let watch = try Progress.shared.watch()
    defer { watch.end() }
    let start = nowNanoseconds()
    let before = ThreadUsage.now()
    var sent = Sent()
    do throws(MechanismError) {
      sent = try send(over: loopback.sender, until: start + Int64(seconds * 1e9))
    } catch {
      shutdown(loopback.sender, Int32(SHUT_RDWR))
      _ = try? receiver.finish()
      throw error
    }
    let used = ThreadUsage.now() - before
    shutdown(loopback.sender, Int32(SHUT_WR))
    let received = try receiver.finish()
    let elapsed = Double(max(nowNanoseconds() - start, 1)) / 1e9
    guard received.bytes == sent.messages * messageBytes, received.checksum == sent.checksum else {
      throw .corrupted("\(sent.messages) messages were sent, and \(received.bytes) bytes or other ones received")
    }
    return Result(
      messages: sent.messages, bytes: received.bytes, seconds: elapsed, writes: sent.writes, receives: received.calls,
      senderCPUSeconds: used.cpuSeconds, receiverCPUSeconds: received.usage.cpuSeconds,
      contextSwitches: used.voluntarySwitches + used.involuntarySwitches, congestionControl: loopback.congestionControl)
  }

  private struct Sent {
    var messages = 0
    var writes = 0
    var checksum: UInt32 = 0
  }

  private func send(over socket: Int32, until end: Int64) throws(MechanismError) -> Sent {
    let message = alignedBuffer(byteCount: messageBytes)
    defer { message.deallocate() }
    fillIncompressible(message, seed: 1)
    let buffer = alignedBuffer(byteCount: messageBytes * batch)
    defer { buffer.deallocate() }
    var sent = Sent()
    // A batch holds the same message so many times, and its checksum goes on from the one before it.
    repeat {
      let before = sent.messages
      defer { Progress.shared.add((sent.messages - before) * messageBytes) }
      for _ in 0..<max(1, Limits.messagesALook / batch) {
        for place in 0..<batch {
          UnsafeMutableRawBufferPointer(rebasing: buffer[(place * messageBytes)...].prefix(messageBytes))
            .copyMemory(from: UnsafeRawBufferPointer(message))
        }
        var done = 0
        while done < buffer.count {
          let (from, count) = (buffer.baseAddress.map { $0 + done }, buffer.count - done)
          done += try check("send") { Glibc.send(socket, from, count, Int32(MSG_NOSIGNAL)) }
          sent.writes += 1
        }
        sent.messages += batch
        sent.checksum = millrace_crc32c(sent.checksum, buffer.baseAddress, buffer.count)
      }
    } while nowNanoseconds() < end
    return sent
  }
}
