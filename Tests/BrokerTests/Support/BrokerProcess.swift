import Glibc
import Testing

/// `millrace-broker` as a user starts it: a process of its own.
final class BrokerProcess {
  let pid: pid_t
  let port: UInt16
  private let log: String
  private var isReaped = false

  /// Starts and returns when the log says `started`.
  static func start(in directory: String, _ overrides: [String] = []) throws -> BrokerProcess {
    let properties = "\(directory)/server.properties"
    try write("broker.id=1\nlog.dirs=\(directory)/data\nlisteners=PLAINTEXT://127.0.0.1:0\n", to: properties)
    let log = "\(directory)/broker.log"
    try write("", to: log)
    var arguments = ["\(Self.buildDirectory)/millrace-broker", properties]
    for override in overrides { arguments += ["--override", override] }
    let pid = try spawn(arguments, standardError: log)
    for _ in 0..<2000 {
      let text = try read(log)
      if let port = port(in: text) { return BrokerProcess(pid: pid, port: port, log: log) }
      var status: Int32 = 0
      guard waitpid(pid, &status, WNOHANG) == 0 else {
        throw Failure("the broker ended with \(status >> 8 & 0xFF): \(try read(log))")
      }
      usleep(10_000)
    }
    kill(pid, SIGKILL)
    throw Failure("no `started` in \(try read(log))")
  }

  struct Failure: Error {
    var message: String
    init(_ message: String) { self.message = message }
  }

  private init(pid: pid_t, port: UInt16, log: String) {
    self.pid = pid
    self.port = port
    self.log = log
  }

  deinit { if !isReaped { _ = try? end(by: SIGKILL) } }

  /// Sends a signal, waits for the end and returns the exit code; the negative signal when one ended it.
  func end(by signal: Int32) throws -> Int32 {
    kill(pid, signal)
    var status: Int32 = 0
    guard waitpid(pid, &status, 0) == pid else { throw POSIXFailure(code: errno) }
    isReaped = true
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F)
  }

  func logText() throws -> String { try Self.read(log) }

  /// Tests and programs are built into the same directory.
  private static var buildDirectory: String {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = bytes.withUnsafeMutableBytes {
      readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    let program = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    // Swift Testing may run in SwiftPM's helper; the test bundle is then among the arguments.
    let paths = CommandLine.arguments + [program]
    let bundle = paths.first { $0.hasSuffix(".xctest") } ?? program
    return String(bundle[..<(bundle.lastIndex(of: "/") ?? bundle.startIndex)])
  }

  /// Of the line that says `started`.
  private static func port(in log: String) -> UInt16? {
    guard let line = log.split(separator: "\n").first(where: { $0.contains("started") }) else { return nil }
    guard let listeners = line.split(separator: " ").first(where: { $0.hasPrefix("listeners=") }) else { return nil }
    return listeners.split(separator: ":").last.flatMap { UInt16($0) }
  }

  private static func spawn(_ arguments: [String], standardError: String) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, standardError, O_WRONLY | O_APPEND, 0)
    var pid: pid_t = 0
    let strings = arguments.map { strdup($0) } + [nil]
    defer { for string in strings { free(string) } }
    let code = posix_spawn(&pid, arguments[0], &actions, nil, strings, environ)
    guard code == 0 else { throw Failure("\(arguments[0]) does not start: \(String(cString: strerror(code)))") }
    return pid
  }

  private static func write(_ text: String, to path: String) throws {
    guard let file = fopen(path, "w") else { throw POSIXFailure(code: errno) }
    fputs(text, file)
    fclose(file)
  }

  private static func read(_ path: String) throws -> String {
    guard let file = fopen(path, "r") else { throw POSIXFailure(code: errno) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
