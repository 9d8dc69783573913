import Experiment
import Foundation
import Glibc
import Results

/// A broker under test, started from a `server.properties` of its own and stopped gracefully.
package final class BrokerProcess {
  package enum Limits {
    static let startSeconds = 20.0
    /// How finely the start is measured.
    static let startPollMs = 1
    /// A clean stop syncs the logs, which takes as long as the disk needs for what is dirty.
    static let stopSeconds = 60.0
  }

  /// Where it listens, and what stands between it and its clients.
  struct Place: Sendable, Equatable {
    var host = "127.0.0.1"
    /// Nil: any that is free.
    var port: Int?
    /// The `HOST:PORT` that clients are told; nil: where it listens.
    var advertised: String?
    /// The file of the network namespace it runs in.
    var network: String?
  }

  package let port: Int
  package let directory: String
  /// From the start of the process to its word that it accepts connections, seconds.
  package let startSeconds: Double
  private let child: ChildProcess

  package var pid: Int32 { child.pid }
  /// As clients reach it.
  package let address: String

  /// Returns when the broker accepts connections. `data` is its log directory; logs and properties go to `directory`.
  init(
    program: String, directory: String, data: String, settings: [Setting], procs: String?, at place: Place = Place(),
    stopRequested: () -> Bool
  ) throws(RunError) {
    if let given = place.port { port = given } else { port = try Self.freePort() }
    address = place.advertised ?? "\(place.host):\(port)"
    self.directory = directory
    let own = [
      Setting(name: "broker.id", value: "0"),
      Setting(name: "listeners", value: Level("PLAINTEXT://\(place.host):\(port)")),
      Setting(name: "advertised.listeners", value: Level("PLAINTEXT://\(address)")),
      Setting(name: "log.dirs", value: Level(data)),
      Setting(name: "num.partitions", value: "1"),
    ]
    let text = (own + settings).map { "\($0.name)=\($0.value)\n" }.joined()
    let properties = "\(directory)/server.properties"
    let errors = "\(directory)/broker.log"
    let start: Double
    do {
      try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
      try SmallFile.replace(properties, text)
      start = Uptime.seconds
      child = try ChildProcess(
        program: program, arguments: [properties], outPath: "\(directory)/broker.out", errPath: errors, procs: procs,
        network: place.network)
    } catch {
      throw .failed("\(error)")
    }
    let deadline = start + Limits.startSeconds
    while !(SmallFile.read(errors) ?? "").contains("started") {
      if let end = child.poll() { throw .failed("the broker ended with \(end): \(Self.lastLine(errors))") }
      if stopRequested() { throw .interrupted }
      guard Uptime.seconds < deadline else {
        throw .failed("the broker did not start within \(Int(Limits.startSeconds)) s: \(Self.lastLine(errors))")
      }
      Uptime.nap(milliseconds: Limits.startPollMs)
    }
    startSeconds = Uptime.seconds - start
  }

  /// Nil while it runs.
  package var end: ChildProcess.End? { child.poll() }

  /// Throws when it did not end with exit code 0.
  package func stop() throws(RunError) {
    let end = child.stop(grace: Limits.stopSeconds)
    guard end == .exited(0) else {
      throw .failed("the broker stopped with \(end): \(Self.lastLine("\(directory)/broker.log"))")
    }
  }

  /// The line of its log that says why it ended: the last, or the fatal one before a backtrace.
  package var lastWord: String { Self.lastLine("\(directory)/broker.log") }

  static func lastLine(_ path: String) -> String {
    let lines = (SmallFile.read(path) ?? "").split(separator: "\n")
    let last = lines.last { $0.contains("Fatal") } ?? lines.last
    return last.map { String($0.prefix(300)) } ?? "no output"
  }

  /// A port that was free a moment ago: bound to, read, and given back.
  static func freePort() throws(RunError) -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw .failed("no socket: \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(descriptor, generic, length) == 0 && getsockname(descriptor, generic, &length) == 0
      }
    }
    guard bound else { throw .failed("no free port: \(String(cString: strerror(errno)))") }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}
