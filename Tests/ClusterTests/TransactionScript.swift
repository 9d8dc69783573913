import Model

@testable import Cluster

/// A transaction coordinator driven by the lines of a script, beside the log that it writes, and what it has done as text.
///
///     init 1 a 60000               request 1: InitProducerId of transactional id a, timeout 60 s
///     init 2 a 60000 100/0         … with the producer id and epoch that the client has
///     add 3 a 100/0 t-0,t-1        AddPartitionsToTxn; `v2` at the end: by a produce of transaction version 2
///     verify a 100/0 t-0           whether the partitions are in the transaction
///     end 4 a 100/0 commit         EndTxn; `v2` at the end: version 5 of it
///     written                      the append that waits longest has succeeded
///     refused 7                    … has failed with this code
///     marked a t-0 t-1             markers of the order for a that waits were written; `t-0=6` failed with code 6
///     timeouts, expire 1000, retry what timers bring
///     now 5000                     the wall clock from here on
///     crash                        another coordinator takes over, with what the log has
///     list Ongoing 100 5000        ListTransactions: states, producer ids, duration; `-` for all
///     log                          what the log has of each id
///     epoch a 100/32765            what another coordinator has left of a: this producer, without a transaction
///     replicated                   other brokers have the log too, and may have succeeded this one
struct TransactionScript {
  struct Malformed: Error, CustomStringConvertible { var description: String }

  private var transactions = Transactions(epoch: 1, timeoutMsMax: 900_000)
  private var now: Int64 = 1000
  private var nextProducerID: Int64 = 100
  private var appends: [(ticket: Transactions.Ticket, changes: [Transactions.Change])] = []
  private var orders: [String: Transactions.MarkerOrder] = [:]
  private var log: [Transactions.Change] = []

  /// Runs a step's commands; comments and empty lines are none.
  mutating func trace(of commands: [String]) throws -> [String] {
    var lines: [String] = []
    for command in commands where !command.isEmpty && !command.hasPrefix("#") { lines += try run(command) }
    return lines.isEmpty ? ["nothing"] : lines
  }

  private mutating func run(_ command: String) throws -> [String] {
    let words = command.split(separator: " ").map(String.init)
    func word(_ index: Int) throws -> String {
      guard index < words.count else { throw Malformed(description: "\(command): too short") }
      return words[index]
    }
    func number<Number: FixedWidthInteger>(_ index: Int) throws -> Number {
      guard let value = Number(try word(index)) else { throw Malformed(description: "\(command): no number") }
      return value
    }
    let version: Int16 = words.last == "v2" ? 2 : 0
    switch words[0] {
    case "now":
      now = try number(1)
      return []
    case "written": return try appended(nil)
    case "refused": return try appended(ErrorCode(rawValue: try number(1)))
    case "marked":
      guard let order = orders[try word(1)] else { throw Malformed(description: "\(command): no order") }
      return step(.markersWritten(order, try words.dropFirst(2).map(Self.result)))
    case "crash": return crash()
    case "epoch":
      let producer = try Self.producer(try word(2))
      var state = TransactionState(producerID: producer.id, timeoutMs: 60_000, nowMs: now)
      state.producerEpoch = producer.epoch
      log.append(.init(transactionalID: try word(1), state: state))
      transactions.replay(try word(1), state)
      return []
    case "log": return logLines
    case "verify":
      let asked = Transactions.AddPartitions(
        transactionalID: try word(1), producer: try Self.producer(try word(2)),
        partitions: try Self.partitions(try word(3)))
      return transactions.verify(asked).map { "\($0?.name ?? "in the transaction")" }
    case "replicated":
      transactions.mayBeSucceeded = true
      return []
    case "list":
      return transactions.list(try filter(words), nowMs: now).map { "\($0.transactionalID) \(Self.line($0.state))" }
    case "timeouts": return step(.timeoutsDue)
    case "expire": return step(.expiryDue(afterMs: try number(1)))
    case "retry": return step(.retryDue)
    case "init":
      let expected = words.count > 4 ? try Self.producer(words[4]) : nil
      return step(
        .initProducerID(
          try number(1),
          .init(transactionalID: try word(2), timeoutMs: try number(3), expected: expected)))
    case "add":
      return step(
        .addPartitions(
          try number(1),
          .init(
            transactionalID: try word(2), producer: try Self.producer(try word(3)),
            partitions: try Self.partitions(try word(4)), version: version)))
    case "end":
      return step(
        .end(
          try number(1),
          .init(
            transactionalID: try word(2), producer: try Self.producer(try word(3)),
            outcome: try word(4) == "commit" ? .commit : .abort, version: version)))
    default: throw Malformed(description: "\(words[0]) is no command")
    }
  }

  private mutating func step(_ event: Transactions.Event) -> [String] {
    note(transactions.step(event, nowMs: now))
  }

  private mutating func note(_ effects: [Transactions.Effect]) -> [String] {
    effects.flatMap { effect -> [String] in
      switch effect {
      case .append(let ticket, let changes):
        appends.append((ticket, changes))
        return changes.map { "append \(Self.line($0))" }
      case .writeMarkers(let order):
        orders[order.transactionalID] = order
        return ["markers \(Self.line(order))"]
      case .drawProducerID(let event):
        nextProducerID += 1
        return ["draw \(nextProducerID - 1)"] + step(event.with(newProducerID: nextProducerID - 1))
      case .respond(let request, let response): return ["response \(request) \(Self.line(response))"]
      case .abandoned(let order, let code): return ["given up \(Self.line(order)): \(code)"]
      }
    }
  }

  private mutating func appended(_ error: ErrorCode?) throws -> [String] {
    guard !appends.isEmpty else { throw Malformed(description: "no append waits") }
    let (ticket, changes) = appends.removeFirst()
    if error == nil { log += changes }
    return step(.appended(ticket, error))
  }

  private mutating func crash() -> [String] {
    transactions = Transactions(epoch: transactions.epoch + 1, timeoutMsMax: 900_000)
    appends = []
    orders = [:]
    for change in log { transactions.replay(change.transactionalID, change.state?.asLogged) }
    return note(transactions.loaded(nowMs: now))
  }

  private var logLines: [String] {
    var last: [String: TransactionState] = [:]
    for change in log { last[change.transactionalID] = change.state }
    return last.sorted { $0.key < $1.key }.map { "\($0.key) \(Self.line($0.value))" }
  }

  // MARK: Words

  private static func producer(_ text: String) throws -> ProducerIdentity {
    let parts = text.split(separator: "/")
    guard parts.count == 2, let id = Int64(parts[0]), let epoch = Int16(parts[1]) else {
      throw Malformed(description: "\(text) is no producer")
    }
    return .init(id: id, epoch: epoch)
  }

  private static func partitions(_ text: String) throws -> [TopicPartition] {
    try text.split(separator: ",").map { try partition(String($0)) }
  }

  private static func partition(_ text: String) throws -> TopicPartition {
    guard let dash = text.lastIndex(of: "-"), let number = Int32(text[text.index(after: dash)...]) else {
      throw Malformed(description: "\(text) is no partition")
    }
    return TopicPartition(String(text[..<dash]), number)
  }

  private static func result(_ text: String) throws -> Transactions.MarkerResult {
    let parts = text.split(separator: "=").map(String.init)
    let code = parts.count > 1 ? Int16(parts[1]) : 0
    guard let code else { throw Malformed(description: "\(text) has no code") }
    return .init(try partition(parts[0]), .init(ErrorCode(rawValue: code)))
  }

  private func filter(_ words: [String]) throws -> Transactions.Filter {
    var filter = Transactions.Filter()
    if words.count > 1, words[1] != "-" {
      filter.statuses = [TransactionState.Status(name: words[1])].compactMap { $0 }
      filter.hasUnknownStatus = filter.statuses.isEmpty
    }
    if words.count > 2, let id = Int64(words[2]) { filter.producerIDs = [id] }
    if words.count > 3, let duration = Int64(words[3]) { filter.durationMs = duration }
    return filter
  }

  private static func line(_ change: Transactions.Change) -> String {
    "\(change.transactionalID) \(change.state.map { line($0) } ?? "tombstone")"
  }

  private static func line(_ state: TransactionState) -> String {
    var text = "\(state.status.name) \(state.producerID)/\(state.producerEpoch)"
    if !state.partitions.isEmpty { text += " \(state.partitions)" }
    text += " timeout \(state.timeoutMs) started \(state.startMs) updated \(state.lastUpdateMs)"
    if state.lastProducerEpoch >= 0 { text += " last epoch \(state.lastProducerEpoch)" }
    if state.previousProducerID >= 0, state.previousProducerID != state.producerID {
      text += " after \(state.previousProducerID)"
    }
    if state.nextProducerID >= 0 { text += " then \(state.nextProducerID)" }
    return state.clientVersion > 0 ? text + " v\(state.clientVersion)" : text
  }

  private static func line(_ order: Transactions.MarkerOrder) -> String {
    "\(order.transactionalID) \(order.marker.outcome) \(order.producer.id)/\(order.producer.epoch) "
      + "coordinator \(order.marker.coordinatorEpoch) \(order.partitions)"
  }

  private static func line(_ response: Transactions.Response) -> String {
    switch response {
    case .refused(let code): "refused \(code)"
    case .producer(let id, let epoch): "producer \(id)/\(epoch)"
    case .done: "done"
    }
  }
}

extension TransactionState {
  /// The state as a coordinator reads it from the log, which does not have everything.
  var asLogged: TransactionState {
    var state = self
    state.lastProducerEpoch = -1
    // Version 0 of the record has no more.
    if clientVersion < 2 { state.previousProducerID = -1 }
    return state
  }
}
