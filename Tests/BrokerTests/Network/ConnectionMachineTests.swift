import Testing

@testable import Broker

/// Events in, steps out: no socket, no loop.
struct ConnectionMachineTests {
  /// What the machine wants done now, as words.
  private func steps(_ machine: inout ConnectionMachine<String>) -> [String] {
    var steps: [String] = []
    while let step = machine.next() {
      switch step {
      case .send(let reply): steps.append(reply)
      case .close: steps.append("close")
      }
    }
    return steps
  }

  @Test("replies leave in the order of their requests, whatever order they finish in")
  func order() {
    var machine = ConnectionMachine<String>(requestsInFlightMax: 8)
    let slots = (0..<3).map { _ in machine.begin() }
    machine.finish(slots[1], .reply("one"))
    machine.finish(slots[2], .reply("two"))
    #expect(steps(&machine).isEmpty)
    machine.finish(slots[0], .reply("zero"))
    #expect(steps(&machine) == ["zero", "one", "two"])
    #expect(machine.inFlight == 0)
  }

  @Test("a request without a reply holds its place and sends nothing")
  func silent() {
    var machine = ConnectionMachine<String>(requestsInFlightMax: 8)
    let first = machine.begin(), second = machine.begin(), third = machine.begin()
    machine.finish(second, .silent)
    machine.finish(third, .reply("third"))
    #expect(steps(&machine).isEmpty)
    machine.finish(first, .reply("first"))
    #expect(steps(&machine) == ["first", "third"])
  }

  @Test("at the limit of requests in flight the socket is not read, and is again when one reply has left")
  func limit() {
    var machine = ConnectionMachine<String>(requestsInFlightMax: 2)
    let first = machine.begin()
    #expect(machine.wantsRead)
    _ = machine.begin()
    #expect(!machine.wantsRead)
    machine.finish(first, .reply("first"))
    #expect(!machine.wantsRead, "the reply has not left yet")
    #expect(steps(&machine) == ["first"])
    #expect(machine.wantsRead)
  }

  @Test("a socket that takes no more bytes is not read until it does")
  func unwritable() {
    var machine = ConnectionMachine<String>(requestsInFlightMax: 2)
    machine.writability(false)
    #expect(!machine.wantsRead)
    machine.writability(true)
    #expect(machine.wantsRead)
  }

  @Test("draining lets requests in flight answer, starts none, and closes once")
  func drain() {
    var machine = ConnectionMachine<String>(requestsInFlightMax: 8)
    let first = machine.begin(), second = machine.begin()
    machine.drain()
    #expect(!machine.mayBegin)
    machine.finish(second, .reply("second"))
    #expect(steps(&machine).isEmpty)
    machine.finish(first, .reply("first"))
    #expect(steps(&machine) == ["first", "second", "close"])
    #expect(steps(&machine).isEmpty)
  }

  @Test("a request that must close the connection lets earlier replies leave and drops later ones")
  func close() {
    var machine = ConnectionMachine<String>(requestsInFlightMax: 8)
    let first = machine.begin(), second = machine.begin(), third = machine.begin()
    machine.finish(third, .reply("third"))
    machine.finish(second, .close)
    machine.finish(first, .reply("first"))
    #expect(steps(&machine) == ["first", "close"])
    #expect(machine.isClosed)
  }

  @Test("a reply for a connection that has gone is dropped")
  func gone() {
    var machine = ConnectionMachine<String>(requestsInFlightMax: 8)
    let slot = machine.begin()
    machine.socketClosed()
    machine.finish(slot, .reply("late"))
    #expect(steps(&machine).isEmpty)
    #expect(!machine.wantsRead)
  }
}
