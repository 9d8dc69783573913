import Model
import NIOCore
import Wire

/// What the members of groups, transactional producers and their readers need of the world that they are in: one node, or a cluster.
protocol CoordinatedWorld: ClientWorld {
  /// Whether the run has ended.
  var isOver: Bool { get }
  /// Whether clients may connect.
  var mayConnect: Bool { get }
  /// Whether storage errors are expected.
  var diskMayFail: Bool { get }
  /// Whether partitions change their leaders: a response may then be that of one which does not lead any more, or does not yet know all that
  /// the one before it has shown.
  var movesLeaders: Bool { get }
  /// Whether a broker goes on as the coordinator of transactions that has been succeeded and has not heard of it. Of what its successor has accepted
  /// it knows nothing: asked whether a partition was added to a transaction it says no, as Kafka's does, and the client has to abort.
  var hasDeposedCoordinator: Bool { get }
  /// The clients' clock, in milliseconds since 1970; it never jumps.
  var clientMs: Int64 { get }
  /// Advances by at least as much as any clock that transactions time out by, and never goes back. Nil where the clocks of several nodes
  /// differ, so that a transaction may time out at any time.
  var timeoutClockMs: Int64? { get }
  var transactions: TransactionLedger { get }
  func after(microseconds: Int, _ body: @escaping () -> Void)
  func ledger(_ partition: TopicPartition) -> Ledger
  /// Whether records may be removed without a fault.
  func mayShrink(_ partition: TopicPartition) -> Bool
  /// Makes a client's way to whoever serves its requests.
  ///
  /// - Parameter waitsMs: the longest that a request waits where nothing is wrong.
  func makeClient(_ name: String, waitsMs: Int) -> any RequestSender
}

/// Sends a client's requests to whoever serves them.
protocol RequestSender: AnyObject {
  var name: String { get }
  /// Whether requests can be sent.
  var isConnected: Bool { get }
  /// Connects unless connected; returns whether requests can be sent.
  func connect() -> Bool
  func breakConnection()
  /// Closes the connection in order.
  func leave()
  /// Sends a request; `then` is called once, with the response or the reason without one.
  func ask<R: Request>(_ request: R, version: Int16, then: @escaping (Result<R.Answer, NoAnswer>) -> Void)
  /// Takes in that a coordinator has said that it is none, or cannot serve: it is looked for again.
  func coordinatorIsLost()
}

extension SimulatedClient: RequestSender {
  func ask<R: Request>(_ request: R, version: Int16, then: @escaping (Result<R.Answer, NoAnswer>) -> Void) {
    ask(request, version: version, isSilent: false, then: then)
  }

  /// The only node coordinates all.
  func coordinatorIsLost() {}
}

extension Simulation: CoordinatedWorld {
  var movesLeaders: Bool { false }
  var hasDeposedCoordinator: Bool { false }
  func makeClient(_ name: String, waitsMs: Int) -> any RequestSender { SimulatedClient(name, self) }
}

extension ErrorCode {
  /// Whether a partition answers so when its leader or its replicas change: the client looks for the leader, and asks again.
  var isOfMovingLeaders: Bool {
    switch self {
    case .notLeaderOrFollower, .leaderNotAvailable, .unknownTopicOrPartition, .notEnoughReplicas,
      .notEnoughReplicasAfterAppend, .requestTimedOut, .kafkaStorageError, .fencedLeaderEpoch, .unknownLeaderEpoch,
      .offsetNotAvailable:
      true
    default: false
    }
  }
}
