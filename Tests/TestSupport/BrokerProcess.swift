package import Glibc

/// `millrace-broker` as a user starts it: a process of its own, with its data in a directory that the test owns.
package final class BrokerProcess {
  package private(set) var pid: pid_t
  /// Where it listens, at 127.0.0.1.
  package let port: UInt16
  package let directory: String
  private let overrides: [String]
  private var isReaped = false

  package struct Failure: Error, CustomStringConvertible {
    package var message: String
    package init(_ message: String) { self.message = message }
    package var description: String { message }
  }

  /// Starts a broker and returns when its log says `started`. Blocks its thread meanwhile.
  ///
  /// - Parameter port: 0 for one the system has free; a broker that is to come back at the same port takes `freePort()`.
  /// - Parameter descriptorsMax: what `ulimit -n` is to the broker, soft and hard; nil leaves it as it is.
  /// - Parameter environment: NAME=value, beside what this process has.
  /// - Parameter inheritsHangup: whether it ignores SIGHUP where this process does.
  package static func start(
    in directory: String, port: UInt16 = 0, _ overrides: [String] = [], descriptorsMax: (soft: Int, hard: Int)? = nil,
    environment: [String] = [], inheritsHangup: Bool = false
  ) throws -> BrokerProcess {
    let properties = "\(directory)/server.properties"
    try "broker.id=1\nlog.dirs=\(directory)/data\nlisteners=PLAINTEXT://127.0.0.1:\(port)\n".write(toFile: properties)
    let pid = try spawn(in: directory, overrides, descriptorsMax, environment, inheritsHangup: inheritsHangup)
    let bound = try waitUntilStarted(pid, directory)
    return BrokerProcess(pid: pid, port: bound, directory: directory, overrides: overrides)
  }

  private init(pid: pid_t, port: UInt16, directory: String, overrides: [String]) {
    self.pid = pid
    self.port = port
    self.directory = directory
    self.overrides = overrides
  }

  deinit { if !isReaped { _ = try? end(by: SIGKILL) } }

  package var address: String { "127.0.0.1:\(port)" }

  // MARK: The end, and what may follow it

  /// Sends a signal, waits for the end and returns the exit code; the negative signal when one ended it.
  @discardableResult
  package func end(by signal: Int32) throws -> Int32 {
    kill(pid, signal)
    return try waitUntilEnded()
  }

  /// Waits for an end that something else brings about; returns as `end`.
  @discardableResult
  package func waitUntilEnded() throws -> Int32 {
    var status: Int32 = 0
    guard waitpid(pid, &status, 0) == pid else { throw Failure("no broker to wait for: \(errnoText)") }
    isReaped = true
    return Self.exitCode(status)
  }

  /// Starts it again, after its end, from what is on the disk.
  package func restart() throws {
    try launch()
    _ = try Self.waitUntilStarted(pid, directory)
  }

  /// As `restart`, without waiting until it has started.
  package func launch() throws {
    precondition(isReaped, "the broker still runs")
    pid = try Self.spawn(in: directory, overrides, nil)
    isReaped = false
  }

  package func logText() throws -> String { try String(readingFile: Self.log(in: directory)) }

  // MARK: Starting

  /// A port that was free a moment ago, below those the kernel gives to connections: while the broker is down, no connection
  /// of anybody can come to sit on it (not even the attempt to connect to it, which then connects to itself).
  package static func freePort() throws -> UInt16 {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<100 {
      let port = UInt16.random(in: 12_000..<32_000, using: &random)
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(descriptor) }
      if RawSocket.atLoopback(port, { bind(descriptor, $0, $1) }) == 0 { return port }
    }
    throw Failure("no free port: \(errnoText)")
  }

  private static func log(in directory: String) -> String { "\(directory)/broker.log" }

  private static func waitUntilStarted(_ pid: pid_t, _ directory: String) throws -> UInt16 {
    for _ in 0..<4000 {
      let text = try String(readingFile: log(in: directory))
      if let port = port(in: text) { return port }
      var status: Int32 = 0
      guard waitpid(pid, &status, WNOHANG) == 0 else {
        throw Failure("the broker ended with \(exitCode(status)): \(text)")
      }
      usleep(5_000)
    }
    kill(pid, SIGKILL)
    var status: Int32 = 0
    waitpid(pid, &status, 0)
    throw Failure("no `started` within 20 s in: \(try String(readingFile: log(in: directory)))")
  }

  private static func exitCode(_ status: Int32) -> Int32 {
    status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F)
  }

  /// Of the line that says `started`.
  private static func port(in log: String) -> UInt16? {
    guard let line = log.split(separator: "\n").first(where: { $0.contains("started") }) else { return nil }
    guard let listeners = line.split(separator: " ").first(where: { $0.hasPrefix("listeners=") }) else { return nil }
    return listeners.split(separator: ":").last.flatMap { UInt16($0) }
  }

  private static func spawn(
    in directory: String, _ overrides: [String], _ descriptorsMax: (soft: Int, hard: Int)?,
    _ environment: [String] = [], inheritsHangup: Bool = false
  ) throws -> pid_t {
    try "".write(toFile: log(in: directory))
    var arguments = ["\(programsDirectory)/millrace-broker", "\(directory)/server.properties"]
    for override in overrides { arguments += ["--override", override] }
    if let descriptorsMax {
      // Sockets of tests that run beside this one would be inherited, and count.
      let closing = #"for fd in /proc/self/fd/*; do n=${fd##*/}; [ "$n" -le 2 ] || eval "exec $n>&-"; done"#
      let limits = "ulimit -Sn \(descriptorsMax.soft); ulimit -Hn \(descriptorsMax.hard)"
      arguments = ["/bin/bash", "-c", "\(closing); \(limits); exec \"$@\"", "bash"] + arguments
    }
    if !environment.isEmpty { arguments = ["/usr/bin/env"] + environment + arguments }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log(in: directory), O_WRONLY | O_APPEND, 0)
    // Tests that `nohup` or a shell's `&` has started ignore some signals, which the broker would inherit.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var reset = sigset_t()
    sigemptyset(&reset)
    for signal in [SIGINT, SIGQUIT, SIGTERM] + (inheritsHangup ? [] : [SIGHUP]) { sigaddset(&reset, signal) }
    posix_spawnattr_setsigdefault(&attributes, &reset)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
    var pid: pid_t = 0
    let strings = arguments.map { strdup($0) } + [nil]
    defer { for string in strings { free(string) } }
    let code = posix_spawn(&pid, arguments[0], &actions, &attributes, strings, environ)
    guard code == 0 else { throw Failure("\(arguments[0]) does not start: \(String(cString: strerror(code)))") }
    return pid
  }

  /// Where the programs are: what `MILLRACE_PROGRAMS` says, else where the tests were built.
  package static var programsDirectory: String {
    if let given = getenv("MILLRACE_PROGRAMS") { return String(cString: given) }
    var bytes = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &bytes, bytes.count)
    let program = String(decoding: bytes.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // Swift Testing may run in SwiftPM's helper; the test bundle is then among the arguments.
    let paths = CommandLine.arguments + [program]
    let bundle = paths.first { $0.hasSuffix(".xctest") } ?? program
    return String(bundle[..<(bundle.lastIndex(of: "/") ?? bundle.startIndex)])
  }
}
