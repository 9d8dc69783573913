import Foundation
import Glibc
import TestSupport

/// Hosts with a network between them, all on this machine: a bridge on which this one has an address, and for each other host a network
/// namespace with a cable to it. Needs root; all of it goes with its owner.
final class TestHosts: Sendable {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// What this machine lacks; nil where nothing is missing.
  static let obstacle: String? = {
    guard geteuid() == 0 else { return "network namespaces need root" }
    guard let run = try? TestHosts.run(["link", "show"]), run else { return "needs `ip` (Debian's iproute2)" }
    let probe = "mrp\(getpid())"
    guard (try? TestHosts.run(["netns", "add", probe])) == true else { return "network namespaces cannot be made here" }
    _ = try? TestHosts.run(["netns", "delete", probe])
    return nil
  }()

  /// Of this host, on the bridge.
  let address: String
  private let bridge: String
  private let names: [String]

  init(_ names: [String]) throws {
    // Of the process, so that several test runs on a machine do not meet: 10.80 to 10.95, and a third number.
    let (second, third) = (80 + Int(getpid() / 250) % 16, Int(getpid()) % 250)
    let subnet = "10.\(second).\(third)"
    (address, bridge, self.names) = ("\(subnet).254", "mrt\(getpid())", names)
    try ip("link", "add", bridge, "type", "bridge")
    try ip("address", "add", "\(address)/24", "dev", bridge)
    try ip("link", "set", bridge, "up")
    for (index, name) in names.enumerated() {
      try ip("netns", "add", namespace(name))
      try ip("link", "add", cable(name), "type", "veth", "peer", "name", "eth0", "netns", namespace(name))
      try ip("link", "set", cable(name), "master", bridge)
      try ip("link", "set", cable(name), "up")
      try ip("-n", namespace(name), "address", "add", "\(subnet).\(index + 1)/24", "dev", "eth0")
      for interface in ["lo", "eth0"] { try ip("-n", namespace(name), "link", "set", interface, "up") }
    }
  }

  deinit {
    for name in names {
      _ = try? Self.run(["netns", "delete", namespace(name)])
      _ = try? Self.run(["link", "delete", cable(name)])
    }
    _ = try? Self.run(["link", "delete", bridge])
  }

  private func namespace(_ name: String) -> String { "\(bridge)-\(name)" }
  private func cable(_ name: String) -> String { "\(bridge)\(name)" }

  /// Starts `millrace-load` on a host.
  func start(load arguments: [String], on name: String) throws -> Running {
    let program = Programs.directory.appendingPathComponent("millrace-load").path
    return try Running(command: "/usr/bin/env", ["ip", "netns", "exec", namespace(name), program] + arguments)
  }

  /// Pulls a host's cable: what it sends and what is sent to it is lost.
  func pull(_ name: String) throws { try ip("link", "set", cable(name), "down") }

  private func ip(_ arguments: String...) throws {
    guard try Self.run(arguments) else { throw Failure(description: "ip \(arguments.joined(separator: " ")) failed") }
  }

  /// Returns whether it succeeded.
  private static func run(_ arguments: [String]) throws -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["ip"] + arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}
