import Experiment
import Foundation
import Results

/// What a driver asks for, with the places of one start filled in: files written, commands run, programs started.
struct BrokerStart {
  enum Limits {
    /// Of a command before the start, and of a companion until it accepts connections.
    static let commandSeconds = 60.0
    static let companionSeconds = 60.0
    static let companionStopSeconds = 20.0
    static let pollMs = 2
  }

  let driver: BrokerDriver
  /// Of the run.
  let directory: String
  let procs: String?
  let network: String?
  let stopRequested: () -> Bool
  private let values: [String: Level]

  /// - Parameter data: made where it is missing.
  init(
    _ broker: BrokerUnderTest, programs: ProcessRunner.Programs, directory: String, data: String, host: String,
    port: Int, advertised: String, procs: String?, network: String?, stopRequested: @escaping () -> Bool
  ) throws(RunError) {
    driver = broker.driver
    self.directory = directory
    self.procs = procs
    self.network = network
    self.stopRequested = stopRequested
    // Absolute, for scripts like to change their directory.
    func absolute(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.path }
    let places: [(BrokerDriver.Place, String)] = [
      (.host, host), (.port, String(port)), (.advertised, advertised), (.data, absolute(data)),
      (.run, absolute(directory)),
      (.directory, broker.directory ?? programs.directory), (.clusterID, Self.clusterID),
    ]
    var values: [String: Level] = [:]
    for (place, text) in places { values[place.rawValue] = Level(text) }
    let names = broker.driver.freePorts
    for (name, free) in zip(names, try ListeningPort.free(count: names.count, besides: port)) {
      values[name] = Level(String(free))
    }
    self.values = values
    try Self.failing { try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true) }
  }

  /// `millrace-versus-` as KRaft writes a cluster's id: every run has data of its own, so the same id serves all.
  private static let clusterID = "bWlsbHJhY2UtdmVyc3VzLQ"

  private static func failing<Value>(_ body: () throws -> Value) throws(RunError) -> Value {
    do { return try body() } catch { throw .failed("\(error)") }
  }

  /// - Throws: where a placeholder has no value, which the driver's own check leaves none of.
  private func filled(_ text: String) throws(RunError) -> String {
    guard let filled = Placeholder.fill(text, from: values) else {
      throw .failed("the driver of \(driver.name) has a placeholder without a value in: \(text)")
    }
    return filled
  }

  private func filled(_ words: [String]) throws(RunError) -> [String] {
    var filled: [String] = []
    for word in words { filled.append(try self.filled(word)) }
    return filled
  }

  func writeFiles(_ settings: [Setting]) throws(RunError) {
    for file in driver.files {
      var text = try filled(file.text)
      if file.name == driver.settings.file {
        text += driver.passed(settings).map { "\($0.name)=\($0.value)\n" }.joined()
      }
      let (path, content) = ("\(directory)/\(file.name)", text)
      try Self.failing { try SmallFile.replace(path, content) }
    }
  }

  /// To their ends, in order.
  func runCommands() throws(RunError) {
    for (place, command) in driver.before.enumerated() {
      let log = "\(directory)/before-\(place).log"
      let child = try start(command, out: "\(log).out", log: log)
      let deadline = Uptime.seconds + Limits.commandSeconds
      while child.poll() == nil, Uptime.seconds < deadline {
        if stopRequested() { throw .interrupted }
        Uptime.nap(milliseconds: Limits.pollMs)
      }
      let words = command.first ?? ""
      guard let end = child.poll() else {
        throw .failed("\(words) did not end within \(Int(Limits.commandSeconds)) s")
      }
      guard end == .exited(0) else { throw .failed("\(words) ended with \(end): \(lastWord(log, "\(log).out"))") }
    }
  }

  /// Each ready before the next is started.
  func startCompanions() throws(RunError) -> [ChildProcess] {
    var started: [ChildProcess] = []
    for companion in driver.companions {
      let log = "\(directory)/\(companion.name).log"
      let child = try start(companion.command, out: "\(log).out", log: log)
      started.append(child)
      let port = Int(try filled(companion.port)) ?? 0
      let deadline = Uptime.seconds + Limits.companionSeconds
      // Behind a link its port is not in our table: the broker waits for it by itself.
      while network == nil, !ListeningPort.isOpen(port) {
        if let end = child.poll() {
          throw .failed("\(companion.name) ended with \(end): \(lastWord(log, "\(log).out"))")
        }
        if stopRequested() { throw .interrupted }
        guard Uptime.seconds < deadline else {
          throw .failed("\(companion.name) does not listen at \(port): \(lastWord(log, "\(log).out"))")
        }
        Uptime.nap(milliseconds: Limits.pollMs)
      }
    }
    return started
  }

  func startBroker(out: String, log: String) throws(RunError) -> ChildProcess {
    try start(driver.command, out: out, log: log)
  }

  private func start(_ command: [String], out: String, log: String) throws(RunError) -> ChildProcess {
    var words = try filled(command)
    if !driver.environment.isEmpty {
      var assignments: [String] = []
      for (name, value) in driver.environment.sorted(by: { $0.key < $1.key }) {
        assignments.append("\(name)=\(try filled(value))")
      }
      words = ["/usr/bin/env"] + assignments + words
    }
    guard let name = words.first, let program = name.contains("/") ? name : Tool.path(of: name) else {
      throw .failed("\(words.first ?? "the broker's program") is not on the PATH")
    }
    let arguments = Array(words.dropFirst())
    return try Self.failing {
      try ChildProcess(
        program: program, arguments: arguments, outPath: out, errPath: log, procs: procs, network: network)
    }
  }

  private func lastWord(_ files: String...) -> String { BrokerProcess.lastWord(of: files) }
}

extension ProcessRunner.Programs {
  /// Where Millrace's own broker is.
  var directory: String {
    broker.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
  }
}
