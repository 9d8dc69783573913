package import Coordination
package import NIOCore
package import Storage

/// Begins a session with a shared z-node tree.
///
/// - Parameters:
///   - servers: as in `zookeeper.connect`.
///   - sessionTimeoutMs: after how many milliseconds without a sign of life the session ends.
///   - connectTimeoutMs: how many milliseconds to wait for a connection.
package typealias TreeConnector =
  @Sendable (_ servers: String, _ sessionTimeoutMs: Int, _ connectTimeoutMs: Int) throws(ZNodeError) -> any ZNodeTree

/// Holds all dependencies of a node on its environment: time, threads, disk, network and randomness.
///
/// `RealWorld` makes the machine's own; the simulation makes a deterministic one. A node has no other access to its
/// environment, so its behaviour depends only on its configuration and its world.
package struct World: Sendable {
  /// The event loops of connections and timers. Monotonic time is the loop's own: `loop.now`, `loop.scheduleTask`.
  package var loops: any EventLoopGroup
  /// The file system of the log directories and of the z-node journal.
  package var disk: any Disk
  /// The stores and caches that experiments compare with Kafka's (StorageArms); empty in a program that registers none.
  package var arms: Arms
  /// Says which ranges of the files of `disk` are in memory.
  package var pageCache: PageCache
  /// Listening sockets and their connections.
  package var network: any Network
  /// Runs work that may wait for the disk.
  package var offload: any Offload
  /// The most files and sockets that the process can have open.
  package var descriptorsMax: Int
  /// Whether one more connection leaves the descriptors that the logs need.
  package var hasDescriptors: @Sendable () -> Bool = { true }
  /// The most connections that are being refused and still hold a descriptor.
  package var refusalsMax = Limits.refusalsInProgress
  /// Wall clock time, in milliseconds since 1970 (UTC). It may jump in both directions.
  package var wallMs: @Sendable () -> Int64
  /// Begins a session with the z-node tree that the brokers of a cluster share (`zookeeper.connect`); waits until there is one.
  package var connectTree: TreeConnector = { (servers, _, _) throws(ZNodeError) in
    throw ZNodeError(.connectionLost, servers, detail: "there is no ZooKeeper in this world")
  }
  /// What the system knows of the process. May read files.
  package var processFigures: @Sendable () -> ProcessFigures = { ProcessFigures() }
  /// Writes lines of the request log; may wait a little for whoever reads them.
  package var writeRequestLog: @Sendable ([UInt8]) -> Void = { _ in }
  /// Is told of every request that reaches a handler: whose it is, and of which API. Nil where nobody watches.
  package var witness: (@Sendable (_ user: String, _ api: Int16) -> Void)?
  /// Makes a random number generator, for the ids of clusters and topics.
  package var random: @Sendable () -> any RandomNumberGenerator & Sendable

  package init(
    loops: any EventLoopGroup, disk: any Disk, arms: Arms = Arms(), pageCache: PageCache, network: any Network,
    offload: any Offload,
    descriptorsMax: Int, wallMs: @escaping @Sendable () -> Int64,
    random: @escaping @Sendable () -> any RandomNumberGenerator & Sendable
  ) {
    self.loops = loops
    self.disk = disk
    self.arms = arms
    self.pageCache = pageCache
    self.network = network
    self.offload = offload
    self.descriptorsMax = descriptorsMax
    self.wallMs = wallMs
    self.random = random
  }
}

/// The kernel's page cache: says whether sending a file range would wait for the disk, and reads the range ahead.
package struct PageCache: Sendable {
  /// True when some of the range must be read from the disk first. Called on an event loop; must not wait.
  package var isCold: @Sendable (FileRange) -> Bool
  /// Reads the range from the disk into memory. Called on an `Offload` thread; may wait.
  package var warm: @Sendable (FileRange) -> Void

  package init(
    isCold: @escaping @Sendable (FileRange) -> Bool = { $0.isCold },
    warm: @escaping @Sendable (FileRange) -> Void = { $0.warm() }
  ) {
    self.isCold = isCold
    self.warm = warm
  }
}
