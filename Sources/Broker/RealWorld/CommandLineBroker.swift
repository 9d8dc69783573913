import Base
import CMillrace
import Glibc
import Logging
import NIOCore
package import Storage

/// `millrace-broker server.properties [--override key=value]…`: runs a broker until SIGTERM, SIGINT or SIGHUP, then stops it
/// in order.
///
/// With `--check-config` or `--print-config` it does that instead, and changes nothing.
///
/// Exit codes: 0 after an orderly stop, 1 when the broker could not start or would not, 2 for a command line that makes no sense,
/// 74 when what was asked for could not be printed.
///
/// - Parameter arms: what the program has besides Kafka's own storage.
package func exitWithBroker(_ arguments: [String], arms: Arms) -> Never {
  StandardStream.prepare()
  switch BrokerArguments.parse(arguments.dropFirst()) {
  case .show(let text): answer(text + "\n")
  case .invalid(let problem):
    writeError("millrace-broker: \(problem)\n\(BrokerArguments.usage)")
    exit(2)
  case .check(let path, let overrides):
    OpenFileLimit.raise()
    let check = ConfigCheck(path: path, overrides: overrides, arms: arms)
    for warning in check.warnings { writeError("warning: \(warning)") }
    for problem in check.problems { writeError(problem) }
    guard check.problems.isEmpty else { exit(1) }
    answer("\(path): a broker would start\n")
  case .printConfig(let path, let overrides):
    do {
      answer(ConfigTemplate.text(given: try ConfigFile.load(path: path, overrides: overrides).config.given))
    } catch {
      writeError("\(error)")
      exit(1)
    }
  case .run(let path, let overrides):
    exit(runBroker(path: path, overrides: overrides, arms))
  }
}

/// Prints `text` and exits.
private func answer(_ text: String) -> Never {
  StandardStream.output.write(text)
  guard let failure = StandardStream.output.failure else { exit(0) }
  writeError("millrace-broker: \(StandardStream.sentence(failure))")
  exit(StandardStream.exitCode)
}

/// The command line, understood.
enum BrokerArguments: Equatable {
  case run(path: String, overrides: [String])
  case check(path: String, overrides: [String])
  /// - path: nil for the defaults.
  case printConfig(path: String?, overrides: [String])
  case show(String)
  case invalid(String)

  static let version = "millrace-broker \(OwnProgram.version)"
  static let usage = """
    usage: millrace-broker server.properties [--override key=value]...
           millrace-broker --check-config server.properties [--override key=value]...
           millrace-broker --print-config [server.properties] [--override key=value]...

    Starts a broker from a file of Kafka's configuration keys. docs/configuration.md lists the keys.

      --override key=value   set a key over the file's value; may be repeated
      --check-config         say what would keep the broker from starting, and change nothing
      --print-config         print a commented configuration file: every key, with its documentation and default
      --version              print the version
      --help                 print this

    exit code: 0 stopped in order, or a broker would start; 1 the broker could not start, or would not; 2 a command line
               that makes no sense; 74 standard output cannot be written
    """

  static func parse(_ arguments: ArraySlice<String>) -> BrokerArguments {
    var path: String?
    var overrides: [String] = []
    var mode: String?
    var rest = arguments
    while let argument = rest.popFirst() {
      switch argument {
      case "--help", "-h": return .show(usage)
      case "--version": return .show(version)
      case "--check-config", "--print-config":
        guard mode == nil || mode == argument else { return .invalid("--check-config or --print-config, not both") }
        mode = argument
      case "--override":
        guard let value = rest.popFirst() else { return .invalid("--override needs key=value") }
        overrides.append(value)
      case _ where argument.hasPrefix("--override="):
        overrides.append(String(argument.dropFirst("--override=".count)))
      #if DEBUG
      case "--plant":
        guard let name = rest.popFirst(), let fault = PlantedFault.allCases.first(where: { "\($0)" == name }) else {
          return .invalid("--plant needs the name of a fault")
        }
        PlantedFault.plant(fault)
      #endif
      case _ where argument.hasPrefix("-"):
        return .invalid("unknown option \(argument)")
      default:
        guard path == nil else { return .invalid("unexpected argument \(argument): one file is allowed") }
        path = argument
      }
    }
    if mode == "--print-config" { return .printConfig(path: path, overrides: overrides) }
    guard let path else { return .invalid("missing argument: path of server.properties") }
    return mode == nil ? .run(path: path, overrides: overrides) : .check(path: path, overrides: overrides)
  }
}

private func runBroker(path: String, overrides: [String], _ arms: Arms) -> Int32 {
  // Blocked before any thread is made, so that every thread inherits it and only `sigwait` below takes the signals.
  var signals = sigset_t()
  sigemptyset(&signals)
  for (signal, _) in StopSignal.all { sigaddset(&signals, signal) }
  pthread_sigmask(SIG_BLOCK, &signals, nil)
  OpenFileLimit.raise()

  let log = StandardErrorLog.logger("broker")
  let real: RealWorld
  let node: Node
  let running: RunningNode
  do {
    let file = try ConfigFile.load(path: path, overrides: overrides)
    for warning in file.warnings { log.warning("\(warning)") }
    try DescriptorLimit.check(file.config)
    let disk = RealDisk(segmentDescriptors: DescriptorLimit.forSegments(file.config))
    real = RealWorld(file.config, disk: disk, arms: arms, log: log)
    node = Node(real.world, file.config, log: log)
    running = try node.start().wait()
  } catch {
    log.critical("cannot start: \(error)")
    return 1
  }
  let addresses = running.listeners.map { "\($0.name)://\($0.host ?? "0.0.0.0"):\($0.port)" }.joined(separator: ",")
  log.info(
    "started",
    metadata: [
      "listeners": "\(addresses)", "broker": "\(running.broker.brokerID)", "topics": "\(running.broker.topics.count)",
      "ms": "\(ProcessAge.milliseconds())", "descriptors": "\(OpenFileLimit.current)",
    ])
  let notice = ServiceNotice()
  notice.ready(status: "serving \(addresses)")
  running.broker.storageLoss.whenHappened {
    log.critical("no log directory is left that can be used: the broker ends")
    // Nothing can be brought to an order that would be stored.
    _exit(1)
  }
  var signal: Int32 = 0
  sigwait(&signals, &signal)
  log.info("stopping", metadata: ["signal": "\(StopSignal.name(signal))"])
  notice.stopping()
  do { try node.stop().wait() } catch {
    log.error("the stop was not orderly: \(error)")
    return 1
  }
  real.shutdown()
  log.info("stopped")
  return 0
}

/// The signals that stop a broker in order, as they stop Apache Kafka.
enum StopSignal {
  /// SIGHUP is not among them where the caller ignores it, as nohup does: a blocked signal would be taken all the same.
  static let all: [(signal: Int32, name: String)] =
    [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT")] + (millrace_ignores(SIGHUP) != 0 ? [] : [(SIGHUP, "SIGHUP")])

  static func name(_ signal: Int32) -> String { all.first { $0.signal == signal }?.name ?? "\(signal)" }
}

private func writeError(_ text: String) {
  StandardStream.error.write(text + "\n")
}

/// The time since the process began.
enum ProcessAge {
  /// Returns the kernel's figure, in steps of a hundredth of a second; -1 where /proc does not say.
  static func milliseconds() -> Int64 {
    guard let file = fopen("/proc/self/stat", "r") else { return -1 }
    defer { fclose(file) }
    var bytes = [CChar](repeating: 0, count: 1024)
    guard fgets(&bytes, Int32(bytes.count), file) != nil else { return -1 }
    let line = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // The name, in parentheses, may hold spaces; the start time is the 20th field behind it.
    guard let close = line.lastIndex(of: ")") else { return -1 }
    let fields = line[line.index(after: close)...].split(separator: " ")
    guard fields.count > 19, let started = Int64(fields[19]) else { return -1 }
    let ticksMs = 1000 / Int64(sysconf(Int32(_SC_CLK_TCK)))
    return Clocks.bootMs() - started * ticksMs
  }
}
