import Cluster
import Model
import NIOCore

/// The figures of a broker at one time, and their text. Made off the event loops: with 10,000 partitions it takes tens of milliseconds.
struct Scrape {
  private let broker: LocalBroker
  private let loops: [LoopFigures]
  private let cleaner: CleanerFigures
  private let connections: Int
  private let refusals: Admission.Refusals
  private let process: ProcessFigures
  private let droppedLines: Int
  private let lastScrapeSeconds: Double
  private let version: String

  private let partitions: [PartitionFigures]
  private let groups: GroupFigures
  private let image: MetadataImage

  /// Looks at every partition and group, each under its own lock for a moment.
  ///
  /// - Parameters:
  ///   - loops: what the event loops have answered, in their order.
  ///   - droppedLines: of the request log.
  init(
    _ broker: LocalBroker, loops: [LoopFigures], cleaner: CleanerFigures, connections: Int,
    refusals: Admission.Refusals,
    process: ProcessFigures, droppedLines: Int, lastScrapeSeconds: Double, version: String
  ) {
    self.broker = broker
    self.loops = loops
    self.cleaner = cleaner
    self.connections = connections
    self.refusals = refusals
    self.process = process
    self.droppedLines = droppedLines
    self.lastScrapeSeconds = lastScrapeSeconds
    self.version = version
    partitions = broker.replicas.all.map(\.figures)
    groups = broker.groups.figures(offsetsMax: Limits.scrapedOffsets)
    image = broker.image
  }

  /// All families, each with its samples, in the order of `Metrics.sections`.
  func text() -> ByteBuffer {
    var out = Exposition(capacity: 65_536 + partitions.count * 512)
    writeRequests(&out)
    writeTopics(&out)
    writeLogs(&out)
    writeReplicas(&out)
    writeController(&out)
    writeGroups(&out)
    writeServer(&out)
    writeProcess(&out)
    return out.bytes
  }

  // MARK: Requests

  private func writeRequests(_ out: inout Exposition) {
    var sums = [RequestMeter.Figures](repeating: RequestMeter.Figures(), count: Int(ApiNames.highestKey) + 1)
    for loop in loops {
      for (index, figures) in loop.snapshot.figures.enumerated() where index < sums.count { sums[index] += figures }
    }
    let apis = sums.indices.filter { sums[$0].requests > 0 }.map { index in
      (labels: Exposition.Labels([("request", ApiNames.name(Int16(index)))]), figures: sums[index])
    }
    let table = Metrics.requests
    out.begin(table.requests)
    for api in apis { out.sample("", api.labels, api.figures.requests) }
    let sizes: [(MetricFamily, KeyPath<RequestMeter.Figures, Int>)] = [
      (table.requestBytes, \.requestBytes), (table.responseBytes, \.responseBytes),
    ]
    for (family, bytes) in sizes {
      out.begin(family)
      for api in apis {
        out.sample("_sum", api.labels, api.figures[keyPath: bytes])
        out.sample("_count", api.labels, api.figures.requests)
      }
    }
    out.begin(table.total)
    for api in apis { writeHistogram(api.labels, api.figures, &out) }
    let times: [(MetricFamily, KeyPath<RequestMeter.Figures, Int64>)] = [
      (table.queue, \.queueNs), (table.local, \.localNs), (table.remote, \.remoteNs), (table.send, \.sendNs),
    ]
    for (family, ns) in times {
      out.begin(family)
      for api in apis {
        out.sample("_sum", api.labels, Double(api.figures[keyPath: ns]) / 1_000_000)
        out.sample("_count", api.labels, api.figures.requests)
      }
    }
    out.begin(table.throttle)
    for api in apis {
      out.sample("_sum", api.labels, api.figures.throttleMs)
      out.sample("_count", api.labels, api.figures.requests)
    }
    writeErrors(&out)
  }

  private func writeErrors(_ out: inout Exposition) {
    var sums: [RequestMeter.Failure: Int] = [:]
    for loop in loops { sums.merge(loop.snapshot.failures, uniquingKeysWith: +) }
    out.begin(Metrics.requests.errors)
    for (failure, count) in sums.sorted(by: {
      ($0.key.api, $0.key.error.rawValue) < ($1.key.api, $1.key.error.rawValue)
    }) {
      let labels = Exposition.Labels([("request", ApiNames.name(failure.api)), ("error", failure.error.name)])
      out.sample("", labels, count)
    }
  }

  private func writeHistogram(
    _ labels: Exposition.Labels, _ figures: RequestMeter.Figures, _ out: inout Exposition
  ) {
    var count = 0
    for (index, bound) in RequestMeter.boundsMs.enumerated() {
      count += figures.buckets[index]
      out.sample("_bucket", labels.adding("le", "\(bound)"), count)
    }
    out.sample("_bucket", labels.adding("le", "+Inf"), figures.requests)
    out.sample("_sum", labels, Double(figures.totalNs) / 1_000_000)
    out.sample("_count", labels, figures.requests)
  }

  // MARK: Topics and logs

  private func writeTopics(_ out: inout Exposition) {
    let image = image
    broker.replicas.pastTraffic.forget { image.named($0) != nil }
    var traffic = broker.replicas.pastTraffic.all
    for partition in partitions { traffic[partition.name.topic, default: Traffic()] += partition.traffic }
    let topics = traffic.sorted { $0.key < $1.key }.map { (Exposition.Labels([("topic", $0.key)]), $0.value) }
    let table = Metrics.topics
    let columns: [(MetricFamily, KeyPath<Traffic, Int64>)] = [
      (table.bytesIn, \.bytesIn), (table.messagesIn, \.messagesIn), (table.bytesOut, \.bytesOut),
      (table.replicationBytesIn, \.replicationBytesIn), (table.replicationBytesOut, \.replicationBytesOut),
    ]
    for (family, column) in columns {
      out.begin(family)
      for (labels, traffic) in topics { out.sample("", labels, traffic[keyPath: column]) }
    }
  }

  private func writeLogs(_ out: inout Exposition) {
    let table = Metrics.logs
    let online = partitions.filter(\.isOnline)
    let labels = online.map { partition in
      Exposition.Labels([("topic", partition.name.topic), ("partition", "\(partition.name.partition)")])
    }
    out.begin(table.size)
    for (labels, partition) in zip(labels, online) { out.sample("", labels, partition.size) }
    out.begin(table.start)
    for (labels, partition) in zip(labels, online) { out.sample("", labels, partition.start.rawValue) }
    out.begin(table.end)
    for (labels, partition) in zip(labels, online) { out.sample("", labels, partition.end.rawValue) }
    let directories = broker.directories
    out.single(table.offlineDirectories, directories.reports.count - directories.online.count)
    let flushed = broker.flusher.taken
    out.begin(table.flushes)
    out.sample("_sum", .none, Double(flushed.ns) / 1_000_000)
    out.sample("_count", .none, flushed.flushes)
    writeCleaner(&out)
    out.begin(table.coldReads)
    for (index, loop) in loops.enumerated() { out.sample("", loopLabels(index), loop.snapshot.coldReads) }
    out.begin(table.coldBytes)
    for (index, loop) in loops.enumerated() { out.sample("", loopLabels(index), loop.snapshot.coldBytes) }
  }

  private func writeCleaner(_ out: inout Exposition) {
    let table = Metrics.logs
    out.single(table.dirtyPercent, cleaner.maxDirtyPercent)
    out.begin(table.uncleanable)
    for report in broker.directories.reports {
      out.sample(
        "", Exposition.Labels([("logDirectory", report.path)]), cleaner.uncleanable[report.path, default: 0])
    }
    out.begin(table.cleanTime)
    out.sample("", .none, cleaner.maxCleanSeconds)
    out.single(table.recopy, cleaner.recopyPercent)
  }

  private func loopLabels(_ index: Int) -> Exposition.Labels { Exposition.Labels([("loop", "\(index)")]) }

  // MARK: Replicas and the controller

  private func writeReplicas(_ out: inout Exposition) {
    let table = Metrics.replicas
    func count(_ isCounted: (PartitionFigures) -> Bool) -> Int { partitions.lazy.filter(isCounted).count }
    out.single(table.leaders, count(\.isLeader))
    out.single(table.partitions, partitions.count)
    out.single(table.underReplicated, count(\.isUnderReplicated))
    out.single(table.underMin, count(\.isUnderMin))
    out.single(table.atMin, count(\.isAtMin))
    out.single(table.offline, count { !$0.isOnline })
    let changes = broker.isrRequests.counts
    out.single(table.shrinks, changes.shrinks)
    out.single(table.expands, changes.expands)
    out.single(table.failedUpdates, changes.refusals)
    out.begin(table.underReplicatedPartition)
    for partition in partitions where partition.isUnderReplicated {
      let labels = Exposition.Labels([
        ("topic", partition.name.topic), ("partition", "\(partition.name.partition)"),
      ])
      out.sample("", labels, 1)
    }
  }

  private func writeController(_ out: inout Exposition) {
    let table = Metrics.controller
    let isController = image.controllerID == broker.brokerID
    var (offline, imbalanced) = (0, 0)
    if isController {
      for topic in image.all {
        for partition in topic.description.partitions {
          if partition.leader < 0 { offline += 1 }
          if partition.leader != partition.replicas.first { imbalanced += 1 }
        }
      }
    }
    out.single(table.active, isController ? 1 : 0)
    out.single(table.offline, offline)
    out.single(table.imbalance, imbalanced)
    out.single(table.topics, isController ? image.count : 0)
    out.single(table.partitions, isController ? image.partitionCount : 0)
  }

  // MARK: Groups

  private func writeGroups(_ out: inout Exposition) {
    let table = Metrics.groups
    out.single(table.groups, groups.groups.count)
    var states: [String: Int] = [:]
    for group in groups.groups { states[group.state, default: 0] += 1 }
    out.begin(table.states)
    for (state, count) in states.sorted(by: { $0.key < $1.key }) {
      out.sample("", Exposition.Labels([("state", state)]), count)
    }
    out.single(table.offsets, groups.offsetCount)
    let committed = groups.groups.flatMap { group in
      group.offsets.map { partition, offset in
        (
          labels: Exposition.Labels([
            ("consumergroup", group.id), ("topic", partition.topic), ("partition", "\(partition.partition)"),
          ]), partition: partition, offset: offset
        )
      }
    }
    out.begin(table.committed)
    for one in committed { out.sample("", one.labels, one.offset.rawValue) }
    let ends = Dictionary(
      partitions.lazy.filter(\.isOnline).map { ($0.name, $0.highWatermark) }, uniquingKeysWith: { first, _ in first })
    out.begin(table.lag)
    for one in committed {
      guard let end = ends[one.partition] else { continue }
      out.sample("", one.labels, max(0, end.rawValue.subtractingClamped(one.offset.rawValue)))
    }
    out.single(table.leftOut, groups.leftOut)
  }

  // MARK: The server and its process

  private func writeServer(_ out: inout Exposition) {
    let table = Metrics.server
    out.single(table.connections, connections)
    out.begin(table.refused)
    for (reason, count) in [
      ("descriptors", refusals.withoutDescriptor), ("limit", refusals.tooMany), ("rate", refusals.tooOften),
    ] {
      out.sample("", Exposition.Labels([("reason", reason)]), count)
    }
    out.begin(table.unauthenticated)
    for (index, loop) in loops.enumerated() { out.sample("", loopLabels(index), loop.strangers.connections) }
    out.begin(table.displaced)
    for (index, loop) in loops.enumerated() { out.sample("", loopLabels(index), loop.strangers.displaced) }
    out.begin(table.handshakes)
    for (index, loop) in loops.enumerated() { out.sample("", loopLabels(index), loop.strangers.handshakesWaiting) }
    var places = WaitingPlaces()
    for partition in partitions { places += partition.places }
    out.begin(table.delayed)
    out.sample("", Exposition.Labels([("delayedOperation", "Fetch")]), broker.parkedFetches.current)
    out.begin(table.purgatory)
    for (name, count) in [
      ("Fetch", places.fetches), ("Produce", places.produces), ("DeleteRecords", places.deletions),
    ] {
      out.sample("", Exposition.Labels([("delayedOperation", name)]), count)
    }
    out.begin(table.turns)
    for (index, loop) in loops.enumerated() { out.sample("", loopLabels(index), loop.snapshot.turns) }
    out.begin(table.busy)
    for (index, loop) in loops.enumerated() {
      out.sample("", loopLabels(index), Double(loop.snapshot.busyNs) / 1e9)
    }
    out.begin(table.delay)
    for (index, loop) in loops.enumerated() {
      out.sample("", loopLabels(index), Double(loop.delay.nanoseconds) / 1e9)
    }
    out.single(table.requestLog, droppedLines)
  }

  private func writeProcess(_ out: inout Exposition) {
    let table = Metrics.process
    out.single(table.cpu, process.cpuSeconds)
    out.begin(table.threadCPU)
    for thread in process.threads { out.sample("", Exposition.Labels([("thread", thread.name)]), thread.cpuSeconds) }
    out.begin(table.resident)
    out.sample("", .none, process.residentBytes)
    out.begin(table.virtual)
    out.sample("", .none, process.virtualBytes)
    out.single(table.descriptors, process.openDescriptors)
    out.single(table.descriptorsMax, process.descriptorsMax)
    out.single(table.start, process.startSeconds)
    out.single(table.scrape, lastScrapeSeconds)
    out.begin(table.build)
    out.sample("", Exposition.Labels([("version", version)]), 1)
  }
}
