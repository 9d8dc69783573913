import Glibc

/// How many files and sockets this process may have open.
enum DescriptorLimit {
  /// Raises the soft limit to the hard one: shells start programs with a soft limit of 1,024 for the sake of `select`, which
  /// this program does not call.
  static func raise() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }

  /// Refuses a limit that a broker of this configuration could not even start with, before anything is made of which a
  /// part would be missing then.
  static func check(_ config: Config, available: Int = current) throws(StartRefusal) {
    let (threads, directories) = (config.numNetworkThreads, config.logDirs.count)
    let needed =
      Limits.descriptorsSpare + threads * Limits.descriptorsPerLoop + directories * Limits.descriptorsPerDirectory
      + config.listeners.count * Limits.descriptorsPerListener
    guard available < needed else { return }
    throw StartRefusal(
      "the process may have \(available) files and sockets open (ulimit -n), and num.network.threads=\(threads) with log.dirs of \(directories) and listeners of \(config.listeners.count) needs at least \(needed): raise the limit"
    )
  }

  static var current: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
    return Int(clamping: limit.rlim_cur)
  }
}
