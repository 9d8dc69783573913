import Model
import NIOCore
import Security
import Storage
import Wire

/// Serves the Produce requests that one read of a connection has brought: each partition's batches are appended under one lock and by one
/// system call, and the responses are written into one buffer.
///
/// It serves what producers send nearly always (`ProduceView`, `KnownPartitions`), where nothing is wrong with it; every other request is left
/// to `LocalBroker.produce`, which says what is wrong. What the two answer is the same: a batch that a partition refuses, for its sequence say,
/// fails alone.
///
/// Confined to its event loop. Its lists are kept from run to run.
final class ProduceRun {
  private struct Request: BitwiseCopyable {
    let view: ProduceView
    let firstPlace: Int
    let endOfPlaces: Int
    var places: Range<Int> { firstPlace..<endOfPlaces }
  }

  /// One partition of the run, and its batches.
  private struct Target: BitwiseCopyable {
    /// Kept by the metadata image that `known` holds while the run lasts.
    unowned(unsafe) let partition: Partition
    var first: Int
    var last: Int
    var highWatermark: Offset = 0
    /// None of its batches was appended; `failures` says why.
    var hasFailed = false
  }

  /// What the response to one batch takes, or a little more.
  private static let responseBytesLikely = 96

  private let broker: LocalBroker
  private let known: KnownPartitions
  private let requestBytesMax: Int
  private var requests = KeptList<Request>()
  private var places: [ProduceView.Place] = []
  /// The batch of each place.
  private var batches = KeptList<GroupedBatch>()
  /// The index in `targets` of each place.
  private var targetOf = KeptList<Int>()
  private var targets = KeptList<Target>()
  /// Why targets failed, by their index.
  private var failures: [Int: PartitionError] = [:]
  private let group = BatchGroup()
  private var memory = ResponseMemory()

  init(_ broker: LocalBroker, _ known: KnownPartitions) {
    self.broker = broker
    self.known = known
    requestBytesMax = broker.config.socketRequestMaxBytes
  }

  /// - Parameter frames: the readable bytes of `bytes`.
  func serve(_ frames: UnsafeRawBufferPointer, _ bytes: ByteBuffer, requestsMax: Int, _ run: RequestRun) {
    let nowMs = broker.nowMs()
    known.renew(broker.image)
    gather(frames, bytes, requestsMax, nowMs: nowMs, run)
    if run.requests > 0 {
      append(nowMs: nowMs, run)
      answer(frames, run)
    }
    forget()
  }

  private func forget() {
    requests.removeAll()
    places.removeAll(keepingCapacity: true)
    batches.removeAll()
    targetOf.removeAll()
    targets.removeAll()
    if !failures.isEmpty { failures = [:] }
    if !group.errors.isEmpty { group.errors = [:] }
  }

  // MARK: Reading

  /// Reads and checks requests, and puts their batches in the order of their partitions.
  private func gather(
    _ frames: UnsafeRawBufferPointer, _ bytes: ByteBuffer, _ requestsMax: Int, nowMs: Int64, _ run: RequestRun
  ) {
    var position = 0
    let most = min(requestsMax, Limits.runRequests)
    while requests.count < most, frames.count - position >= Frame.prefixBytes {
      let length = Int(Int32(bigEndian: frames.loadUnaligned(fromByteOffset: position, as: Int32.self)))
      let start = position + Frame.prefixBytes
      guard length > 0, length <= requestBytesMax, length <= frames.count - start else { break }
      let before = places.count
      guard before < Limits.runBatches,
        let view = ProduceView(
          reading: UnsafeRawBufferPointer(rebasing: frames[start..<start + length]), origin: start,
          placesMax: Limits.runBatches - before, into: &places)
      else { break }
      guard check(before..<places.count, of: view, frames, bytes, nowMs: nowMs) else {
        places.removeLast(places.count - before)
        batches.shorten(to: before)
        targetOf.shorten(to: before)
        break
      }
      for index in before..<places.count { link(index) }
      requests.append(Request(view: view, firstPlace: before, endOfPlaces: places.count))
      position = start + length
    }
    run.requests = requests.count
    run.byteCount = position
  }

  /// Adds a batch and a target for each place of a request; returns false when one is to be served otherwise.
  private func check(
    _ range: Range<Int>, of view: ProduceView, _ frames: UnsafeRawBufferPointer, _ bytes: ByteBuffer, nowMs: Int64
  ) -> Bool {
    var allowance = UnpackAllowance()
    for index in range {
      let place = places[index]
      let name = UnsafeRawBufferPointer(rebasing: frames[place.nameStart..<place.nameStart + place.nameLength])
      guard let entry = known.find(name, place.partition), let rules = entry.rules, known.allows(.write, entry) else {
        return false
      }
      let records = UnsafeRawBufferPointer(
        rebasing: frames[place.recordsStart..<place.recordsStart + place.recordsLength])
      guard let (header, isChecked) = rules.header(of: records, nowMs: nowMs) else { return false }
      if !isChecked {
        guard let slice = bytes.getSlice(at: bytes.readerIndex + place.recordsStart, length: place.recordsLength),
          let checked = try? ProducedBatch.checked(
            slice, for: entry.topic.config, version: view.version, nowMs: nowMs, allowance: &allowance),
          checked.header == header
        else { return false }
      }
      batches.append(
        GroupedBatch(
          header: header, body: UnsafeRawBufferPointer(rebasing: records[BatchField.records...]),
          wantsAllInSync: view.acks == -1))
      targetOf.append(target(entry.partition))
    }
    return true
  }

  /// The index of a partition in `targets`.
  private func target(_ partition: Partition) -> Int {
    // Mostly the partition of the batch before.
    if let last = targetOf.last, targets[last].partition === partition { return last }
    for index in max(0, targets.count - Limits.runTargetsSearched)..<targets.count
    where targets[index].partition === partition {
      return index
    }
    targets.append(Target(partition: partition, first: -1, last: -1))
    return targets.count - 1
  }

  private func link(_ index: Int) {
    let target = targetOf[index]
    if targets[target].last < 0 {
      targets[target].first = index
    } else {
      batches[targets[target].last].next = index
    }
    targets[target].last = index
  }

  // MARK: Appending

  private func append(nowMs: Int64, _ run: RequestRun) {
    batches.withUnsafeMutableBufferPointer { batches in
      group.batches = batches
      for index in targets.indices where targets[index].first >= 0 {
        do throws(PartitionError) {
          let placed = try targets[index].partition.append(group, from: targets[index].first, nowMs: nowMs)
          targets[index].highWatermark = placed.highWatermark
          if !placed.woken.isEmpty { run.woken += placed.woken }
        } catch {
          targets[index].hasFailed = true
          failures[index] = error
        }
      }
      group.batches = UnsafeMutableBufferPointer(start: nil, count: 0)
    }
  }

  // MARK: Answering

  private func answer(_ frames: UnsafeRawBufferPointer, _ run: RequestRun) {
    var responses = memory.take(Self.responseBytesLikely * requests.count)
    var isEach = false
    for number in requests.indices {
      let request = requests[number]
      let before = responses.readableBytes
      var outcome: RequestRun.Outcome?
      if !isAtOnce(request) {
        outcome = answerInFull(request, frames, &responses, run)
      } else if request.view.acks != 0 {
        ProduceAnswer.write(request.view, frames, places[request.places], to: &responses) { index in
          guard case .appended(let appended) = batches[index].outcome else {
            preconditionFailure("a batch that was not appended is told as appended")
          }
          return ProduceAnswer.Batch(
            baseOffset: appended.baseOffset, logAppendTimeMs: appended.logAppendTimeMs,
            logStartOffset: appended.logStartOffset)
        }
      }
      let byteCount = responses.readableBytes - before
      if !isEach, outcome != nil || (request.view.acks == 0) != (requests[0].view.acks == 0) {
        run.outcomes = lengths(of: responses, upTo: number)
        isEach = true
      }
      if isEach { run.outcomes.append(outcome ?? .response(byteCount: byteCount)) }
    }
    memory.keep(responses)
    if responses.readableBytes > 0 { run.responses = responses }
  }

  /// The outcomes of the first requests, all of which have their response.
  private func lengths(of responses: ByteBuffer, upTo count: Int) -> [RequestRun.Outcome] {
    var outcomes: [RequestRun.Outcome] = []
    var position = responses.readerIndex
    for number in 0..<count {
      guard requests[number].view.acks != 0, let length = responses.getInteger(at: position, as: Int32.self) else {
        outcomes.append(.response(byteCount: 0))
        continue
      }
      outcomes.append(.response(byteCount: Frame.prefixBytes + Int(length)))
      position += Frame.prefixBytes + Int(length)
    }
    return outcomes
  }

  /// Whether all batches of a request were appended, and nothing is to be waited for.
  private func isAtOnce(_ request: Request) -> Bool {
    for index in request.places {
      let target = targetOf[index]
      guard !targets[target].hasFailed, case .appended(let appended) = batches[index].outcome,
        !appended.needsFlush,
        request.view.acks != -1 || targets[target].highWatermark > appended.lastOffset || !LocalBroker.waitsForReplicas
      else { return false }
    }
    return true
  }

  /// Answers a request with an error, or one that waits for a flush or for the other replicas.
  private func answerInFull(
    _ request: Request, _ frames: UnsafeRawBufferPointer, _ responses: inout ByteBuffer, _ run: RequestRun
  ) -> RequestRun.Outcome? {
    var response = ProduceResponse()
    var wait = LocalBroker.ProduceWait()
    var hasFailed = false
    for index in request.places {
      let place = places[index]
      if place.placesOfTopic > 0 {
        let name = frames[place.nameStart..<place.nameStart + place.nameLength]
        response.responses.append(.with { $0.name = String(decoding: name, as: UTF8.self) })
      }
      let partition = targets[targetOf[index]].partition
      var told = ProduceResponse.Partition()
      told.index = place.partition
      switch outcome(of: index) {
      case .success(let appended):
        told.baseOffset = appended.baseOffset
        told.logAppendTimeMs = appended.logAppendTimeMs
        told.logStartOffset = appended.logStartOffset
        if appended.needsFlush { wait.unflushed.append(partition) }
        if request.view.acks == -1, LocalBroker.waitsForReplicas,
          targets[targetOf[index]].highWatermark <= appended.lastOffset
        {
          wait.unreplicated.append(
            LocalBroker.Unreplicated(
              partition: partition, end: appended.lastOffset + 1, topicIndex: response.responses.count - 1,
              partitionIndex: response.responses[response.responses.count - 1].partitionResponses.count))
        }
      case .failure(let error):
        told.errorCode = ErrorCode(error)
        told.baseOffset = .unknown
        hasFailed = true
        if told.errorCode == .kafkaStorageError {
          run.failed.append { [broker] in broker.appendFailed(partition, error) }
        }
      }
      response.responses[response.responses.count - 1].partitionResponses.append(told)
    }
    // With acks=0 Kafka's only way to report an error to the producer is to close the connection.
    if request.view.acks == 0 { return hasFailed ? .close : nil }
    let (view, broker) = (request.view, broker)
    guard wait.isEmpty else {
      return .later { slot in
        let pending = PendingResponse<ProduceResponse>(
          version: view.version, correlationID: view.correlationID, slot: slot)
        broker.respond(
          response, after: wait, until: slot.eventLoop.now + .milliseconds(Int64(view.timeoutMs)), pending)
      }
    }
    let whole = Frame.response(response, version: view.version, correlationID: view.correlationID)
    if !whole.errors.isEmpty { run.notes.append(.errors(whole.errors, api: ProduceRequest.api.key)) }
    for case .bytes(let bytes) in whole.parts { responses.writeImmutableBuffer(bytes) }
    return nil
  }

  private func outcome(of batch: Int) -> Result<Appended, PartitionError> {
    if let failure = failures[targetOf[batch]] { return .failure(failure) }
    switch batches[batch].outcome {
    case .appended(let appended): return .success(appended)
    case .refused: return .failure(.notEnoughReplicas)
    case .waits, .failed:
      guard let error = group.errors[batch] else { preconditionFailure("a batch was not appended and not refused") }
      return .failure(.append(error))
    }
  }
}
