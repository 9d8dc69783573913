import Cluster
package import Logging
package import Model
import Storage
import Synchronization
import Wire

/// This broker: its topics and their partitions, and everything the handlers act on.
///
/// `Handlers/*.swift` extend it, one file per API. Requests call it from every event loop at once; what is mutable sits
/// behind the locks of its parts. Changes of topics go one at a time (`changing`), in the order tree, files, map.
package final class LocalBroker: Sendable {
  /// As the broker started; what can change while it runs is in `registry`.
  package let config: Config
  package let brokerID: BrokerID
  package let clusterID: String
  package let topics = Topics()
  package let registry: TopicRegistry
  let directories: LogDirectories
  package let storageLoss = StorageLoss()
  let parkedFetches: ParkedFetches
  let flusher: Flusher
  let producerIDs: ProducerIDSource
  package let log: Logger
  let nowMs: @Sendable () -> Int64
  /// Where clients of each listener are told to connect; set when the listeners are bound.
  let endpoints = Mutex<[String: Endpoint]>([:])
  private let changing = Mutex(())
  private let apis = Mutex<[ApiVersionsResponse.ApiVersion]>([])

  struct Endpoint: Sendable {
    /// Nil: the address by which the client came.
    var host: String?
    var port: UInt16
  }

  init(
    config: Config, registry: TopicRegistry, directories: LogDirectories, offload: any Offload, log: Logger,
    nowMs: @escaping @Sendable () -> Int64
  ) {
    self.config = config
    self.registry = registry
    self.directories = directories
    brokerID = registry.brokerID
    clusterID = registry.clusterID
    parkedFetches = ParkedFetches(limit: config.parkedFetchesMax)
    flusher = Flusher(offload: offload, log: log, nowMs: nowMs)
    producerIDs = ProducerIDSource(registry)
    self.log = log
    self.nowMs = nowMs
  }

  /// What ApiVersions answers, told by the handler table once it is made.
  var offeredApis: [ApiVersionsResponse.ApiVersion] {
    get { apis.withLock { $0 } }
    set { apis.withLock { $0 = newValue } }
  }

  /// Runs one change of topics; changes wait for each other, requests do not wait for them.
  func change<Result: Sendable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try changing.withLock { _ throws(Failure) in try body() }
  }
}

/// Every API that is served, in the order of the docs. The one place that names versions.
extension LocalBroker {
  package func makeHandlerTable() -> HandlerTable {
    let handlers: [Handler] = [
      .on(ProduceRequest.self, 0...11, do: produce),
      .on(FetchRequest.self, 0...17, do: fetch),
      .on(ListOffsetsRequest.self, 0...9, do: listOffsets),
      .on(MetadataRequest.self, 0...12, do: metadata),
      .on(ApiVersionsRequest.self, 0...4, do: apiVersions),
      .on(FindCoordinatorRequest.self, 0...6, do: findCoordinator),
      .on(CreateTopicsRequest.self, 0...7, do: createTopics),
      .on(DeleteTopicsRequest.self, 0...6, do: deleteTopics),
      .on(DeleteRecordsRequest.self, 0...2, do: deleteRecords),
      .on(InitProducerIdRequest.self, 0...5, do: initProducerID),
      .on(OffsetForLeaderEpochRequest.self, 2...4, do: offsetForLeaderEpoch),
      .on(DescribeConfigsRequest.self, 0...4, do: describeConfigs),
      .on(AlterConfigsRequest.self, 0...2, do: alterConfigs),
      .on(DescribeLogDirsRequest.self, 0...4, do: describeLogDirs),
      .on(CreatePartitionsRequest.self, 0...3, do: createPartitions),
      .on(IncrementalAlterConfigsRequest.self, 0...1, do: incrementalAlterConfigs),
      .on(DescribeClusterRequest.self, 0...1, do: describeCluster),
    ]
    let table = HandlerTable(handlers, requestBytesMax: config.socketRequestMaxBytes)
    offeredApis = table.handlers.map { ApiVersionsResponse.ApiVersion($0) }
    return table
  }
}

/// Producer ids, taken from the registry a block at a time.
final class ProducerIDSource: Sendable {
  private let registry: TopicRegistry
  private let block = Mutex<Range<Int64>>(0..<0)

  init(_ registry: TopicRegistry) { self.registry = registry }

  func next() throws -> Int64 {
    try block.withLock { block in
      if block.isEmpty { block = try registry.nextProducerIDBlock() }
      defer { block = block.lowerBound + 1..<block.upperBound }
      return block.lowerBound
    }
  }
}
