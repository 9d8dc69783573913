internal import Base
internal import Czookeeper
internal import Glibc

/// A handle of Apache's C client, and all of it that is not safe: what callbacks get as pointers, and who owns what.
///
/// The C client has two threads for each handle. One does the network; the other calls the functions at the end of this file,
/// one after the other in the order of the server's messages. They only note in `state` what they were given. Watches are
/// called on a third thread, because they may make calls of their own.
///
/// Only the asynchronous half of the C client is used: its synchronous calls wait without a limit.
final class ZooKeeperSession: @unchecked Sendable {
  struct State {
    /// Nil once the handle is closed.
    var handle: OpaquePointer?
    var isConnected = false
    /// Number of the session, and its timeout as the server granted it. 0 before it was first connected.
    var id: Int64 = 0
    var timeoutMs = 0
    var end = SessionEnd()
    /// Calls whose answer the C client owes, abandoned ones too: it writes into their memory until then.
    var calls: [Int: ZooKeeperCall] = [:]
    /// Watches by the number that the C client has of them. It is never given a pointer to one: it may name a watch again after
    /// it has gone off.
    var watches: [Int: ZNodeWatch] = [:]
    var lastNumber = 0
    /// What is to be told on the delivery thread.
    var due: [@Sendable () -> Void] = []
    /// How many things were ever due, and how many of them have been told.
    var queued = 0
    var delivered = 0
    var deliveryThread: pthread_t?
  }

  let state = Monitor(State())
  private let notice: @Sendable (String) -> Void
  private let inside: @Sendable (String) -> String

  /// Starts to connect.
  ///
  /// - Parameters:
  ///   - inside: makes of a path as the server knows it one as watches are told.
  ///   - notice: gets a sentence each time the connection changes, on the C client's thread.
  init(
    servers: String, timeoutMs: Int, inside: @escaping @Sendable (String) -> String,
    notice: @escaping @Sendable (String) -> Void
  ) throws(ZNodeError) {
    self.inside = inside
    self.notice = notice
    // No level: the C client logs nothing by itself.
    zoo_set_debug_level(ZooLogLevel(rawValue: 0))
    // Given back in `shutDown`.
    let context = Unmanaged.passRetained(self)
    let handle = zookeeper_init2(
      servers, onSession, Int32(clamping: max(1, timeoutMs)), nil, context.toOpaque(), ZOO_NO_LOG_CLIENTENV, nil)
    guard let handle else {
      let why = String(cString: strerror(errno))
      context.release()
      throw ZNodeError(.connectionLost, "", detail: "no address of ZooKeeper's servers \(servers) was found: \(why)")
    }
    // The client looks the servers' names up before every turn of its thread otherwise: a third of what many reads cost.
    zoo_set_servers_resolution_delay(handle, ZooKeeperLimits.lookupMs)
    state.withLock { $0.handle = handle }
    startDelivery()
  }

  // MARK: Calls

  /// Sends a request, without waiting. The call is answered at once where it could not be sent.
  func submit(_ request: ZooKeeperRequest, watch: ZNodeWatch?) -> ZooKeeperCall {
    state.withLock { state in
      state.lastNumber += 1
      let call = ZooKeeperCall(number: state.lastNumber, session: self)
      guard state.end.code == nil, let handle = state.handle else {
        call.answer = .failed(ZCLOSING.rawValue)
        return call
      }
      // Where there is no connection the C client would fail the call with the same code as one that was sent. And its
      // zoo_amulti frees what it must not when the session has expired.
      guard zoo_state(handle) == ZOO_CONNECTED_STATE else {
        call.answer = .notSent
        return call
      }
      state.calls[call.number] = call
      if let watch { state.watches[call.number] = watch }
      let code = request.send(handle, call, watch == nil ? nil : onWatch)
      if code != ZOK.rawValue {
        state.calls[call.number] = nil
        state.watches[call.number] = nil
        call.answer = .failed(code)
      }
      return call
    }
  }

  /// Waits for the answer to a call; what the session's watches are due by then is told first. Returns a failure once the
  /// session has ended, or at `deadline`: the answer is then no longer waited for, and its watch is not set.
  func answer(to call: ZooKeeperCall, until deadline: UInt64) -> ZooKeeperAnswer {
    let answered = state.wait(until: deadline) { state -> (ZooKeeperAnswer, queued: Int)? in
      if let answer = call.answer { return (answer, call.queued) }
      return state.end.code == nil ? nil : (.failed(ZCLOSING.rawValue), 0)
    }
    guard let (answer, queued) = answered else {
      state.withLock { $0.watches[call.number] = nil }
      return .failed(ZOPERATIONTIMEOUT.rawValue)
    }
    let itself = pthread_self()
    _ = state.wait(until: min(deadline, Clocks.monotonicNs() + ZooKeeperLimits.deliveryNs)) { state -> Bool? in
      let isDelivering = state.deliveryThread.map { pthread_equal($0, itself) != 0 } ?? true
      return isDelivering || state.delivered >= queued || state.end.code != nil ? true : nil
    }
    return answer
  }

  fileprivate func finish(_ call: ZooKeeperCall, _ answer: ZooKeeperAnswer) {
    state.change { state in
      state.calls[call.number] = nil
      call.answer = answer
      call.queued = state.queued
      // The C client has not kept the watch of a call that failed.
      if case .failed = answer { state.watches[call.number] = nil }
    }
  }

  // MARK: Watches and ends

  fileprivate func fire(_ number: Int, _ kind: ZNodeEvent.Kind, _ path: String) {
    let event = ZNodeEvent(kind: kind, path: inside(path))
    state.change { state in
      guard let watch = state.watches.removeValue(forKey: number) else { return }
      state.due.append { watch(event) }
      state.queued += 1
    }
  }

  fileprivate func connectionChanged(to new: Int32, _ handle: OpaquePointer) {
    let sentence = state.change { state -> String in
      let wasConnected = state.isConnected
      state.isConnected = new == ZOO_CONNECTED_STATE
      if state.isConnected {
        state.id = zoo_client_id(handle)?.pointee.client_id ?? 0
        state.timeoutMs = Int(zoo_recv_timeout(handle))
        let server = zoo_get_current_server(handle).map { String(cString: $0) } ?? "?"
        return
          "connected to ZooKeeper at \(server): session 0x\(String(UInt64(bitPattern: state.id), radix: 16)), timeout \(state.timeoutMs) ms"
      }
      if new == ZOO_EXPIRED_SESSION_STATE || new == ZOO_AUTH_FAILED_STATE {
        let bodies = state.end.end(.sessionExpired)
        state.watches = [:]
        state.due.append {
          for body in bodies { body() }
          self.shutDown()
        }
        state.queued += 1
        return new == ZOO_AUTH_FAILED_STATE
          ? "ZooKeeper refuses this client's credentials" : "the session with ZooKeeper has expired"
      }
      return wasConnected ? "the connection to ZooKeeper is lost" : ""
    }
    if !sentence.isEmpty { notice(sentence) }
  }

  func close() {
    let bodies = state.change { state -> [@Sendable () -> Void] in
      guard state.end.code == nil else { return [] }
      state.watches = [:]
      state.due = []
      return state.end.end(.closed)
    }
    shutDown()
    for body in bodies { body() }
  }

  /// Closes the handle, which ends the session where it is connected, and lets the delivery thread end. Takes some seconds
  /// where the server does not answer.
  private func shutDown() {
    let handle = state.change { state -> OpaquePointer? in
      defer { state.handle = nil }
      return state.handle
    }
    guard let handle else { return }
    zookeeper_close(handle)
    // From here on the C client calls nobody.
    state.withLock { $0.calls = [:] }
    Unmanaged.passUnretained(self).release()
  }

  // MARK: The delivery thread

  private func startDelivery() {
    let argument = Unmanaged.passRetained(self)
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<ZooKeeperSession>.fromOpaque(argument).takeRetainedValue().deliver() }
        return nil
      }, argument.toOpaque())
    guard code == 0 else {
      // Without it no watch would be called; calls fail as if the session had been closed.
      argument.release()
      close()
      return
    }
    pthread_detach(thread)
  }

  private func deliver() {
    let itself = pthread_self()
    state.withLock { $0.deliveryThread = itself }
    while true {
      let next = state.wait(until: nil) { state -> (@Sendable () -> Void)?? in
        if !state.due.isEmpty { return .some(state.due.removeFirst()) }
        return state.handle == nil ? .some(nil) : nil
      }
      guard let next, let body = next else { break }
      body()
      state.change { $0.delivered += 1 }
    }
    state.change { $0.deliveryThread = nil }
  }
}

// MARK: What the C client calls

/// For the session, and its watches too when the connection changes.
private func onSession(
  _ handle: OpaquePointer?, _ type: Int32, _ state: Int32, _: UnsafePointer<CChar>?, _ context: UnsafeMutableRawPointer?
) {
  guard type == ZOO_SESSION_EVENT, let handle, let context else { return }
  Unmanaged<ZooKeeperSession>.fromOpaque(context).takeUnretainedValue().connectionChanged(to: state, handle)
}

private func onWatch(
  _ handle: OpaquePointer?, _ type: Int32, _: Int32, _ path: UnsafePointer<CChar>?, _ number: UnsafeMutableRawPointer?
) {
  let kind: ZNodeEvent.Kind
  switch type {
  case ZOO_CREATED_EVENT: kind = .created
  case ZOO_CHANGED_EVENT: kind = .dataChanged
  case ZOO_DELETED_EVENT: kind = .deleted
  case ZOO_CHILD_EVENT: kind = .childrenChanged
  default: return
  }
  guard let path, let context = zoo_get_context(handle) else { return }
  Unmanaged<ZooKeeperSession>.fromOpaque(context).takeUnretainedValue()
    .fire(Int(bitPattern: number), kind, String(cString: path))
}

/// One call of the C client. The session keeps it until the C client has answered or is closed.
final class ZooKeeperCall: @unchecked Sendable {
  /// Also of its watch.
  let number: Int
  private unowned let session: ZooKeeperSession
  /// Under the session's lock, as `queued`.
  fileprivate(set) var answer: ZooKeeperAnswer?
  /// How much was due to be told when the answer came.
  fileprivate(set) var queued = 0
  /// Where the C client writes what became of a multi.
  var results: ZooKeeperResults?

  fileprivate init(number: Int, session: ZooKeeperSession) {
    self.number = number
    self.session = session
  }

  /// What the C client hands back with the answer.
  var context: UnsafeRawPointer { UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque()) }

  static func finish(_ context: UnsafeRawPointer?, _ answer: (ZooKeeperCall) -> ZooKeeperAnswer) {
    guard let context else { return }
    let call = Unmanaged<ZooKeeperCall>.fromOpaque(context).takeUnretainedValue()
    call.session.finish(call, answer(call))
  }
}
