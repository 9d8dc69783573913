import Cluster
import Logging
import Model
import NIOCore
import Storage
import Synchronization

/// The log of a coordinator: the partitions of an internal topic that this broker leads. The coordinator's state follows from the records
/// in it: it is loaded when this broker becomes leader of a partition, and each change is appended before it is answered.
///
/// A key (a group's or a transactional id) belongs to one partition, whose leader is the key's coordinator.
///
/// Any thread may call.
final class CoordinatorLog: Sendable {
  typealias Then = @Sendable (Result<Offset, ErrorCode>) -> Void

  let topic: InternalTopic
  /// The event loop of the waits for replicas; a coordinator has its timers there too.
  let loop: any EventLoop
  let controller: ControllerRunner
  private let metadata: Metadata
  private let flusher: Flusher
  private let appendTimeoutMs: Int64
  let offload: any Offload
  let stopping: StopFlag
  let log: Logger
  private let nowMs: @Sendable () -> Int64
  /// The coordinator, and the partitions of the topic that this broker leads, with the epoch of each leadership.
  let led = Mutex(Led())

  struct Led {
    weak var state: (any CoordinatorState)?
    var epochs: [Int32: LeaderEpoch] = [:]
    /// Those whose log was read to its end.
    var loaded: Set<Int32> = []
  }

  /// - Parameter appendTimeoutMs: how long an append waits for the in-sync replicas.
  init(
    _ topic: InternalTopic, appendTimeoutMs: Int64, metadata: Metadata, controller: ControllerRunner, flusher: Flusher,
    offload: any Offload, loop: any EventLoop, stopping: StopFlag, log: Logger, nowMs: @escaping @Sendable () -> Int64
  ) {
    self.topic = topic
    self.appendTimeoutMs = appendTimeoutMs
    self.metadata = metadata
    self.controller = controller
    self.flusher = flusher
    self.offload = offload
    self.loop = loop
    self.stopping = stopping
    self.log = log
    self.nowMs = nowMs
  }

  /// Sets the coordinator whose state the log holds; called before the broker opens its logs.
  func serve(_ state: any CoordinatorState) { led.withLock { $0.state = state } }

  /// Whether there is a coordinator.
  var isServed: Bool { led.withLock { $0.state != nil } }

  /// Returns the number of the partition to which a key belongs.
  func partition(of key: String) -> Int32 {
    let count = metadata.image.named(topic.name).map { Int32(clamping: $0.partitions.count) } ?? topic.partitionCount
    return KeyHash.partition(forID: key, of: count)
  }

  /// Whether other brokers have replicas of a partition.
  func isReplicated(_ partition: Int32) -> Bool {
    let partitions = metadata.image.named(topic.name)?.description.partitions ?? []
    return partitions.indices.contains(Int(partition)) && partitions[Int(partition)].replicas.count > 1
  }

  /// Creates the topic unless it exists.
  ///
  /// - Parameter then: receives nil when the topic exists, and otherwise why it cannot be created; called on the caller's thread or on
  ///   the control lane.
  func whenTopicExists(_ then: @escaping @Sendable (ApiError?) -> Void) {
    guard metadata.image.named(topic.name) == nil else { return then(nil) }
    let (topic, inCluster) = (topic, controller.isOfCluster)
    controller.ask(
      { random in
        .create([topic.creation(id: UUID128.random(using: &random), inCluster: inCluster)], validateOnly: false)
      }, elsewhere: .sent
    ) { outcomes in
      guard case .refused(let refusal)? = outcomes.first, refusal.code != .topicAlreadyExists else { return then(nil) }
      self.log.error(
        "an internal topic cannot be created", metadata: ["topic": "\(topic.name)", "error": "\(refusal)"])
      then(refusal)
    }
  }

  /// Appends records as one batch. Where the order of records follows the order of the coordinator's decisions, the caller holds its lock
  /// meanwhile.
  ///
  /// - Parameters:
  ///   - records: at least one; the timestamps are kept.
  ///   - producer: the producer of a transaction whose commit the records wait for; nil when they count at once.
  ///   - then: receives the outcome when it is not known at once; called on another thread.
  /// - Returns: the offset of the first record, once all in-sync replicas have the batch, or the error of the partition
  ///   (NOT_LEADER_OR_FOLLOWER, RECORD_TOO_LARGE, ...); nil when `then` receives it.
  func append(
    _ records: [CoordinatorRecord], to partition: Int32, producer: (id: Int64, epoch: Int16)? = nil,
    then: @escaping Then
  ) -> Result<Offset, ErrorCode>? {
    guard let target = metadata.image.named(topic.name)?.partition(partition) else {
      return .failure(.unknownTopicOrPartition)
    }
    let placed: Partition.Placed
    do throws(PartitionError) {
      placed = try target.append(
        Self.batch(of: records, producer), from: .coordinator, forAllInSync: true, nowMs: nowMs())
    } catch {
      return .failure(ErrorCode(error))
    }
    for waiter in placed.woken { waiter.wake(.satisfied) }
    if placed.appended.needsFlush {
      flush(target, placed, then)
      return nil
    }
    if placed.isReplicated { return .success(placed.appended.baseOffset) }
    awaitReplicas(target, placed, then)
    return nil
  }

  private static func batch(of records: [CoordinatorRecord], _ producer: (id: Int64, epoch: Int16)?) -> RecordBatch {
    let bytes = records.reduce(BatchField.records) {
      $0 + Limits.coordinatorRecordOverhead + $1.key.readableBytes + ($1.value?.readableBytes ?? 0)
    }
    var builder = RecordBatchBuilder(capacity: bytes)
    for record in records {
      builder.append(Record(offset: 0, timestamp: record.timestampMs, key: record.key, value: record.value))
    }
    do {
      return try RecordBatch(
        viewing: builder.finish(
          producerID: producer?.id ?? -1, producerEpoch: producer?.epoch ?? -1, baseSequence: producer == nil ? -1 : 0,
          isTransactional: producer != nil),
        checkingCRC: false)
    } catch {
      preconditionFailure("an uncompressed batch that was just built cannot be read: \(error)")
    }
  }

  private func flush(_ target: Partition, _ placed: Partition.Placed, _ then: @escaping Then) {
    flusher.flush([target]) { failures in
      if let failure = failures[target.name] { return then(.failure(failure)) }
      if placed.isReplicated { return then(.success(placed.appended.baseOffset)) }
      self.awaitReplicas(target, placed, then)
    }
  }

  /// Reports the outcome when every in-sync replica has the batch; REQUEST_TIMED_OUT at the deadline, and the batch stays in the log.
  private func awaitReplicas(_ target: Partition, _ placed: Partition.Placed, _ then: @escaping Then) {
    let (base, end) = (placed.appended.baseOffset, placed.appended.lastOffset + 1)
    loop.execute {
      let waiter = Waiter(lacking: 1, eventLoop: self.loop) { _ in
        switch target.replicated(upTo: end) {
        case .success: then(.success(base))
        case nil: then(.failure(.requestTimedOut))
        case .failure(let error): then(.failure(ErrorCode(error)))
        }
      }
      guard target.park(waiter, for: .replicated(end)) else { return waiter.finish(.satisfied) }
      waiter.start(until: self.loop.now + .milliseconds(self.appendTimeoutMs))
    }
  }
}
