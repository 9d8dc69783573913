import Base
import Coordination
package import Logging
import NIOCore
import NIOPosix
package import Storage

/// The machine's own clock, threads, disk and network, and their end.
package final class RealWorld: Sendable {
  package let world: World
  private let loops: MultiThreadedEventLoopGroup
  private let acceptor = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let offload: RealOffload

  /// Starts the threads that a node of this configuration needs.
  ///
  /// - Parameters:
  ///   - arms: what the program has besides Kafka's own storage.
  ///   - pageCache: the kernel's, or what stands for it in a test.
  package init(
    _ config: Config, disk: any Disk, arms: Arms = Arms(), pageCache: PageCache = PageCache(), log: Logger
  ) {
    loops = MultiThreadedEventLoopGroup(numberOfThreads: config.numNetworkThreads)
    offload = RealOffload(cleanerThreads: min(config.logCleanerThreads, Limits.cleanerThreadsMax))
    let descriptors = OpenFileLimit.current
    let reserved = DescriptorLimit.reserved(of: descriptors)
    var world = World(
      loops: loops, disk: disk, arms: arms, pageCache: pageCache,
      network: RealNetwork(acceptor: acceptor, log: log), offload: offload,
      descriptorsMax: descriptors, wallMs: Clocks.wallMs, random: { SystemRandomNumberGenerator() })
    world.connectTree = { (servers, sessionTimeoutMs, connectTimeoutMs) throws(ZNodeError) in
      try ZooKeeperTree(
        connect: servers, sessionTimeoutMs: sessionTimeoutMs, connectTimeoutMs: connectTimeoutMs,
        notice: { log.info("ZooKeeper: \($0)") })
    }
    world.refusalsMax = max(1, reserved / Limits.reservedPerRefusal)
    world.hasDescriptors = { DescriptorLimit.isFree(reserving: reserved, of: descriptors) }
    world.processFigures = { ProcessFigures.read() }
    world.writeRequestLog = { RequestLogOutput.write($0) }
    self.world = world
  }

  /// Ends the threads. The nodes in this world must have stopped.
  package func shutdown() {
    try? acceptor.syncShutdownGracefully()
    try? loops.syncShutdownGracefully()
    offload.stop()
  }
}
