import Base
import Glibc
import Storage
import StorageArms
import TestSupport
import Testing

@testable import Broker

/// `millrace-broker --check-config`.
@Suite("A check of the configuration", .serialized)
struct ConfigCheckTests {
  private func check(_ directory: String, _ lines: [String], _ overrides: [String] = []) throws -> ConfigCheck {
    let path = "\(directory)/server.properties"
    try (lines.joined(separator: "\n") + "\n").write(toFile: path)
    return ConfigCheck(path: path, overrides: overrides, arms: .all)
  }

  @Test("finds nothing wrong with a new broker, and makes nothing")
  func new() throws {
    try withDirectory { directory in
      let found = try check(directory, ["log.dirs=\(directory)/a/b", "listeners=PLAINTEXT://127.0.0.1:0"])
      #expect(found.problems.isEmpty && found.warnings.isEmpty, "\(found)")
      #expect(try directoryNames(directory) == ["server.properties"])
    }
  }

  @Test("names every value that is not allowed with its line, and values that contradict each other")
  func lines() throws {
    try withDirectory { directory in
      let path = "\(directory)/server.properties"
      let found = try check(
        directory, ["# comment", "num.network.threads=none", "", "log.dirs=\(directory)/d", "num.partitions=0"])
      #expect(found.problems.count == 2)
      #expect(found.problems.contains { $0.hasPrefix("\(path):2: ") && $0.contains("num.network.threads") })
      #expect(found.problems.contains { $0.hasPrefix("\(path):5: ") && $0.contains("num.partitions") })
      let contradicting = try check(directory, ["broker.id=1", "node.id=2"])
      #expect(contradicting.problems.first?.hasPrefix("\(path):2: node.id is 2, but broker.id is 1") == true)
      let unknown = try check(
        directory, ["log.dirs=\(directory)/d", "listners=PLAINTEXT://:0"], ["listeners=PLAINTEXT://:0"])
      #expect(unknown.problems.isEmpty && unknown.warnings.count == 1, "\(unknown)")
      #expect(unknown.warnings.first?.contains("did you mean listeners?") == true)
    }
  }

  @Test("finds what the directories of a broker that has run would refuse, and leaves every byte as it is")
  func directories() throws {
    try withDirectory { directory in
      let broker = try BrokerProcess.start(in: directory)
      try TestClient(port: broker.port).createTopic("t", partitions: 3)
      let running = try check(
        directory, ["broker.id=1", "log.dirs=\(directory)/data", "listeners=PLAINTEXT://\(broker.address)"])
      #expect(running.problems.isEmpty, "\(running.problems)")
      #expect(running.warnings.contains { $0.contains("is in use") }, "\(running.warnings)")
      #expect(try broker.end(by: SIGTERM) == 0)

      let before = try contents(of: "\(directory)/data")
      let same = try check(directory, ["log.dirs=\(directory)/data", "listeners=PLAINTEXT://127.0.0.1:0"])
      #expect(same.problems.isEmpty && same.warnings.isEmpty, "\(same)")
      let other = try check(
        directory, ["broker.id=2", "log.dirs=\(directory)/data", "listeners=PLAINTEXT://127.0.0.1:0"])
      #expect(other.problems.first?.contains("broker.id is 2, but the log directories are those of broker 1") == true)
      let engine = try check(
        directory, ["log.dirs=\(directory)/data", "listeners=PLAINTEXT://127.0.0.1:0", "millrace.log.engine=btree"])
      #expect(
        engine.problems.first?.hasPrefix("\(directory)/server.properties:1: ") == true
          && engine.problems.first?.contains("millrace.log.engine=append") == true, "\(engine.problems)")
      #expect(try contents(of: "\(directory)/data") == before)
    }
  }

  @Test("finds an address that is not this machine's, and a directory that is a file")
  func places() throws {
    try withDirectory { directory in
      let found = try check(
        directory, ["log.dirs=\(directory)/server.properties", "listeners=PLAINTEXT://192.0.2.1:9092"])
      #expect(found.problems.count == 2, "\(found)")
      #expect(
        found.problems.contains { $0.hasPrefix("\(directory)/server.properties:2: ") && $0.contains("192.0.2.1") })
    }
  }

  @Test("finds a directory that this user may not write to")
  func permission() throws {
    try withDirectory { directory in
      let disk = TrialDisk(mayWrite: { !$0.hasPrefix("\(directory)/data") })
      #expect(mkdir("\(directory)/data", 0o755) == 0)
      let path = "\(directory)/server.properties"
      try "log.dirs=\(directory)/data\nlisteners=PLAINTEXT://127.0.0.1:0\n".write(toFile: path)
      let found = ConfigCheck(path: path, overrides: [], arms: .all, disk: disk)
      #expect(found.problems.first?.contains("Permission denied") == true, "\(found)")
    }
  }

  @Test("is a program that exits with 0 or 1, and says which problem is where")
  func program() throws {
    #expect(BrokerArguments.parse(["--check-config", "f"]) == .check(path: "f", overrides: []))
    #expect(BrokerArguments.parse(["--print-config"]) == .printConfig(path: nil, overrides: []))
    #expect(
      BrokerArguments.parse(["--check-config", "--print-config", "f"])
        == .invalid("--check-config or --print-config, not both"))
    #expect(BrokerArguments.parse(["--check-config"]) == .invalid("missing argument: path of server.properties"))
  }

  /// Every file below `path`, with its bytes.
  private func contents(of path: String) throws -> [String: [UInt8]] {
    let disk = RealDisk()
    guard try disk.info(path)?.isDirectory == true else { return [path: try disk.contents(of: path) ?? []] }
    return try disk.names(in: path).reduce(into: [path: []]) { found, name in
      found.merge(try contents(of: "\(path)/\(name)")) { $1 }
    }
  }
}
