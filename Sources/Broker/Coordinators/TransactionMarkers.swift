import Base
import Cluster
import Model
import NIOCore
import Storage

extension LocalBroker {
  /// Writes the markers of a transaction, off the event loop when they are many.
  func writeMarkers(_ order: Transactions.MarkerOrder, done: @escaping TransactionCoordinator.MarkersDone) {
    // A start shows all topics at once; before, a topic that is not shown may be there.
    guard image.named(TopicName.transactionState) != nil else {
      return done(order.partitions.map { .init($0, .failed(.leaderNotAvailable)) })
    }
    let write: @Sendable () -> Void = { self.writeMarkersWhereTheyBelong(order, done: done) }
    #if DEBUG
    if PlantedFault.writesMarkersTwice.isPlanted {
      transactionLog.loop.scheduleTask(in: .milliseconds(300)) {
        self.writeMarkersWhereTheyBelong(order, done: { _ in })
      }
    }
    #endif
    if order.partitions.count <= Limits.servedOnLoop { write() } else { offload.submit(.request, write) }
  }

  /// Writes the markers of the partitions that this broker leads, and has the other leaders write theirs.
  private func writeMarkersWhereTheyBelong(
    _ order: Transactions.MarkerOrder, done: @escaping TransactionCoordinator.MarkersDone
  ) {
    let image = image
    var byLeader: [BrokerID: [TopicPartition]] = [:]
    for name in order.partitions {
      let states = image.named(name.topic)?.description.partitions ?? []
      let leader = states.indices.contains(Int(name.partition)) ? states[Int(name.partition)].leader : brokerID
      // Without a leader, or on a broker that is not known: this one answers that it does not lead the partition.
      let isReached = leader == brokerID || image.broker(leader) != nil
      byLeader[isReached ? leader : brokerID, default: []].append(name)
    }
    let groups = byLeader.sorted { $0.key < $1.key }
    let gathered = GatheredAnswers<[Transactions.MarkerResult]>(groups.count) { done($0.flatMap { $0 }) }
    for (place, group) in groups.enumerated() {
      let told: @Sendable ([ErrorCode]) -> Void = { codes in
        gathered.give(zip(group.value, codes).map { .init($0, .init($1)) }, at: place)
      }
      if group.key == brokerID {
        writeMarkers(order.marker, of: order.producer, to: group.value, done: told)
      } else {
        writeMarkers(order.marker, of: order.producer, to: group.value, at: group.key, done: told)
      }
    }
  }

  /// Appends a transaction marker to each partition, and waits until every in-sync replica has it, and the disk where the flush settings
  /// ask for that.
  ///
  /// - Parameter done: gets the error of each partition, in their order; called once, on any thread, perhaps before this returns.
  func writeMarkers(
    _ marker: EndTransactionMarker, of producer: ProducerIdentity, to partitions: [TopicPartition],
    done: @escaping @Sendable ([ErrorCode]) -> Void
  ) {
    let now = nowMs()
    let batch = Self.batch(of: marker, producer, nowMs: now)
    let image = image
    var markers = AppendedMarkers()
    for name in partitions {
      #if DEBUG
      if PlantedFault.skipsOneMarker.isPlanted, partitions.count > 1, name == partitions.last {
        markers.codes.append(.none)
        continue
      }
      #endif
      guard let partition = image.named(name.topic)?.partition(name.partition) else {
        markers.codes.append(.unknownTopicOrPartition)
        continue
      }
      markers.codes.append(append(batch, to: partition, nowMs: now, &markers))
    }
    for waiter in markers.woken { waiter.wake(.satisfied) }
    let appended = markers
    let whenFlushed: @Sendable (Flusher.Failures) -> Void = { failed in
      self.awaitReplicas(of: appended, failed: failed) { codes in
        self.tellGroups(marker, producer, partitions, codes)
        done(codes)
      }
    }
    guard !appended.unflushed.isEmpty else { return whenFlushed([:]) }
    flusher.flush(appended.unflushed.map(\.partition), done: whenFlushed)
  }

  /// The markers of one call that were appended, and what is left to wait for.
  private struct AppendedMarkers: Sendable {
    var codes: [ErrorCode] = []
    var woken: [Waiter] = []
    /// To be flushed, each with its place among `codes`.
    var unflushed: [(place: Int, partition: Partition)] = []
    /// Not on every in-sync replica yet: the place among `codes`, and the offset after the marker.
    var unreplicated: [(place: Int, partition: Partition, end: Offset)] = []

    /// The codes when the flush is over.
    func codes(failed: Flusher.Failures) -> [ErrorCode] {
      var codes = codes
      for (place, partition) in unflushed { codes[place] = failed[partition.name] ?? codes[place] }
      return codes
    }

    /// The codes when the wait for the replicas is over.
    func codes(after flushed: [ErrorCode]) -> [ErrorCode] {
      var codes = flushed
      for (place, partition, end) in unreplicated where codes[place] == .none {
        switch partition.replicated(upTo: end) {
        case .success: continue
        case nil: codes[place] = .requestTimedOut
        case .failure(let error): codes[place] = ErrorCode(error)
        }
      }
      return codes
    }
  }

  private static func batch(
    of marker: EndTransactionMarker, _ producer: ProducerIdentity, nowMs: Int64
  ) -> RecordBatch {
    do {
      return try RecordBatch(
        viewing: marker.batch(producerID: producer.id, producerEpoch: producer.epoch, timestamp: nowMs))
    } catch { preconditionFailure("a marker is a batch: \(error)") }
  }

  private func append(
    _ batch: RecordBatch, to partition: Partition, nowMs: Int64, _ markers: inout AppendedMarkers
  ) -> ErrorCode {
    do throws(PartitionError) {
      let placed = try partition.append(batch, from: .coordinator, forAllInSync: true, nowMs: nowMs)
      markers.woken += placed.woken
      if placed.appended.needsFlush { markers.unflushed.append((markers.codes.count, partition)) }
      if !placed.isReplicated {
        markers.unreplicated.append((markers.codes.count, partition, placed.appended.lastOffset + 1))
      }
      return .none
    } catch {
      let code = ErrorCode(error)
      if code == .kafkaStorageError { appendFailed(partition, error) }
      return code
    }
  }

  private func awaitReplicas(
    of markers: AppendedMarkers, failed: Flusher.Failures, done: @escaping @Sendable ([ErrorCode]) -> Void
  ) {
    let flushed = markers.codes(failed: failed)
    guard !markers.unreplicated.isEmpty else { return done(flushed) }
    let loop = transactionLog.loop
    loop.execute {
      let waiter = Waiter(lacking: markers.unreplicated.count, eventLoop: loop) { _ in
        done(markers.codes(after: flushed))
      }
      for (_, partition, end) in markers.unreplicated where !partition.park(waiter, for: .replicated(end)) {
        if waiter.gained(1) { return waiter.finish(.satisfied) }
      }
      waiter.start(until: loop.now + .milliseconds(Limits.transactionAppendMs))
    }
  }

  private func tellGroups(
    _ marker: EndTransactionMarker, _ producer: ProducerIdentity, _ partitions: [TopicPartition],
    _ codes: [ErrorCode]
  ) {
    let ended = zip(partitions, codes).filter { $0.topic == TopicName.groupOffsets && $1 == .none }.map(\.0.partition)
    guard !ended.isEmpty else { return }
    groups.transactionEnded(producerID: producer.id, partitions: ended, outcome: marker.outcome)
  }
}
