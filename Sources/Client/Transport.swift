package import NIOCore

/// Where a connection's bytes go: a socket, or something inside the process that answers as a broker does.
///
/// Confined to the connection's event loop, like the connection.
package protocol Transport: AnyObject {
  /// Queues bytes.
  func write(_ bytes: ByteBuffer)
  /// Sends what is queued. `written` is called, on the event loop, when the system has taken all of it.
  func flush(written: (() -> Void)?)
  /// The peer gets no more; `Connection.ended` follows, at once or later.
  func close()
}
