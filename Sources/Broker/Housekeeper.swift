import Logging
import Model
import NIOCore
import NIOPosix
import Storage
import Synchronization

/// What a broker does by the clock: retention, background flushes, checkpoints, and removing deleted files.
///
/// One thread of its own, so that no disk work here delays a request.
final class Housekeeper: Sendable {
  private let broker: LocalBroker
  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let isStopped = Atomic(false)

  init(_ broker: LocalBroker) { self.broker = broker }

  func start() {
    let config = broker.config
    every(config.retentionCheckIntervalMs) { $0.applyRetention() }
    every(config.flushSchedulerIntervalMs) { $0.flushDue() }
    // Kafka checks for due flushes all the time by default ("never" as an interval); closed segments are flushed here.
    every(Limits.closedSegmentFlushMs) { $0.flushDue() }
    every(min(config.recoveryPointCheckpointIntervalMs, config.logStartOffsetCheckpointIntervalMs)) {
      $0.checkpoint([.recoveryPoint, .logStart])
    }
    every(config.highWatermarkCheckpointIntervalMs) { $0.checkpoint([.highWatermark]) }
    every(Limits.purgeIntervalMs) { $0.purgeDeleted() }
    every(Limits.producerExpiryIntervalMs) { $0.expireProducers() }
    broker.reportCache()
    if broker.directories.cache != nil { every(Limits.cacheReportIntervalMs) { $0.reportCache() } }
  }

  func stop() {
    isStopped.store(true, ordering: .relaxed)
    try? group.syncShutdownGracefully()
  }

  private func every(_ intervalMs: Int64, _ work: @escaping @Sendable (LocalBroker) -> Void) {
    // NIO counts in nanoseconds; a century is "never".
    guard intervalMs > 0, intervalMs < Limits.timerMsMax else { return }
    let broker = broker
    group.next().scheduleRepeatedTask(
      initialDelay: .milliseconds(intervalMs), delay: .milliseconds(intervalMs)
    ) { [weak self] _ in
      guard self?.isStopped.load(ordering: .relaxed) == false else { return }
      work(broker)
    }
  }
}

extension LocalBroker {
  /// Runs `body` on every open log; a failure is logged and the others go on.
  private func forEachLog(_ what: String, _ body: @Sendable (any PartitionLog) throws(DiskError) -> Void) {
    for topic in topics.all {
      for partition in topic.partitions {
        do throws(PartitionError) {
          try partition.withLog { log, _ throws(PartitionError) in
            do throws(DiskError) { try body(log) } catch { throw .append(.diskFailed(error)) }
          }
        } catch {
          if error == .deleted { continue }
          log.error("\(what) failed", metadata: ["partition": "\(partition.name)", "error": "\(error)"])
        }
      }
    }
  }

  func applyRetention() {
    let now = nowMs()
    forEachLog("retention") { log throws(DiskError) in
      _ = try log.applyRetention(nowMs: now, highWatermark: log.logEndOffset)
    }
  }

  /// Flushes logs whose flush.ms has passed, or that have closed a segment since their last flush.
  func flushDue() {
    let now = nowMs()
    var due: [Partition] = []
    for topic in topics.all {
      for partition in topic.partitions {
        let wants = try? partition.withLog { log, _ throws(PartitionError) in log.wantsFlush(nowMs: now) }
        if wants == true { due.append(partition) }
      }
    }
    if !due.isEmpty { flusher.flush(due) { _ in } }
  }

  /// Writes the offsets of all partitions to the checkpoints of their directories.
  func checkpoint(_ kinds: [OffsetCheckpoint] = OffsetCheckpoint.allCases) {
    var offsets: [String: [OffsetCheckpoint: [TopicPartition: Offset]]] = [:]
    for topic in topics.all {
      for partition in topic.partitions {
        guard let directory = partition.directory else { continue }
        let marks = try? partition.withLog { log, _ throws(PartitionError) in
          (log.flushedOffset, log.logStartOffset, log.logEndOffset)
        }
        guard let marks else { continue }
        for kind in kinds {
          let offset =
            switch kind {
            case .recoveryPoint: marks.0
            case .logStart: marks.1
            case .highWatermark: marks.2
            }
          offsets[directory.path, default: [:]][kind, default: [:]][partition.name] = offset
        }
      }
    }
    for directory in directories.all {
      for kind in kinds {
        do { try directory.write(kind, offsets[directory.path]?[kind] ?? [:]) } catch {
          log.error("no checkpoint", metadata: ["directory": "\(directory.path)", "error": "\(error)"])
        }
      }
    }
  }

  /// Forgets producers that have been silent for `producer.id.expiration.ms`.
  func expireProducers() {
    let now = nowMs()
    let expiration = config.producerIDExpirationMs
    forEachLog("producer expiry") { log throws(DiskError) in
      log.expireProducers(nowMs: now, expirationMs: expiration)
    }
  }

  /// Writes down what the broker's own cache has done so far, where it has one.
  func reportCache() {
    guard let cache = directories.cache, let directory = directories.all.first else { return }
    do { try cache.report(in: directory.path, on: directory.disk, nowMs: nowMs()) } catch {
      log.error("no report of the cache", metadata: ["error": "\(error)"])
    }
  }

  func purgeDeleted() {
    let now = nowMs()
    forEachLog("purge") { log throws(DiskError) in _ = try log.purgeDeleted(nowMs: now) }
    for directory in directories.all {
      do { _ = try directory.purgeDeleted(nowMs: now) } catch {
        log.error("purge failed", metadata: ["directory": "\(directory.path)", "error": "\(error)"])
      }
    }
  }
}
