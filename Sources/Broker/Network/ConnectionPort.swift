import NIOCore

/// The way back to a connection for responses that could not be given at once, from any thread.
///
/// Made by its connection when the channel is there; keeps the connection for as long as a response is to come.
final class ConnectionPort: ResponsePort {
  private let connection: NIOLoopBound<Connection>
  let eventLoop: any EventLoop

  init(_ connection: Connection, eventLoop: any EventLoop) {
    self.connection = NIOLoopBound(connection, eventLoop: eventLoop)
    self.eventLoop = eventLoop
  }

  func finish(_ slot: ConnectionMachine<OutgoingResponse>.Slot, _ outcome: ConnectionMachine<OutgoingResponse>.Outcome)
  {
    connection.value.finish(slot, outcome)
  }

  func whenClosed(_ slot: ConnectionMachine<OutgoingResponse>.Slot, _ body: @escaping @Sendable () -> Void) {
    connection.value.whenClosed(slot, body)
  }

  func hold(for slot: ConnectionMachine<OutgoingResponse>.Slot) { connection.value.hold(for: slot) }
  func release(_ slot: ConnectionMachine<OutgoingResponse>.Slot) { connection.value.release(slot) }
  func mute(for time: TimeAmount) { connection.value.mute(for: time) }
  func note(_ note: RequestMeter.Note) { connection.value.loop.meter?.note(note) }

  /// Runs `body` with the connection later, on its event loop.
  func onEventLoop(_ body: @escaping @Sendable (Connection) -> Void) {
    eventLoop.execute { body(self.connection.value) }
  }
}
