import Broker
import Model
import NIOCore
import Wire

/// Says why a request got no response.
enum NoAnswer: Error {
  case disconnected
  case notConnected
}

/// What a client needs of the simulation that it is in.
protocol ClientWorld: AnyObject {
  var trace: Trace { get }
  /// The virtual time.
  var now: NIODeadline { get }
  /// What clients log in as; nil where nobody has to.
  var login: Scenario.Login? { get }
  func violation(_ what: String)
}

extension ClientWorld {
  var login: Scenario.Login? { nil }
}

extension Simulation: ClientWorld {}

/// Simulates one client's connection: sends requests, and checks that responses come in the order of the requests.
final class SimulatedClient: @unchecked Sendable {
  let name: String
  private let simulation: any ClientWorld
  /// Begins a connection; nil where nobody listens.
  private let dial: () -> SimulatedLink?
  private var link: SimulatedLink?
  private var received = ByteBuffer()
  private var nextCorrelationID: Int32 = 1
  private var waiting: [Waiting] = []
  /// While it logs in, with the requests that wait for that.
  private var login: (steps: SimulatedLogin, unsent: [ByteBuffer])?

  private struct Waiting {
    let correlationID: Int32
    let name: String
    let sent: NIODeadline
    /// Called with nil when the connection is lost.
    let answered: (ByteBuffer?) -> Void
  }

  convenience init(_ name: String, _ simulation: Simulation) {
    self.init(name, simulation) { simulation.network.connect() }
  }

  init(_ name: String, _ world: any ClientWorld, dial: @escaping () -> SimulatedLink?) {
    self.name = name
    simulation = world
    self.dial = dial
  }

  var isConnected: Bool { link != nil }
  var requestsWaiting: Int { waiting.count }
  /// When the oldest request without a response was sent.
  var oldestSent: NIODeadline? { waiting.first?.sent }

  /// Connects unless connected; returns whether there is a connection.
  func connect() -> Bool {
    if link != nil { return true }
    guard let link = dial() else { return false }
    self.link = link
    received.clear()
    link.onBytes = { [weak self] in self?.arrived($0) }
    link.onClose = { [weak self] in self?.closed() }
    simulation.trace.note("\(name) connects as \(link.number)")
    login = nil
    if let user = simulation.login {
      let steps = SimulatedLogin(user, clientID: name)
      login = (steps, [])
      link.send(steps.first)
    }
    return true
  }

  /// Stops or resumes reading from the connection.
  func setReading(_ isReading: Bool) { link?.isReading = isReading }

  func breakConnection() { link?.cut() }

  /// Closes the connection in order.
  func leave() {
    link?.finish()
    link = nil
    login = nil
    let lost = waiting
    waiting = []
    for request in lost { request.answered(nil) }
  }

  /// Sends a request; `then` is called once, with the response or the reason without one. A request without a response
  /// (`isSilent`) completes when it is sent.
  func ask<R: Request>(
    _ request: R, version: Int16, isSilent: Bool = false, then: @escaping (Result<R.Answer, NoAnswer>) -> Void
  ) {
    guard let link else { return then(.failure(.notConnected)) }
    let id = nextCorrelationID
    nextCorrelationID &+= 1
    guard let bytes = Frame.request(request, version: version, correlationID: id, clientID: name).joined else {
      preconditionFailure("a request is bytes")
    }
    if !isSilent {
      waiting.append(
        Waiting(correlationID: id, name: R.name, sent: simulation.now) { [simulation, name] frame in
          guard var frame else { return then(.failure(.disconnected)) }
          do {
            _ = try ResponseHeader(reading: &frame, version: R.api.responseHeaderVersion(version))
            then(.success(try R.Answer(reading: &frame, version: version)))
          } catch {
            simulation.violation("\(name): the answer to \(R.name) v\(version) cannot be read: \(error)")
          }
        })
    }
    if login == nil { link.send(bytes) } else { login?.unsent.append(bytes) }
  }

  /// Takes in the response to a step of the login.
  private func loggedIn(_ frame: ByteBuffer) {
    guard let next = login?.steps.answered(frame) else { return }
    switch next {
    case .send(let bytes): link?.send(bytes)
    case .isDone:
      let unsent = login?.unsent ?? []
      login = nil
      for bytes in unsent { link?.send(bytes) }
    case .failed(let why): simulation.violation("\(name) is not let in: \(why)")
    }
  }

  private func arrived(_ bytes: ByteBuffer) {
    received.writeImmutableBuffer(bytes)
    while true {
      do {
        guard let frame = try Frame.next(in: &received, limit: 1 << 30) else {
          _ = received.discardReadBytes()
          return
        }
        if login == nil { answered(frame) } else { loggedIn(frame) }
      } catch {
        return simulation.violation("\(name): invalid frame length: \(error)")
      }
    }
  }

  private func answered(_ frame: ByteBuffer) {
    simulation.trace.note(frame)
    guard let id = frame.getInteger(at: frame.readerIndex, as: Int32.self) else {
      return simulation.violation("\(name): a response of \(frame.readableBytes) bytes")
    }
    guard let request = waiting.first else {
      return simulation.violation("\(name): a response without a request, correlation id \(id)")
    }
    guard request.correlationID == id else {
      return simulation.violation(
        "\(name): a response out of order: \(id), expected \(request.correlationID) (\(request.name))")
    }
    waiting.removeFirst()
    request.answered(frame)
  }

  private func closed() {
    simulation.trace.note("\(name) loses its connection")
    link = nil
    login = nil
    let lost = waiting
    waiting = []
    for request in lost { request.answered(nil) }
  }
}
