import Base
import NIOCore

/// Decides which of the handshakes that could go on does so, and when: in one turn of an event loop only so many, for each costs as much time as a
/// hundred requests, and of those that wait one of each address after the other, so that whoever opens a thousand connections waits for his own.
///
/// Example: with two in a turn, ten handshakes of a stranger and then one of a client wait. The next turn takes one of each of them, the turn after that
/// two more of the stranger's.
struct HandshakeTurns<Handshake> {
  /// Those of one address, the oldest first.
  private var waiting: [String: CircularBuffer<Handshake>] = [:]
  /// The addresses that have any, the next first.
  private var addresses = CircularBuffer<String>()
  private let most: Int
  private var left: Int
  /// How many wait, those that were given up meanwhile among them.
  private(set) var count = 0

  /// - Parameter most: how many go on in one turn.
  init(most: Int) {
    self.most = most
    left = most
  }

  /// The event loop has looked at its sockets since the turn before.
  mutating func begin() { left = most }

  /// Whether a handshake may go on at once; counts it.
  mutating func mayGoOn() -> Bool {
    guard count == 0, left > 0 else { return false }
    left -= 1
    return true
  }

  mutating func wait(_ handshake: Handshake, of address: String) {
    #if DEBUG
    let address = PlantedFault.takesHandshakesInOrder.isPlanted ? "" : address
    #endif
    if waiting[address] == nil { addresses.append(address) }
    waiting[address, default: CircularBuffer()].append(handshake)
    count += 1
  }

  /// The next that goes on in this turn, if any.
  ///
  /// - Parameter isWaiting: false for one that was given up: it is dropped and costs the turn nothing.
  mutating func next(_ isWaiting: (Handshake) -> Bool) -> Handshake? {
    guard left > 0 else { return nil }
    while let address = addresses.popFirst() {
      let taken = takeFirst(of: address, isWaiting)
      if waiting[address] != nil { addresses.append(address) }
      guard let taken else { continue }
      left -= 1
      return taken
    }
    return nil
  }

  private mutating func takeFirst(of address: String, _ isWaiting: (Handshake) -> Bool) -> Handshake? {
    // Taken out while it changes, so that it is not copied.
    guard var line = waiting.removeValue(forKey: address) else { return nil }
    defer { if !line.isEmpty { waiting[address] = line } }
    while let first = line.popFirst() {
      count -= 1
      if isWaiting(first) { return first }
    }
    return nil
  }
}

/// Lets the TLS handshakes of an event loop go on by turns. Between two turns the loop looks at its sockets: connections that are served, and those that
/// wait to be accepted, are not kept waiting by strangers' handshakes for longer than a turn.
///
/// Confined to its event loop.
final class HandshakePace {
  private let eventLoop: any EventLoop
  private var turns = HandshakeTurns<HandshakeGate>(most: Limits.handshakesPerTurn)
  private var isTurnDue = false

  init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  /// How many handshakes wait for a turn.
  var waiting: Int { turns.count }

  /// A handshake has got bytes with which it could go on; it does so now, or in a turn of its own.
  func ask(_ gate: HandshakeGate) {
    scheduleTurn()
    if turns.mayGoOn() { gate.goOn() } else { turns.wait(gate, of: gate.address) }
  }

  private func scheduleTurn() {
    guard !isTurnDue else { return }
    isTurnDue = true
    let bound = NIOLoopBound(self, eventLoop: eventLoop)
    eventLoop.scheduleTask(in: .microseconds(Limits.turnPauseMicroseconds)) { bound.value.takeTurn() }
  }

  private func takeTurn() {
    isTurnDue = false
    turns.begin()
    while let gate = turns.next(\.isWaiting) {
      scheduleTurn()
      gate.goOn()
    }
  }
}
