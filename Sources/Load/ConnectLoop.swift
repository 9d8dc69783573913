import Base
import Client
import Model
import NIOCore
import Wire

/// The workers of one event loop, on which everything here is called.
final class ConnectLoop {
  private let plan: ConnectPlan
  private let options: ConnectionOptions
  private let loop: any EventLoop
  private let state: ConnectState
  /// Connections that no worker has begun.
  private var left: Int
  private var working = 0
  private var turn = 0
  private var counts = ConnectCounts()
  private var watch = ThreadStopwatch()
  private var then: ((ConnectCounts) -> Void)?

  init(
    _ plan: ConnectPlan, _ options: ConnectionOptions, on loop: any EventLoop, connections: Int, _ state: ConnectState
  ) {
    (self.plan, self.options, self.loop, self.state) = (plan, options, loop, state)
    left = connections
  }

  /// - Parameter then: called once, when all connections of this loop are made or have failed.
  func start(_ workers: Int, then: @escaping (ConnectCounts) -> Void) {
    self.then = then
    watch.start()
    working = workers
    guard workers > 0 else { return finish() }
    for _ in 0..<workers { next() }
  }

  private func next() {
    guard left > 0, !state.isEnded, counts.errors < Limits.connectFailuresMax else {
      working -= 1
      if working == 0 { finish() }
      return
    }
    left -= 1
    let endpoint = plan.bootstrapServers[turn % plan.bootstrapServers.count]
    turn += 1
    let startNs = Clocks.monotonicNs()
    BrokerConnection.connect(to: endpoint, on: loop, options) { result in
      switch result {
      case .failure(let error): self.failed(error)
      case .success(let connection): self.ask(connection, since: startNs)
      }
    }
  }

  /// What a client's first request after its login is: an authenticated connection must have served one to count.
  private func ask(_ connection: BrokerConnection, since startNs: UInt64) {
    var request = ApiVersionsRequest()
    request.clientSoftwareName = "millrace"
    request.clientSoftwareVersion = "1.0"
    connection.send(request) { result in
      let endNs = Clocks.monotonicNs()
      // The callback is within the connection's own work: it is closed, and the next made, when that is done.
      self.loop.assumeIsolated().execute {
        connection.close()
        switch result {
        case .failure(let error): self.failed(error)
        case .success(let answer) where answer.errorCode != .none:
          self.failed(.refused(connection.endpoint, what: "ApiVersions", code: answer.errorCode, message: nil))
        case .success:
          self.counts.made += 1
          self.counts.latency.record(from: startNs, to: endNs)
          self.state.countOne()
          self.watch.look(lastNs: endNs)
          self.next()
        }
      }
    }
    connection.flush()
  }

  private func failed(_ error: ClientError) {
    counts.errors += 1
    counts.firstError = counts.firstError ?? "\(error)"
    // A failure may come at once, and the next as soon: each has a turn of the loop.
    loop.assumeIsolated().execute { self.next() }
  }

  private func finish() {
    if let share = watch.share { counts.cpuShares.append(share) }
    then?(counts)
    then = nil
  }
}
