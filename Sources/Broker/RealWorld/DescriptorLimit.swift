import Base
import Glibc
import Storage

/// What a broker does with the files and sockets that its process may have open (`OpenFileLimit`).
enum DescriptorLimit {
  /// Refuses a limit that a broker of this configuration could not even start with, before anything is made of which a
  /// part would be missing then.
  static func check(_ config: Config, available: Int = OpenFileLimit.current) throws(StartRefusal) {
    let (threads, directories) = (config.numNetworkThreads, config.logDirs.count)
    let needed = needed(by: config)
    guard available < needed else { return }
    throw StartRefusal(
      "the process may have \(available) files and sockets open (ulimit -n), and num.network.threads=\(threads) with log.dirs of \(directories) and listeners of \(config.listeners.count) needs at least \(needed): raise the limit"
    )
  }

  /// How many a broker of this configuration has open without logs and connections: one event loop more than `num.network.threads` has the listening
  /// sockets.
  private static func needed(by config: Config) -> Int {
    Limits.descriptorsSpare + (config.numNetworkThreads + 1) * Limits.descriptorsPerLoop
      + config.logDirs.count * Limits.descriptorsPerDirectory + config.listeners.count * Limits.descriptorsPerListener
      + (config.metricsListener == nil ? 0 : Limits.descriptorsPerListener + Limits.metricsConnections)
  }

  /// What segments may keep of `all` descriptors. New logs are made up to half of them. Segments that are rolled, and logs that
  /// were made when the limit was higher, may take more, but leave as many to connections as are reserved.
  ///
  /// Worked case: of 128, a broker with three network threads needs 33, and 16 are reserved. Logs are made until segments keep
  /// 63, and may roll no further then; and 16 connections find a descriptor even then.
  static func forSegments(_ config: Config, of all: Int = OpenFileLimit.current) -> SegmentDescriptors {
    let reserved = reserved(of: all)
    let most = max(1, all - 2 * reserved - needed(by: config))
    return SegmentDescriptors(end: all - reserved, max: most, maxForNewLog: min(most, all / 2))
  }

  /// How many of `all` descriptors neither connections nor segments may take.
  static func reserved(of all: Int) -> Int { min(Limits.descriptorsReserved, all / 8) }

  /// True when the process can open one more file or socket, and `reserved` beside: the system gives each the lowest number
  /// that is free.
  static func isFree(reserving reserved: Int, of all: Int) -> Bool {
    let probe = open("/dev/null", O_RDONLY | O_CLOEXEC)
    guard probe >= 0 else { return false }
    close(probe)
    return Int(probe) < all - reserved
  }
}
