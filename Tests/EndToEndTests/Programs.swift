import Foundation
import TestSupport
import Testing

/// The programs as a user runs them: processes from the directory that `MILLRACE_PROGRAMS` names, else from that of the tests.
enum Programs {
  static let directory = URL(fileURLWithPath: BrokerProcess.programsDirectory)

  struct Outcome {
    var status: Int32
    var output: String
    var errors: String

    /// The last line of standard output, as `--json` prints it.
    func json() throws -> [String: Any] {
      let last = output.split(separator: "\n").last.map(String.init) ?? ""
      let object = try? JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any]
      return try #require(object, "no JSON in the last line of: \(output)\n\(errors)")
    }
  }

  /// Runs `millrace-load` to its end. The plan must have one: `arguments` bound it.
  static func load(_ arguments: [String]) async throws -> Outcome {
    try await started(load: arguments).outcome()
  }

  /// - Parameter descriptorsMax: what `ulimit -n` is to it; nil leaves it as it is.
  static func started(load arguments: [String], descriptorsMax: Int? = nil) throws -> Running {
    try Running("millrace-load", arguments, descriptorsMax: descriptorsMax)
  }
}

/// A process and what it printed.
final class Running: Sendable {
  private let process = Process()
  private let output: URL
  private let errors: URL

  convenience init(_ program: String, _ arguments: [String], descriptorsMax: Int? = nil) throws {
    let path = Programs.directory.appendingPathComponent(program).path
    if let descriptorsMax {
      let limited = ["-c", "ulimit -n \(descriptorsMax) && exec \"$0\" \"$@\"", path] + arguments
      try self.init(command: "/bin/sh", limited)
    } else {
      try self.init(command: path, arguments)
    }
  }

  /// - Parameter command: a program by its path.
  init(command: String, _ arguments: [String]) throws {
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-\(UUID().uuidString)")
    output = scratch.appendingPathExtension("out")
    errors = scratch.appendingPathExtension("err")
    for file in [output, errors] { try Data().write(to: file) }
    process.executableURL = URL(fileURLWithPath: command)
    process.arguments = arguments
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
  }

  var pid: Int32 { process.processIdentifier }

  func outcome() async throws -> Programs.Outcome {
    await withCheckedContinuation { done in
      DispatchQueue.global().async {
        self.process.waitUntilExit()
        done.resume()
      }
    }
    defer { for file in [output, errors] { try? FileManager.default.removeItem(at: file) } }
    return Programs.Outcome(
      status: process.terminationStatus, output: String(decoding: try Data(contentsOf: output), as: UTF8.self),
      errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
  }

  var printed: String { (try? String(contentsOf: errors, encoding: .utf8)) ?? "" }

  var isRunning: Bool { process.isRunning }

  func send(_ number: Int32) { kill(pid, number) }

  /// Looks every 20 ms until `condition` holds, which only a process can make true; fails when this one has ended before,
  /// and after a minute.
  func wait(until condition: () -> Bool) async throws {
    for _ in 0..<3000 where !condition() {
      try #require(isRunning, "the process ended: \(printed)")
      try await Task.sleep(for: .milliseconds(20))
    }
    try #require(condition(), "not within a minute: \(printed)")
  }
}

/// Runs `body` with a broker in a directory that goes away afterwards; the broker must survive it, and stop in order.
func withBroker(_ overrides: [String] = [], _ body: (BrokerProcess) async throws -> Void) async throws {
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("millrace-e2e-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: directory) }
  let broker = try BrokerProcess.start(in: directory.path, port: BrokerProcess.freePort(), overrides)
  try await body(broker)
  let status = try broker.end(by: SIGTERM)
  let log = try broker.logText()
  #expect(status == 0, "\(log)")
}

extension BrokerProcess {
  /// kill -9, and a start from what is on the disk.
  func crashAndRestart() throws {
    try end(by: SIGKILL)
    try restart()
  }

  /// Waits until the logs hold so much; fails when `producer` has ended before.
  func waitUntilStored(bytes: Int, by producer: Running) async throws {
    try await producer.wait { self.storedBytes >= bytes }
  }

  private var storedBytes: Int {
    let data = URL(fileURLWithPath: directory).appendingPathComponent("data")
    let files = FileManager.default.enumerator(at: data, includingPropertiesForKeys: [.fileSizeKey])
    return (files?.allObjects ?? []).reduce(0) { sum, file in
      guard let file = file as? URL, file.pathExtension == "log" else { return sum }
      return sum + ((try? file.resourceValues(forKeys: [.fileSizeKey]).fileSize) ?? 0)
    }
  }
}
