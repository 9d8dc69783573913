import NIOCore
import Wire

/// How a fetch waits for bytes.
extension LocalBroker {
  /// Parks the fetch in every partition that was read. Where one has grown since the read, the fetch reads again at once; an attempt
  /// that was woken and still has too few bytes parks again.
  func park(
    _ fetch: Fetch, after read: Fetch.Attempt, until deadline: NIODeadline, _ pending: PendingResponse<FetchResponse>
  ) {
    let onRest: @Sendable (Waiter) -> Void = { self.fetchSessions.rest($0, of: fetch.session, nowMs: self.uptimeMs()) }
    let waiter = Waiter(
      lacking: fetch.minBytes - read.byteCount, eventLoop: pending.slot.eventLoop,
      onRest: fetch.isLast(read) ? onRest : nil, onEnd: onEnd(fetch, after: read, until: deadline, pending))
    cancel(waiter, of: fetch, whenClosed: pending)
    if read.byteCount > 0 {
      for place in read.places where place.byteCount > 0 {
        place.partition.unread(bytes: place.byteCount, byFollower: fetch.isByFollower)
      }
    }
    for place in read.places
    where !place.partition.park(waiter, for: place.need, mayBeFollower: fetch.mayBeServedByFollower) {
      waiter.wake(.satisfied)
      return
    }
    waiter.start(until: deadline)
  }

  /// Has the waiter of the session's last fetch, which has stayed in the partitions, wait for this one; false where it has gained something.
  func resume(
    _ waiter: Waiter, _ fetch: Fetch, after read: Fetch.Attempt, until deadline: NIODeadline,
    _ pending: PendingResponse<FetchResponse>
  ) -> Bool {
    let onEnd = onEnd(fetch, after: read, until: deadline, pending)
    guard waiter.resume(until: deadline, on: pending.slot.eventLoop, onEnd: onEnd) else { return false }
    cancel(waiter, of: fetch, whenClosed: pending)
    return true
  }

  private func cancel(_ waiter: Waiter, of fetch: Fetch, whenClosed pending: PendingResponse<FetchResponse>) {
    pending.slot.whenClosed {
      if waiter.cancel() { self.parkedFetches.leave(partitions: fetch.partitionCount) }
    }
  }

  /// What to do when the wait has ended: read again, and respond.
  private func onEnd(
    _ fetch: Fetch, after read: Fetch.Attempt, until deadline: NIODeadline, _ pending: PendingResponse<FetchResponse>
  ) -> @Sendable (Waiter.Reason) -> Void {
    { reason in
      if reason == .timeIsUp, fetch.isLast(read) {
        return self.respond(fetch, read, after: reason, until: deadline, pending)
      }
      guard fetch.wantsMessages else {
        return self.respond(fetch, fetch.read(self, isRepeated: true), after: reason, until: deadline, pending)
      }
      self.offload.submit(.request) {
        let attempt = fetch.read(self, isRepeated: true)
        pending.slot.onEventLoop { self.respond(fetch, attempt, after: reason, until: deadline, pending) }
      }
    }
  }

  private func respond(
    _ fetch: Fetch, _ attempt: Fetch.Attempt, after reason: Waiter.Reason, until deadline: NIODeadline,
    _ pending: PendingResponse<FetchResponse>
  ) {
    guard attempt.byteCount >= fetch.minBytes || attempt.mustNotWait || reason != .satisfied else {
      return park(fetch, after: attempt, until: deadline, pending)
    }
    parkedFetches.leave(partitions: fetch.partitionCount)
    var attempt = attempt
    fetch.finish(&attempt, self)
    pending.complete(attempt.response, ranges: attempt.ranges)
  }
}
