import Experiment

/// Runs through a cluster of their own.
extension ProcessRunner {
  /// ZooKeeper and the brokers, with the arm's settings and its links.
  func startCluster(
    _ scene: Scene, _ through: Arm.Broker, brokers level: Level
  ) throws(RunError) -> ClusterUnderTest {
    guard let brokers = scene.values.number(level.text).flatMap({ Int(exactly: $0) }) else {
      throw .failed("cluster `\(level)` is no number of brokers")
    }
    var links: ClusterUnderTest.Links?
    if let rate = through.network.linkMbitPerS {
      guard let mbitPerSecond = scene.values.number(rate.text) else {
        throw .failed("link_mbit_per_s `\(rate)` is no number")
      }
      if mbitPerSecond > 0 {
        links = ClusterUnderTest.Links(mbitPerSecond: mbitPerSecond, clients: through.network.links)
      }
    }
    return try ClusterUnderTest(
      brokers: brokers, program: programs.broker, directory: scene.directory,
      settings: scene.values.filled(through.settings), links: links, stopRequested: stopRequested)
  }

  /// How many copies of each byte the arm's brokers keep.
  func replicas(of scene: Scene) -> Double {
    guard scene.arm.broker?.cluster != nil else { return 1 }
    let options = scene.values.filled(scene.arm.options + (scene.arm.broker?.phases.fill ?? []))
    return options.first { $0.name == "replication-factor" }?.value.number ?? 1
  }
}
