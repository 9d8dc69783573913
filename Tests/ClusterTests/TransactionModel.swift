import Model
import TestSupport
import Testing

@testable import Cluster

/// A coordinator with its log, partitions, and producers of which two at a time claim each transactional id. Appends fail, some after the
/// record was written; markers fail; the coordinator crashes between any two effects, and the next one has only the log. What holds
/// whatever happens is checked after every event.
struct TransactionModel {
  /// A transaction, by its transactional id and the time of its first record: time never stands still here.
  private struct Transaction: Hashable { var id: String, startMs: Int64 }

  private struct Partition {
    var epochs: [Int64: Int16] = [:]
    var coordinatorEpochs: [Int64: Int32] = [:]
    /// The transactions with records here and no marker, by producer id.
    var open: [Int64: Set<Transaction>] = [:]
    var ended: [Transaction: EndTransactionMarker.Outcome] = [:]
  }

  /// A process that uses a transactional id.
  private struct Client {
    let id: String
    let version: Int16
    var producer: ProducerIdentity?
    var added: [TopicPartition] = []
    /// The transaction that the client believes to be in.
    var transaction: Transaction?
    /// What it has asked for and does not know the outcome of.
    var ending: EndTransactionMarker.Outcome?
    /// The request whose response it waits for.
    var waitingFor: Transactions.RequestID?
  }

  private let names = (0..<4).map { TopicPartition("t", Int32($0)) }
  private var random: Seed
  private var now: Int64 = 1
  private var transactions: Transactions
  private var log: [Transactions.Change] = []
  private var partitions: [TopicPartition: Partition] = [:]
  private var clients: [Client] = []
  /// Effects that are still to be carried out, in order.
  private var effects: [Transactions.Effect] = []
  /// Appends whose outcome the coordinator does not know yet.
  private var appends: [(ticket: Transactions.Ticket, error: ErrorCode?)] = []
  private var requests: [Transactions.RequestID: Int] = [:]
  private var lastRequest: Transactions.RequestID = 0
  private var lastProducerID: Int64 = 1000
  /// The client that was given a producer id last, by transactional id: nobody else's is valid since.
  private var owners: [String: Int] = [:]
  private var decisions: [Transaction: EndTransactionMarker.Outcome] = [:]
  /// Nothing fails any more.
  private var isCalm = false
  private(set) var seen: Set<String> = []
  private(set) var hasFailed = false
  private var trace: [() -> String] = []

  init(_ seed: Seed) {
    random = seed
    transactions = Transactions(epoch: 1, timeoutMsMax: 900_000)
    for index in 0..<6 { clients.append(Client(id: "id-\(index / 2)", version: index < 3 ? 0 : 2)) }
    for name in names { partitions[name] = Partition() }
  }

  mutating func step() {
    now += Int64.random(in: 1...20, using: &random)
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<35: act(Int.random(in: clients.indices, using: &random))
    case 35..<72: carryOutNext()
    case 72..<96: answerAppend()
    case 96..<99: time()
    default: crash()
    }
    check()
  }

  /// Nothing fails any more, and time passes: everything that was begun must end.
  mutating func settle() {
    isCalm = true
    for _ in 0..<20 where !hasFailed {
      now += 2_000_000
      for event: Transactions.Event in [.timeoutsDue, .retryDue] { take(event) }
      while !effects.isEmpty || !appends.isEmpty {
        carryOutNext()
        answerAppend()
        check()
      }
    }
    for name in names {
      for (id, open) in partitions[name]!.open where !open.isEmpty { expect(false, "\(name) lacks a marker for \(id)") }
    }
    for (transaction, outcome) in decisions {
      expect(transactions.state(of: transaction.id)?.status.decided == nil, "\(transaction) stays at \(outcome)")
    }
  }

  // MARK: Clients

  private mutating func act(_ index: Int) {
    let client = clients[index]
    guard client.waitingFor == nil else {
      // The response may be lost: the client asks again, or goes on with something else.
      if Int.random(in: 0..<10, using: &random) == 0 { clients[index].waitingFor = nil }
      return
    }
    guard let producer = client.producer else {
      // Two that claim the id at every chance would let no transaction come to its end.
      if owners[client.id] == nil || Int.random(in: 0..<10, using: &random) == 0 { initialize(index) }
      return
    }
    if let ending = client.ending { return end(index, producer, ending) }
    switch Int.random(in: 0..<40, using: &random) {
    case 0: initialize(index)
    case 1..<12: add(index, producer)
    case 12..<30: produce(index, producer)
    default:
      if client.transaction != nil { end(index, producer, Bool.random(using: &random) ? .commit : .abort) }
    }
  }

  private mutating func initialize(_ index: Int) {
    var asked = Transactions.InitProducerID(transactionalID: clients[index].id, timeoutMs: 2000)
    if Bool.random(using: &random) { asked.expected = clients[index].producer }
    clients[index].ending = nil
    request(index) { .initProducerID($0, asked) }
  }

  private mutating func add(_ index: Int, _ producer: ProducerIdentity) {
    var added: [TopicPartition] = []
    for name in names where added.isEmpty || Bool.random(using: &random) { added.append(name) }
    clients[index].added = added
    let asked = Transactions.AddPartitions(
      transactionalID: clients[index].id, producer: producer, partitions: added, version: clients[index].version)
    request(index) { .addPartitions($0, asked) }
  }

  /// A produce is verified, and appended at once.
  private mutating func produce(_ index: Int, _ producer: ProducerIdentity) {
    guard let name = names.randomElement(using: &random) else { return }
    let asked = Transactions.AddPartitions(
      transactionalID: clients[index].id, producer: producer, partitions: [name])
    guard transactions.verify(asked) == [nil], let transaction = current(clients[index].id) else { return }
    expect(owners[clients[index].id] == index, "client \(index) writes, and another has the transactional id")
    guard producer.epoch >= partitions[name]!.epochs[producer.id] ?? -1 else {
      return expect(false, "\(name) has a newer epoch than the coordinator")
    }
    note("client \(index) writes to \(name) in \(transaction.startMs)")
    partitions[name]!.epochs[producer.id] = producer.epoch
    partitions[name]!.open[producer.id, default: []].insert(transaction)
    if partitions[name]!.open[producer.id]!.count > 1 { expect(false, "\(name) has two transactions open") }
  }

  private mutating func end(
    _ index: Int, _ producer: ProducerIdentity, _ outcome: EndTransactionMarker.Outcome
  ) {
    clients[index].ending = outcome
    let asked = Transactions.End(
      transactionalID: clients[index].id, producer: producer, outcome: outcome, version: clients[index].version)
    request(index) { .end($0, asked) }
  }

  private mutating func request(_ index: Int, _ event: (Transactions.RequestID) -> Transactions.Event) {
    lastRequest += 1
    requests[lastRequest] = index
    clients[index].waitingFor = lastRequest
    take(event(lastRequest))
  }

  private mutating func responded(_ request: Transactions.RequestID, _ response: Transactions.Response) {
    guard let index = requests.removeValue(forKey: request), clients[index].waitingFor == request else { return }
    clients[index].waitingFor = nil
    switch response {
    case .refused(let code):
      seen.insert(code.name)
      if code.isRetriable || code == .unknownServerError || code == .notCoordinator { return }
      // Fenced, or the transaction has ended otherwise: the client begins again.
      (clients[index].producer, clients[index].ending, clients[index].transaction) = (nil, nil, nil)
    case .done: clients[index].transaction = current(clients[index].id)
    case .producer(let id, let epoch):
      if let ending = clients[index].ending, let transaction = clients[index].transaction {
        expect(decisions[transaction] == ending, "client \(index) is told of \(ending), which was not decided")
      } else {
        owners[clients[index].id] = index
      }
      if clients[index].ending == nil || clients[index].version == 2 {
        clients[index].producer = .init(id: id, epoch: epoch)
      }
      (clients[index].ending, clients[index].transaction) = (nil, nil)
    }
  }

  // MARK: The coordinator

  private mutating func take(_ event: Transactions.Event) {
    note("\(event)")
    let new = transactions.step(event, nowMs: now)
    // Effects are carried out in order; those of an earlier step come first.
    effects += new
  }

  private mutating func carryOutNext() {
    guard !effects.isEmpty else { return }
    let effect = effects.removeFirst()
    note("  \(effect)")
    switch effect {
    case .append(let ticket, let changes):
      let error = failure(of: [.notEnoughReplicas, .requestTimedOut, .kafkaStorageError])
      let isWritten = error == nil || Bool.random(using: &random)
      if isWritten { log += changes }
      if error != nil, isWritten { seen.insert("failed after writing") }
      appends.append((ticket, error))
    case .writeMarkers(let order): write(order)
    case .drawProducerID(let event):
      lastProducerID += 1
      take(event.with(newProducerID: lastProducerID))
    case .respond(let request, let response): responded(request, response)
    case .abandoned(let order, let code): expect(false, "the markers of \(order) are given up: \(code)")
    }
  }

  private mutating func answerAppend() {
    guard !appends.isEmpty else { return }
    let (ticket, error) = appends.removeFirst()
    take(.appended(ticket, error))
  }

  private mutating func write(_ order: Transactions.MarkerOrder) {
    var results: [Transactions.MarkerResult] = []
    for name in order.partitions {
      let error = failure(of: [.notEnoughReplicas, .notEnoughReplicasAfterAppend])
      if error != .notEnoughReplicas { mark(name, order) }
      results.append(.init(name, .init(error ?? .none)))
    }
    if order.partitions.count > 1 { seen.insert("two partitions") }
    take(.markersWritten(order, results))
  }

  private mutating func mark(_ name: TopicPartition, _ order: Transactions.MarkerOrder) {
    var partition = partitions[name]!
    let id = order.producer.id
    expect(order.producer.epoch >= partition.epochs[id] ?? -1, "\(name) has a newer epoch than the marker")
    expect(
      order.marker.coordinatorEpoch >= partition.coordinatorEpochs[id] ?? -1, "\(name) had a newer coordinator's marker"
    )
    partition.epochs[id] = order.producer.epoch
    partition.coordinatorEpochs[id] = order.marker.coordinatorEpoch
    for transaction in partition.open[id] ?? [] {
      expect(decisions[transaction] == order.marker.outcome, "\(name): \(order.marker.outcome) was not decided")
      expect(partition.ended[transaction] == nil, "\(name) has ended \(transaction) before")
      partition.ended[transaction] = order.marker.outcome
      seen.insert("\(order.marker.outcome)")
    }
    partition.open[id] = nil
    partitions[name] = partition
  }

  private mutating func time() {
    if Bool.random(using: &random) { return take(.retryDue) }
    take(.timeoutsDue)
    if !effects.isEmpty { seen.insert("timeout") }
  }

  /// Whatever was under way is lost with the coordinator; clients hear nothing.
  private mutating func crash() {
    note("crash")
    seen.insert("crash")
    (effects, appends, requests) = ([], [], [:])
    for index in clients.indices { clients[index].waitingFor = nil }
    transactions = Transactions(epoch: transactions.epoch + 1, timeoutMsMax: 900_000)
    for change in log { transactions.replay(change.transactionalID, change.state?.asLogged) }
    effects = transactions.loaded(nowMs: now)
  }

  /// One of the errors at times, nil otherwise.
  private mutating func failure(of codes: [ErrorCode]) -> ErrorCode? {
    !isCalm && Int.random(in: 0..<8, using: &random) == 0 ? codes.randomElement(using: &random) : nil
  }

  private func current(_ id: String) -> Transaction? {
    transactions.state(of: id).map { Transaction(id: id, startMs: $0.startMs) }
  }

  // MARK: What must hold

  private mutating func check() {
    for id in Set(clients.map(\.id)).sorted() {
      guard let outcome = transactions.state(of: id)?.status.decided, let transaction = current(id) else { continue }
      let before = decisions.updateValue(outcome, forKey: transaction)
      expect(before == nil || before == outcome, "\(transaction) was to end otherwise than by \(outcome)")
    }
  }

  private mutating func expect(_ condition: Bool, _ what: @autoclosure () -> String) {
    if hasFailed || condition { return }
    hasFailed = true
    Issue.record("\(random), \(what()):\n\(trace.suffix(60).map { $0() }.joined(separator: "\n"))")
  }

  /// Remembers what has happened; put into words when something fails.
  private mutating func note(_ what: @autoclosure @escaping () -> String) {
    let now = now
    trace.append { "\(now) \(what())" }
  }
}
