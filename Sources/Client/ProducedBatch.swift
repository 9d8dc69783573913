import Wire

/// A batch whose Produce request awaits its response: one of the three is called, once, on the connection's event loop.
protocol ProducedBatch: AnyObject {
  /// The broker has appended it.
  func acknowledged(_ receipt: ProduceReceipt)
  /// The broker said something else, or something that cannot be read.
  func answered(_ response: Result<ProduceResponse, ClientError>)
  /// The connection ended before the response came.
  func failed(_ error: ClientError)
}
