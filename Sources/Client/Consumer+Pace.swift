import Model
import NIOCore

/// Delivers a response's batches one after the other as `pauseNs` allows, for a reader with a limited rate.
extension Consumer {
  /// Delivers the batches that may be delivered now, waits for the next, and fetches on behind the last.
  ///
  /// A position moves with each batch delivered: after a lost connection the batches not yet delivered are fetched again.
  func deliverAtPace(
    _ spans: ArraySlice<Span>, after group: FetchGroup, of leader: Leader, isEmpty: Bool
  ) {
    var rest = spans
    while var span = rest.first {
      var left = span
      guard let piece = nextPiece(of: &left, leader) else {
        rest.removeFirst()
        continue
      }
      if let pauseNs = pauseNs?(Int(piece.header.count)), pauseNs > 0 {
        let epoch = leader.epoch
        // The group counts as outstanding, or `fetchNext` would fetch its partitions with `all` as well.
        leader.outstanding += 1
        // One timer serves all batches of a millisecond.
        let pause = TimeAmount.nanoseconds(Int64(clamping: max(pauseNs, ClientLimits.paceTimerNs)))
        eventLoop.assumeIsolated().scheduleTask(in: pause) { [weak self, rest] in
          guard let self, !self.isClosed, epoch == leader.epoch else { return }
          leader.outstanding -= 1
          self.deliverAtPace(rest, after: group, of: leader, isEmpty: isEmpty)
        }
        return
      }
      hand(piece, of: span, now())
      leader.partitions[span.at].offset = left.next
      if settings.lagRecords > 0 { note(leader.partitions[span.at], from: span.from) }
      span = left
      rest[rest.startIndex] = span
    }
    answered()
    fetchNext(after: group, of: leader, isEmpty: isEmpty)
  }
}
