import Testing

@testable import Broker

/// Events in, steps out: no socket, no loop.
struct ConnectionMachineTests {
  private typealias Machine = ConnectionMachine<String>

  /// What the machine wants done now, as words. Writes go well, and the kept requests start and wait.
  private func steps(_ machine: inout Machine, _ advance: Machine.Advance) -> [String] {
    guard case .now = advance else { return ["later"] }
    var steps: [String] = []
    while let step = machine.next() {
      switch step {
      case .send(let response): steps.append(response)
      case .flush, .resumeWriting:
        steps.append("\(step)")
        _ = machine.wrote(isHeldBack: false, takesResponses: true)
      case .serveKept:
        steps.append("serveKept")
        _ = machine.begin()
        _ = machine.turnEnded(leaving: .requests)
      case .queueTurn, .read, .close: steps.append("\(step)")
      }
    }
    return steps
  }

  /// A machine that has read `requests`, which wait.
  private func reading(_ requests: Int, limit: Int = 8, leaving rest: Machine.Rest = .nothing) -> (Machine, [UInt64]) {
    var machine = Machine(requestsInFlightMax: limit)
    #expect(machine.readAsked() == .read)
    #expect(machine.bytesArrived() == .serve)
    let slots = (0..<requests).map { _ in machine.begin() }
    #expect(machine.turnEnded(leaving: rest) == (rest == .nothing ? .release : .keep))
    #expect(steps(&machine, machine.readCompleted()) == [])
    return (machine, slots)
  }

  /// Gives the response of `slot`, and takes steps up to the flush, which is under way then.
  private func startWrite(_ machine: inout Machine, _ slot: UInt64) {
    #expect(machine.finish(slot, .response("zero")) == .now)
    #expect(machine.next().map { "\($0)" } == "send(\"zero\")")
    #expect(machine.next().map { "\($0)" } == "flush")
  }

  @Test("responses leave in the order of their requests, whatever order they finish in, and in one flush")
  func order() {
    var (machine, slots) = reading(3)
    #expect(steps(&machine, machine.finish(slots[1], .response("one"))).isEmpty)
    #expect(steps(&machine, machine.finish(slots[2], .response("two"))).isEmpty)
    #expect(steps(&machine, machine.finish(slots[0], .response("zero"))) == ["zero", "one", "two", "flush"])
    #expect(machine.inFlight == 0)
  }

  @Test("a request without a response holds its place and sends nothing")
  func silent() {
    var (machine, slots) = reading(3)
    #expect(steps(&machine, machine.finish(slots[1], .silent)).isEmpty)
    #expect(steps(&machine, machine.finish(slots[2], .response("third"))).isEmpty)
    #expect(steps(&machine, machine.finish(slots[0], .response("first"))) == ["first", "third", "flush"])
  }

  @Test("at the limit of requests in flight a read is owed, and paid when one response has left")
  func limit() {
    var (machine, slots) = reading(2, limit: 2)
    #expect(machine.readAsked() == .wait)
    #expect(steps(&machine, machine.finish(slots[1], .response("second"))).isEmpty, "the response has not left yet")
    #expect(steps(&machine, machine.finish(slots[0], .response("first"))) == ["first", "second", "flush", "read"])
    #expect(machine.readAsked() == .read)
  }

  @Test("a socket that takes no more responses is not read until it does")
  func unwritable() {
    var (machine, _) = reading(0)
    #expect(steps(&machine, machine.writabilityChanged(takesResponses: false)).isEmpty)
    #expect(machine.readAsked() == .wait)
    #expect(steps(&machine, machine.writabilityChanged(takesResponses: true)) == ["read"])
  }

  @Test("draining lets requests in flight answer, starts none, and closes once")
  func drain() {
    var (machine, slots) = reading(2)
    #expect(steps(&machine, machine.drain()).isEmpty)
    #expect(machine.readAsked() == .wait)
    #expect(steps(&machine, machine.finish(slots[1], .response("second"))).isEmpty)
    #expect(steps(&machine, machine.finish(slots[0], .response("first"))) == ["first", "second", "flush", "close"])
    #expect(steps(&machine, machine.drain()).isEmpty)
  }

  @Test("a request that must close the connection lets earlier responses leave and drops later ones")
  func close() {
    var (machine, slots) = reading(3)
    #expect(steps(&machine, machine.finish(slots[2], .response("third"))).isEmpty)
    #expect(steps(&machine, machine.finish(slots[1], .close)).isEmpty)
    #expect(steps(&machine, machine.finish(slots[0], .response("first"))) == ["first", "flush", "close"])
  }

  @Test("a response for a connection that has gone is dropped")
  func gone() {
    var (machine, slots) = reading(1)
    #expect(machine.socketClosed() == .release)
    #expect(machine.socketClosed() == .nothing, "it was released before")
    #expect(steps(&machine, machine.finish(slots[0], .response("late"))) == ["later"])
    #expect(machine.readAsked() == .wait)
  }

  @Test("requests left over when a turn has ended get one turn at a time, and nothing is read behind them")
  func turns() {
    var machine = Machine(requestsInFlightMax: 8)
    #expect(machine.bytesArrived() == .serve)
    let slot = machine.begin()
    #expect(machine.turnEnded(leaving: .requests) == .keep)
    #expect(machine.readAsked() == .wait)
    #expect(steps(&machine, machine.readCompleted()) == ["queueTurn"], "the read had its turn")
    #expect(steps(&machine, machine.finish(slot, .response("zero"))) == ["zero", "flush"], "a response brings no turn")
    #expect(steps(&machine, machine.turnTaken()) == ["serveKept", "queueTurn"])
  }

  @Test("requests kept at the limit start, as many as may, when a response has left")
  func keptAtTheLimit() {
    var (machine, slots) = reading(2, limit: 2, leaving: .requests)
    #expect(steps(&machine, machine.finish(slots[0], .response("zero"))) == ["zero", "flush", "serveKept"])
    #expect(machine.inFlight == 2)
  }

  @Test("the start of a large request that lacks memory is not read on until there may be some")
  func starved() {
    var (machine, _) = reading(0, leaving: .part)
    #expect(machine.isStalling)
    machine.starved()
    #expect(!machine.isStalling, "the peer is not to blame")
    #expect(machine.readAsked() == .wait)
    #expect(steps(&machine, machine.fed()).first == "serveKept")
    #expect(steps(&machine, machine.fed()) == ["later"], "a second word of the same")
  }

  @Test("what comes out of a write is noted, and no step follows when it was the end")
  func endInsideWrite() {
    var (machine, slots) = reading(2, limit: 2, leaving: .requests)
    startWrite(&machine, slots[0])
    #expect(machine.bytesArrived() == .drop, "a channel that fails to write reads all there is")
    #expect(machine.finish(slots[1], .response("one")) == .none)
    #expect(machine.nextResponse() == nil)
    #expect(machine.peerLeft() == .end)
    #expect(machine.socketClosed() == .releaseAllButWriter)
    #expect(machine.wrote(isHeldBack: true, takesResponses: false) == .emptyWriter)
    #expect(machine.next() == nil)
  }

  @Test("what a writer holds back goes on when there is reason to, and mutes the connection until it has left")
  func heldBack() {
    var (machine, slots) = reading(1)
    startWrite(&machine, slots[0])
    #expect(machine.wrote(isHeldBack: true, takesResponses: true) == .goOn)
    #expect(machine.next() == nil)
    #expect(machine.readAsked() == .wait)
    #expect(steps(&machine, machine.writabilityChanged(takesResponses: false)).isEmpty)
    #expect(steps(&machine, machine.rangeRead()) == ["resumeWriting", "read"])
  }

  @Test("a drained connection closes only when its writer holds nothing back")
  func heldBackDrained() {
    var (machine, slots) = reading(1)
    startWrite(&machine, slots[0])
    #expect(machine.wrote(isHeldBack: true, takesResponses: false) == .goOn)
    #expect(machine.next() == nil)
    #expect(steps(&machine, machine.drain()).isEmpty)
    #expect(steps(&machine, machine.writabilityChanged(takesResponses: true)) == ["resumeWriting", "close"])
  }

  @Test("when the peer has left, what it sent before is served, however much it is, and not answered")
  func leaving() {
    var (machine, slots) = reading(2, limit: 2, leaving: .requests)
    _ = machine.finish(slots[1], .response("one"))
    while machine.next() != nil {}
    #expect(machine.peerLeft() == .serveKept)
    #expect(!machine.mayBegin, "two are in flight")
    #expect(machine.finish(slots[0], .response("zero")) == .none)
    for _ in 0..<20 {
      #expect(machine.finish(machine.begin(), .silent) == .none)
      #expect(machine.nextResponse() == nil)
    }
    #expect(machine.turnEnded(leaving: .requests) == .drop)
    #expect(machine.socketClosed() == .release)
  }
}

extension ConnectionMachineTests {
  @Test("a muted connection is not read and starts no request, until the mute ends")
  func muted() {
    var machine = ConnectionMachine<String>(requestsInFlightMax: 2)
    #expect(machine.readAsked() == .read)
    #expect(machine.bytesArrived() == .serve)
    let slot = machine.begin()
    machine.mute()
    #expect(!machine.mayBegin && machine.room == 0)
    _ = machine.finish(slot, .response("a"))
    #expect(machine.nextResponse() == "a")
    _ = machine.handedOver(takesResponses: true)
    #expect(machine.turnEnded(leaving: .requests) == .keep)
    #expect(machine.readAsked() == .wait)
    guard case .now = machine.readCompleted() else { return #expect(Bool(false), "steps are due") }
    guard case .flush? = machine.next() else { return #expect(Bool(false), "the response leaves") }
    _ = machine.wrote(isHeldBack: false, takesResponses: true)
    #expect(machine.next() == nil)
    guard case .now = machine.unmute() else { return #expect(Bool(false), "requests are kept") }
    guard case .serveKept? = machine.next() else { return #expect(Bool(false), "the kept requests are served") }
    #expect(machine.mayBegin)
    guard case .none = machine.unmute() else { return #expect(Bool(false), "it was not muted any more") }
  }

  @Test("a mute that ends while a request holds the connection leaves it held, and the other way round")
  func mutedAndHeld() {
    var machine = ConnectionMachine<String>(requestsInFlightMax: 2)
    _ = machine.readAsked()
    _ = machine.bytesArrived()
    let slot = machine.begin()
    machine.hold(for: slot)
    machine.mute()
    _ = machine.unmute()
    #expect(!machine.mayBegin)
    machine.mute()
    _ = machine.release(slot)
    #expect(!machine.mayBegin)
    _ = machine.unmute()
    #expect(machine.mayBegin)
  }
}
