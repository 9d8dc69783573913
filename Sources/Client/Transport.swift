package import NIOCore

/// Carries a connection's bytes: a socket, or a peer inside the process that responds as a broker does.
///
/// Confined to the connection's event loop, like the connection.
package protocol Transport: AnyObject {
  /// Queues bytes.
  func write(_ bytes: ByteBuffer)
  /// Sends the queued bytes. `written` is called, on the event loop, when the system has taken all of them.
  func flush(written: (() -> Void)?)
  /// Closes the transport; `BrokerConnection.ended` follows, at once or later.
  func close()
}
