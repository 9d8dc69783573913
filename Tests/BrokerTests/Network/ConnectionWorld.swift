import Base
import TestSupport

@testable import Broker

/// A channel, a peer and handlers around one `ConnectionMachine`, with a model of what the machine owes them.
///
/// The world carries out actions and steps as `Connection` does, reports what came of them, and lets its own will decide:
/// whether a request is answered at once, when a turn ends, what a write does, which events come from inside of others. It
/// keeps book of requests, responses, reads and writes in the simplest way, and notes the first promise that was broken.
struct ConnectionWorld {
  enum Event: Equatable {
    case readAsked
    case arrive(requests: Int, part: Bool)
    case readCompleted
    case finishOldest
    case finishNewest
    case release
    case writability(Bool)
    case rangeRead
    case fed
    case turn
    case drain
    case leave
    case close
  }

  /// What happens of itself, drawn anew each time.
  struct Will {
    var random: Seed
    /// In hundred: events that come while another is on the stack.
    var nested = 0
    /// In hundred: requests whose handlers answer later.
    var late = 50
    /// In hundred: late requests that hold the connection.
    var holds = 0
    var heldBack = 0
    /// In hundred: requests that are served together with those behind them.
    var together = 0
    var starved = 0
    var refused = 0
    /// Requests after which a turn ends.
    var turns = 1...4

    mutating func happens(_ ofHundred: Int) -> Bool { ofHundred > 0 && Int(random.next() % 100) < ofHundred }
    mutating func turn() -> Int { Int.random(in: turns, using: &random) }
    mutating func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
  }

  /// What the writer's held back parts wait for.
  private enum Wait { case nothing, socket, disk }
  private enum Entry {
    case event(Event, depth: Int)
    case step(ConnectionMachine<Int>.Step, depth: Int)

    var line: String {
      switch self {
      case .event(let event, let depth): String(repeating: "  ", count: depth) + "\(event)"
      case .step(let step, let depth): String(repeating: "  ", count: depth) + "→ \(step)"
      }
    }
  }
  private enum Fate { case running, answered, silent, closes }
  private enum Kept: Equatable {
    case nothing, part, starved
    case requests(Int, part: Bool)
    case inHand
  }

  private var machine: ConnectionMachine<Int>
  private let limit: Int
  var will: Will
  private var trace: [Entry] = []
  /// The first promise that was broken.
  private(set) var fault: String?

  private var fates: [Fate] = []
  /// The request that lets none start behind it.
  private var holder: Int?
  /// The oldest request whose response has not left.
  private var front = 0
  private var kept = Kept.nothing
  private var isReadOwed = false
  private var isReadIncomplete = false
  private var isUnflushed = false
  private var wait = Wait.nothing
  private var isRangeRead = false
  private var isWritable = true
  private var isDrained = false
  private var isLeaving = false
  private var isCloseTaken = false
  private var isGone = false
  private var isTurnQueued = false
  /// Events on the stack.
  private var depth = 0
  private var isWriting = false
  private var isAdvancing = false

  init(limit: Int, _ will: Will) {
    self.limit = limit
    self.will = will
    machine = ConnectionMachine(requestsInFlightMax: limit)
  }

  // MARK: The model

  private var isHeldBack: Bool { wait != .nothing }
  private var inFlight: Int { fates.count - front }
  private var isEnding: Bool { isDrained || isCloseTaken || isGone || isLeaving || isCloseDue }
  /// The oldest request wants the connection closed.
  private var isCloseDue: Bool { front < fates.count && fates[front] == .closes }
  private var mayStart: Bool { !isEnding && isWritable && !isHeldBack && inFlight < limit && holder == nil }
  private var wantsRead: Bool { mayStart && (kept == .nothing || kept == .part) }

  private mutating func expect(_ isKept: Bool, _ promise: String) {
    if !isKept, fault == nil { fault = promise }
  }

  private mutating func skipSilent() {
    while front < fates.count, fates[front] == .silent || (isLeaving && fates[front] != .running) { front += 1 }
  }

  /// What must hold whenever nothing of the connection is on the stack.
  private mutating func checkAtRest() {
    expect(machine.isStalling == (kept == .part && !isReadOwed), "the sweep is told whether the peer is to blame")
    // The completion of a read flushes what was made during the read, and goes on.
    guard !isGone, !isReadIncomplete else { return }
    expect(!isUnflushed, "a flush is owed and was forgotten")
    expect(wait != .socket || !isWritable, "the socket takes more, and what is held back stays")
    expect(wait != .disk || !isRangeRead, "a range was read, and what is held back stays")
    guard !isCloseTaken else { return }
    expect(machine.inFlight == inFlight || isCloseDue, "the machine miscounts the requests in flight")
    expect(front == fates.count || fates[front] == .running || isCloseDue, "a response could leave and did not")
    expect(!(isReadOwed && wantsRead), "a read is owed and was not paid")
    if case .requests = kept, mayStart { expect(isTurnQueued, "requests are kept, and no turn will serve them") }
    let isEnd = isCloseDue || (isDrained && inFlight == 0)
    expect(!isEnd || isHeldBack, "everything has left, and the connection stays open")
  }

  // MARK: Events

  /// True when the event can come: a channel that is gone reads and writes no more, and a read completes when what it
  /// brought was reported.
  private func canCome(_ event: Event) -> Bool {
    switch event {
    case .readAsked, .arrive, .writability, .leave: !isGone
    case .finishOldest, .finishNewest, .release, .rangeRead, .fed, .drain, .close: true
    case .readCompleted: kept != .inHand
    case .turn: isTurnQueued && depth == 0
    }
  }

  /// Lets `event` come, if it can, and checks what must hold afterwards.
  mutating func come(_ event: Event) {
    guard fault == nil, canCome(event) else { return }
    trace.append(.event(event, depth: depth))
    depth += 1
    carryOut(event)
    depth -= 1
    if depth == 0 { checkAtRest() }
  }

  private mutating func carryOut(_ event: Event) {
    switch event {
    case .readAsked:
      isReadOwed = true
      if case .read = machine.readAsked() { readPassed() }
    case .arrive(let requests, let part): arrive(requests, part)
    case .readCompleted:
      isReadIncomplete = false
      advance(machine.readCompleted())
    case .finishOldest: finish(fates.firstIndex(of: .running))
    case .finishNewest: finish(fates.lastIndex(of: .running))
    case .release:
      guard let held = holder else { return }
      holder = nil
      advance(machine.release(UInt64(held)))
    case .writability(let writable):
      isWritable = writable
      advance(machine.writabilityChanged(takesResponses: writable))
    case .rangeRead:
      isRangeRead = wait == .disk
      advance(machine.rangeRead())
    case .fed:
      if kept == .starved { kept = .requests(0, part: true) }
      advance(machine.fed())
    case .turn:
      isTurnQueued = false
      advance(machine.turnTaken())
    case .drain:
      isDrained = true
      advance(machine.drain())
    case .leave:
      if case .serveKept = machine.peerLeft() {
        isLeaving = true
        holder = nil
        skipSilent()
        serveKept(isLast: true)
      }
      close()
    case .close: close()
    }
  }

  private mutating func readPassed() {
    expect(isReadOwed, "a read was passed on that nobody had asked for")
    expect(wantsRead, "a read was passed on while the connection was muted")
    expect(!isReadIncomplete, "a read was passed on in the midst of another")
    isReadOwed = false
  }

  private mutating func arrive(_ requests: Int, _ part: Bool) {
    let isFromWrite = isWriting || isReadIncomplete || kept == .inHand
    isReadIncomplete = true
    switch machine.bytesArrived() {
    case .drop:
      expect(isFromWrite || isEnding, "bytes were dropped on an open connection")
      isDrained = true
      if kept != .inHand { kept = .nothing }
    case .serve: serveArrived(requests, part, isLast: false, isFromWrite)
    case .serveAll: serveArrived(requests, part, isLast: true, isFromWrite)
    }
  }

  private mutating func serveArrived(_ requests: Int, _ part: Bool, isLast: Bool, _ isFromWrite: Bool) {
    expect(!isFromWrite && !isEnding, "bytes of a channel that fails were served")
    var (all, hasPart) = (requests, part)
    switch kept {
    case .nothing, .inHand: expect(!isLast, "the peer has not left")
    case .part:
      expect(!isLast, "the peer has not left")
      // What came first was the end of the request that had begun.
      if requests == 0 { hasPart = true }
    case .starved:
      expect(isLast, "nobody reads while memory lacks, unless the peer has left")
      if requests == 0 { hasPart = true }
    case .requests(let before, _):
      expect(isLast, "nobody reads behind kept requests, unless the peer has left")
      all += before
    }
    serve(all, hasPart, isLast: isLast)
  }

  private mutating func serveKept(isLast: Bool) {
    switch kept {
    case .requests(let requests, let part): serve(requests, part, isLast: isLast)
    case .starved: serve(0, true, isLast: isLast)
    case .nothing, .part, .inHand: expect(false, "\(kept) is no request to serve")
    }
  }

  private mutating func serve(_ requests: Int, _ part: Bool, isLast: Bool) {
    kept = .inHand
    var left = requests
    var time = will.turn()
    var mayPassEnd = true
    while left > 0 || part, machine.mayBegin, mayPassEnd || time > 0 {
      guard left > 0 else { return keepPart() }
      if !isLast, will.happens(will.together) {
        let count = min(left, machine.room, 1 + will.below(4))
        serveTogether(count)
        left -= count
        time -= count
        mayPassEnd = false
        continue
      }
      let slot = fates.count
      begin()
      left -= 1
      time -= 1
      mayPassEnd = isLast && fates[slot] == .silent
    }
    expect(machine.mayBegin == mayStart || isLeaving, "a turn ended with a request that may start")
    let isEmpty = left == 0 && !part
    switch machine.turnEnded(leaving: isEmpty ? .nothing : .requests) {
    case .drop:
      expect(isEnding, "requests were dropped on an open connection")
      kept = .nothing
    case .release:
      expect(isEmpty, "requests were forgotten")
      kept = .nothing
    case .keep: kept = .requests(left, part: part)
    }
  }

  private mutating func keepPart() {
    switch machine.turnEnded(leaving: .part) {
    case .drop:
      expect(isEnding, "the start of a request was dropped on an open connection")
      kept = .nothing
    case .release: expect(false, "the start of a request was forgotten")
    case .keep:
      kept = .part
      if will.happens(will.starved) {
        machine.starved()
        kept = .starved
      }
    }
  }

  /// Serves several requests, and then tells of each, or of all when all have their response.
  private mutating func serveTogether(_ count: Int) {
    expect(machine.room == limit - inFlight && count > 0, "the machine miscounts the requests that may start")
    nest()
    if machine.mayBegin, machine.answersAtOnce, !will.happens(40) {
      expect(inFlight == 0 && !isWriting, "responses overtook others")
      // None of them takes a slot.
      machine.answerTogether()
      isUnflushed = true
      // The channel comes back from inside of the write.
      nest()
      if will.happens(will.heldBack), wait == .nothing { wait = .socket }
      let next = machine.handedOver(takesResponses: isWritable && !isHeldBack)
      expect(next == nil, "a response was there that nobody has given")
      return
    }
    for _ in 0..<count {
      guard let slot = machine.beginServed() else {
        expect(isEnding, "a request that was served was forgotten")
        return
      }
      expect(Int(slot) == fates.count, "a slot was given twice, or left out")
      fates.append(.running)
      if !will.happens(will.late) { end(Int(slot), will.happens(30) ? .silent : .answered) }
      var next = machine.nextResponse()
      while let response = next {
        send(response)
        next = machine.handedOver(takesResponses: isWritable && !isHeldBack)
      }
      skipSilent()
    }
  }

  private mutating func begin() {
    expect(isLeaving ? inFlight < limit : mayStart, "a request began while none may")
    let slot = machine.begin()
    expect(Int(slot) == fates.count, "a slot was given twice, or left out")
    fates.append(.running)
    if will.happens(will.holds) {
      if !isLeaving { holder = Int(slot) }
      machine.hold(for: slot)
    }
    nest()
    if will.happens(will.refused) {
      end(Int(slot), .closes)
      isDrained = true
      advance(machine.drain())
    } else if !will.happens(will.late) {
      end(Int(slot), will.happens(30) ? .silent : .answered)
    }
    var next = machine.nextResponse()
    while let response = next {
      send(response)
      next = machine.handedOver(takesResponses: isWritable && !isHeldBack)
    }
    skipSilent()
  }

  private mutating func finish(_ slot: Int?) {
    guard let slot else { return }
    end(slot, will.happens(3) ? .closes : will.happens(20) ? .silent : .answered)
  }

  private mutating func end(_ slot: Int, _ fate: Fate) {
    guard fates[slot] == .running else { return }
    fates[slot] = fate
    skipSilent()
    switch fate {
    case .answered: advance(machine.finish(UInt64(slot), .response(slot)))
    case .silent: advance(machine.finish(UInt64(slot), .silent))
    case .closes: advance(machine.finish(UInt64(slot), .close))
    case .running: break
    }
  }

  private mutating func close() {
    switch machine.socketClosed() {
    case .nothing: expect(isGone, "what the connection holds was not released")
    case .release: expect(!isGone && !isWriting, "the writer was emptied in the midst of a write")
    case .releaseAllButWriter: expect(!isGone && isWriting, "the writer was not emptied")
    }
    isGone = true
    if kept != .inHand { kept = .nothing }
  }

  // MARK: Steps

  private mutating func advance(_ advance: ConnectionMachine<Int>.Advance) {
    guard case .now = advance else { return }
    expect(!isAdvancing && kept != .inHand, "steps were taken in the midst of others")
    isAdvancing = true
    var turns = 0
    while fault == nil, let step = machine.next() {
      trace.append(.step(step, depth: depth))
      expect(!isGone, "a step on a socket that is gone")
      expect(!isCloseTaken, "a step after the close")
      switch step {
      case .send(let response): send(response)
      case .flush:
        expect(isUnflushed, "a flush of nothing")
        write()
      case .resumeWriting:
        expect(isHeldBack, "the writer holds nothing back")
        write()
      case .serveKept:
        turns += 1
        expect(turns == 1, "a second turn before the other connections")
        expect(!isTurnQueued, "a turn before the one that is queued")
        serveKept(isLast: false)
      case .queueTurn:
        expect(!isTurnQueued, "a turn was queued twice")
        isTurnQueued = true
      case .read:
        readPassed()
        nest()
      case .close:
        expect(isCloseDue || (isDrained && inFlight == 0), "the connection closed with requests in flight")
        expect(!isUnflushed && !isHeldBack, "the connection closed before the last byte had left")
        isCloseTaken = true
        nest()
      }
    }
    isAdvancing = false
  }

  private mutating func send(_ response: Int) {
    skipSilent()
    expect(!isGone && !isCloseTaken && !isLeaving, "a response was sent after the end")
    expect(!isWriting, "a response was handed over in the midst of a write")
    expect(response == front, "a response overtook another")
    expect(front < fates.count && fates[front] == .answered, "a response was sent that was never given")
    front += 1
    skipSilent()
    isUnflushed = true
    if will.happens(will.heldBack), wait == .nothing { wait = .socket }
  }

  private mutating func write() {
    isWriting = true
    isUnflushed = false
    nest()
    if wait != .disk || isRangeRead { wait = isHeldBack && !isWritable ? .socket : .nothing }
    isRangeRead = false
    if wait == .nothing, will.happens(will.heldBack) { wait = isWritable ? .disk : .socket }
    isWriting = false
    switch machine.wrote(isHeldBack: isHeldBack, takesResponses: isWritable) {
    case .emptyWriter: expect(isGone, "the writer of an open connection was emptied")
    case .goOn: expect(!isGone, "the writer of a connection that is gone was not emptied")
    }
  }

  /// An event from inside another, perhaps.
  private mutating func nest() {
    guard depth < 4, will.happens(will.nested) else { return }
    come(anyEvent())
  }

  // MARK: Chance, and its end

  mutating func anyEvent() -> Event {
    switch will.below(40) {
    case 0..<8: .readAsked
    case 8..<15: .arrive(requests: will.below(6), part: will.happens(40))
    case 15..<21: .readCompleted
    case 21..<24: .finishOldest
    case 24..<27: .finishNewest
    case 27..<29: .writability(false)
    case 29..<32: .writability(true)
    case 32: .rangeRead
    case 33: .fed
    case 34..<36: .turn
    case 36..<38: .release
    case 38: will.happens(15) ? .drain : .turn
    default: will.happens(20) ? will.happens(50) ? .leave : .close : .readAsked
    }
  }

  /// Everything that was waited for comes; then all must be served, answered and read, or closed if it was to end.
  mutating func comeToRest() {
    will.nested = 0
    will.heldBack = 0
    will.starved = 0
    will.refused = 0
    will.late = 0
    will.holds = 0
    for _ in 0..<200 {
      let awaited: [Event] = [
        .writability(true), .rangeRead, .fed, .readCompleted, .release, .finishOldest, .turn,
      ]
      for event in awaited { come(event) }
      let isServed = kept == .nothing || kept == .part || isEnding
      if isServed, holder == nil, inFlight == 0 || isCloseTaken || isGone, !isTurnQueued { break }
    }
    guard fault == nil, !isGone, !isCloseTaken else { return }
    expect(inFlight == 0, "\(inFlight) requests never left")
    expect(kept == .nothing || kept == .part, "\(kept) was never served")
    come(.readAsked)
    expect(!isReadOwed, "the channel asked to read at rest, and was not let")
    come(.drain)
    expect(isCloseTaken, "a drained connection did not close")
  }

  /// What reproduces the fault.
  var story: String { "\(fault ?? "no fault"), after:\n" + trace.suffix(60).map(\.line).joined(separator: "\n") }
}
