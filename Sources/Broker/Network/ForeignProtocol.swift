import Logging
import NIOCore

/// Recognises clients that speak another protocol than the listener does, by the first bytes that they send.
enum ForeignProtocol {
  /// Why bytes cannot be the start of a TLS connection; nil when they can.
  ///
  /// The record layer of every version since SSL 3 begins with the type of the record; a client's first is a handshake (RFC 8446, section 5.1).
  static func insteadOfTLS(_ bytes: ByteBuffer) -> String? {
    guard let first = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self), first != 0x16 else { return nil }
    if isHTTP(bytes) { return "it speaks HTTP; this listener speaks Kafka's protocol over TLS" }
    if isRequest(bytes) {
      return
        "it speaks plaintext, this listener TLS: set security.protocol to SSL or SASL_SSL in the client, or give it a plaintext listener's port"
    }
    return "what it sends is not TLS"
  }

  /// What bytes at the start of a connection are instead of a request's frame; nil when nothing is recognised.
  static func insteadOfPlaintext(_ bytes: ByteBuffer) -> String? {
    if isHTTP(bytes) { return "it speaks HTTP; this listener speaks Kafka's protocol" }
    // A handshake record of TLS 1.0 to 1.3, whose first message is ClientHello.
    let at = bytes.readerIndex
    guard let start = bytes.getInteger(at: at, as: UInt16.self), start == 0x1603,
      let minor = bytes.getInteger(at: at + 2, as: UInt8.self), minor <= 4
    else { return nil }
    return
      "it speaks TLS, this listener plaintext: set security.protocol to PLAINTEXT or SASL_PLAINTEXT in the client, or give it a TLS listener's port"
  }

  /// A frame's length, and the header of a request that there is.
  private static func isRequest(_ bytes: ByteBuffer) -> Bool {
    let at = bytes.readerIndex
    guard let length = bytes.getInteger(at: at, as: Int32.self), length > 0,
      let api = bytes.getInteger(at: at + 4, as: Int16.self), api >= 0, api <= ApiNames.highestKey
    else { return false }
    return true
  }

  private static func isHTTP(_ bytes: ByteBuffer) -> Bool {
    ["GET ", "POST", "HEAD", "PUT ", "OPTI", "CONN", "PRI "].contains { name in
      bytes.getString(at: bytes.readerIndex, length: name.utf8.count) == name
    }
  }
}

/// Tells the log of clients that speak another protocol than their listener: once for each address and `Limits.foreignProtocolToldMs`. Strangers may have
/// many addresses, so only `Limits.foreignProtocolAddresses` are remembered; where more come in that time, the others are counted in the next line.
/// Of one event loop.
final class ForeignProtocolLog {
  private var told: [String: NIODeadline] = [:]
  private var untold = 0

  func tell(_ log: Logger, listener: String, _ address: String, _ reason: String, _ now: NIODeadline) {
    let pause = TimeAmount.milliseconds(Limits.foreignProtocolToldMs)
    if let last = told[address], now - last < pause { return }
    if told[address] == nil, told.count >= Limits.foreignProtocolAddresses {
      told = told.filter { now - $0.value < pause }
      guard told.count < Limits.foreignProtocolAddresses else {
        untold += 1
        return
      }
    }
    told[address] = now
    log.warning(
      "a client speaks another protocol than the listener",
      metadata: [
        "client": "\(address)", "listener": "\(listener)", "reason": "\(reason)",
        "other addresses, untold": "\(untold)",
      ])
    untold = 0
  }
}
