import Base
import Coordination
import Glibc
import Model
import Security
import Storage

/// Tries what a start with a configuration would find, and changes nothing (`millrace-broker --check-config`).
///
/// It reads the configuration, the limit of open files, the log directories and, where the broker keeps it, the z-node tree, and decides as
/// a start does, on a `TrialDisk`. It binds each listener's address for a moment, without listening. It does not connect to ZooKeeper, and
/// reads no log.
struct ConfigCheck {
  /// Each of these keeps the broker from starting: with the file and line where the key in question was given.
  private(set) var problems: [String] = []
  /// The broker starts all the same.
  private(set) var warnings: [String] = []

  /// - Parameter arms: what the program has besides Kafka's own storage.
  init(path: String, overrides: [String], arms: Arms, disk: any Disk = TrialDisk()) {
    let file: ConfigFile
    do throws(ConfigError) { file = try ConfigFile.load(path: path, overrides: overrides) } catch {
      problems = error.problems
      return
    }
    warnings = file.warnings
    let config = file.config
    do throws(StartRefusal) { try DescriptorLimit.check(config) } catch {
      problems.append(file.placing("num.network.threads", "\(error)"))
    }
    checkDirectories(file, Self.trial(arms, disk), disk)
    for listener in config.listeners { checkAddress(listener, "listeners", file) }
    for listener in config.listeners where listener.security != .plaintext { checkDoor(listener, file) }
    if let listener = config.metricsListener { checkAddress(listener, "millrace.metrics.listener", file) }
  }

  /// The same arms, whose files are those of the trial.
  private static func trial(_ arms: Arms, _ disk: any Disk) -> Arms {
    var trial = arms
    if arms.files != nil {
      trial.files = { _, _, _ throws(DiskError) in Arms.SwitchedFiles(disk: disk, cache: nil) }
    }
    return trial
  }

  // MARK: Directories

  private mutating func checkDirectories(_ file: ConfigFile, _ arms: Arms, _ disk: any Disk) {
    let config = file.config
    let key = config.given["log.dirs"] == nil ? "log.dir" : "log.dirs"
    do {
      let directories = try LogDirectories(config, disk: disk, arms: arms)
      for report in directories.reports {
        guard let failure = report.failure else { continue }
        warnings.append(file.placing(key, "\(report.path) cannot be used, and would be offline: \(failure)"))
      }
      for directory in directories.all {
        for (_, damage) in directory.damaged { warnings.append("\(damage): it would be read as empty") }
      }
      let check = StartCheck(reports: directories.reports)
      let before = ElectedController.Identity(
        brokerID: check.identity?.brokerID, clusterID: check.identity?.clusterID)
      guard config.zooKeeperConnect?.isEmpty ?? true else {
        try check.checkDirectories()
        _ = try ElectedController.knownID(config, before: before.brokerID)
        return
      }
      let tree = try EmbeddedTree(disk: disk, directory: try check.journalDirectory(), now: Clocks.wallMs)
      defer { tree.close() }
      let elected = try ElectedController(
        tree: tree, config: config, before: before, nowMs: Clocks.wallMs(), random: SplitMix(seed: 1),
        accept: check.checkOwner)
      let plan = try directories.accept(elected, check, random: SplitMix(seed: 1))
      tell(plan)
    } catch let error as LogDirectoryError {
      problems.append(file.placing(key, Self.sentence(error)))
    } catch let error as ZNodeError {
      problems.append(file.placing(key, "\(StartRefusal(error))"))
    } catch {
      problems.append(file.placing(key, "\(error)"))
    }
  }

  private static func sentence(_ error: LogDirectoryError) -> String {
    if case .disk(let cause) = error { return "\(StartRefusal(cause))" }
    return "\(error)"
  }

  private mutating func tell(_ plan: StartPlan) {
    guard !plan.offline.isEmpty else { return }
    let shown = plan.offline.prefix(Limits.namesInSentence).map(\.description).joined(separator: ", ")
    let more = plan.offline.count - Limits.namesInSentence
    warnings.append("these partitions would be offline: \(shown)\(more > 0 ? " and \(more) more" : "")")
  }

  // MARK: Listeners

  /// Reads what a secured listener needs: its key and trust stores, its key set of tokens, its rules.
  private mutating func checkDoor(_ listener: Listener, _ file: ConfigFile) {
    do {
      _ = try ListenerDoor(
        listener, file.config, wallMs: Clocks.wallMs, random: SplitMix(seed: 1), credential: { _, _ in nil })
    } catch {
      problems.append(file.placing("listeners", "\(listener.name): \(error)"))
    }
  }

  /// Binds the address of a listener and lets it go again: another process may have it, and the machine may not have it at all.
  private mutating func checkAddress(_ listener: Listener, _ key: String, _ file: ConfigFile) {
    switch AddressTrial.bind(host: listener.host, port: listener.port) {
    case nil: return
    case .some(.inUse):
      warnings.append(
        file.placing(
          key,
          "\(listener) is in use, perhaps by the broker that runs with this configuration: another cannot start"))
    case .some(.refused(let reason)):
      problems.append(file.placing(key, "\(listener) cannot be listened on: \(reason)"))
    }
  }
}

extension ConfigFile {
  /// The sentence behind the place where the key was given; alone where it has its default.
  func placing(_ key: String, _ sentence: String) -> String {
    places[key].map { "\($0): \(sentence)" } ?? sentence
  }
}

/// Whether an address of this machine can be listened on.
enum AddressTrial {
  enum Refusal: Equatable {
    case inUse
    /// The system's words.
    case refused(String)
  }

  /// Returns nil when the address can be bound; it has been released again. Never listens, so that no client gets in.
  static func bind(host: String?, port: UInt16) -> Refusal? {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    hints.ai_family = host == nil ? AF_INET : AF_UNSPEC
    var found: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, "\(port)", &hints, &found)
    guard code == 0, let first = found else { return .refused(String(cString: gai_strerror(code))) }
    defer { freeaddrinfo(first) }
    let descriptor = socket(first.pointee.ai_family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return .refused(String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var yes: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    guard Glibc.bind(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) != 0 else { return nil }
    return errno == EADDRINUSE ? .inUse : .refused(String(cString: strerror(errno)))
  }
}
