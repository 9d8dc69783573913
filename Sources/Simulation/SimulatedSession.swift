import Model
import NIOCore
import Wire

/// A client's connection whose requests and timers belong to a turn: what is left of an earlier turn when the next begins is dropped, as
/// with a process that starts again, or a member that joins the next generation.
final class SimulatedSession: @unchecked Sendable {
  let client: any RequestSender
  private let simulation: any CoordinatedWorld
  private(set) var turn = 0

  init(_ client: any RequestSender, _ simulation: any CoordinatedWorld) {
    self.client = client
    self.simulation = simulation
  }

  func beginTurn() { turn += 1 }

  func isPresent(_ turn: Int) -> Bool { turn == self.turn && !simulation.isOver }

  /// Runs `body` unless the next turn has begun meanwhile.
  func later(_ microseconds: Int, _ body: @escaping () -> Void) {
    let turn = turn
    simulation.after(microseconds: microseconds) { [self] in
      if isPresent(turn) { body() }
    }
  }

  func later(milliseconds: Int, _ body: @escaping () -> Void) { later(1_000 * milliseconds, body) }

  /// Asks; `then` is not called when the next turn has begun meanwhile.
  func ask<R: Request>(_ request: R, version: Int16, _ then: @escaping (Result<R.Answer, NoAnswer>) -> Void) {
    guard simulation.mayConnect, client.connect() else { return then(.failure(.notConnected)) }
    let turn = turn
    client.ask(request, version: version) { [self] result in
      if isPresent(turn) { then(result) }
    }
  }
}
