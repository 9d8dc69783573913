import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Results

@Suite("Drivers of brokers")
struct BrokerDriverTests {
  private static let yaml = """
    name: other
    label: Another broker
    needs: [bin/start]
    version: {file: "lib/other-{version}.jar"}
    files:
      - name: broker.properties
        text: |
          listen={host}:{port}
          admin={port_admin}
    settings:
      file: broker.properties
      except: [millrace.]
      kernel: {millrace.congestion.control: net.ipv4.tcp_congestion_control}
    before:
      - command: ["{directory}/bin/format", "{cluster_id}"]
    companions:
      - {name: keeper, command: ["{directory}/bin/keeper", "{port_keeper}"], port: "{port_keeper}"}
    command: ["{directory}/bin/start", "{run}/broker.properties"]
    environment: {LOG_DIR: "{run}/logs"}
    says: is up
    stop: {signal: INT, grace_seconds: 5, exit_codes: [0, 130]}
    segments: "{topic}-*/*.log"

    """

  private func driver(_ change: (String) -> String = { $0 }) throws -> BrokerDriver {
    try BrokerDriver(file: "other.yaml", yaml: change(Self.yaml))
  }

  @Test("a driver reads back what it says")
  func reads() throws {
    let driver = try driver()
    #expect(driver.files == [.init(name: "broker.properties", text: "listen={host}:{port}\nadmin={port_admin}\n")])
    #expect(driver.before == [["{directory}/bin/format", "{cluster_id}"]])
    #expect(driver.companions.map(\.port) == ["{port_keeper}"])
    #expect(driver.freePorts == ["port_admin", "port_keeper"])
    #expect(driver.stop == .init(signal: .int, graceSeconds: 5, exitCodes: [0, 130], maySignal: false))
    #expect(!driver.isInMemory && driver.says == "is up" && driver.environment == ["LOG_DIR": "{run}/logs"])
  }

  @Test(
    "what a driver cannot mean is an error with its line and, where there is one, the word that was meant",
    arguments: [
      ("needs:", "neds:", 3, "needs"), ("grace_seconds", "grace_second", 21, "grace_seconds"),
      ("{host}:", "{hots}:", 8, "host"), ("signal: INT", "signal: TRM", 21, "TERM"),
      ("file: broker.properties", "file: broker.propertis", 11, "broker.properties"),
      ("{run}/logs", "{rum}/logs", 19, "run"),
    ])
  func refuses(good: String, bad: String, line: Int, meant: String) throws {
    let error = #expect(throws: DefinitionError.self, "\(bad)") {
      try driver { $0.replacingOccurrences(of: good, with: bad) }
    }
    let found = try #require(error)
    #expect(found.suggestion == meant && found.line == line, "\(found)")
  }

  @Test(
    "a driver needs a command, a version that stands somewhere, and segments within its data",
    arguments: [
      ("command: [\"{directory}/bin/start\", \"{run}/broker.properties\"]\n", "", "`command` is missing"),
      ("other-{version}.jar", "other.jar", "where the `{version}` stands"),
      ("version: {file: \"lib/other-{version}.jar\"}", "version: {}", "name one of them"),
      ("segments: \"{topic}", "segments: \"/{topic}", "no path within the data"),
      ("exit_codes: [0, 130]", "exit_codes: [0, 256]", "`256` is no exit code"),
      ("name: broker.properties", "name: ../broker.properties", "no name of a file"),
    ])
  func needs(good: String, bad: String, told: String) throws {
    let error = #expect(throws: DefinitionError.self, "\(bad)") {
      try driver { $0.replacingOccurrences(of: good, with: bad) }
    }
    #expect("\(try #require(error))".contains(told), "\(String(describing: error))")
  }

  @Test("every committed driver is accepted, and found by its name; an unknown one is told the nearest")
  func committed() throws {
    let files = DriverFiles(experiments: Synthetic.directory)
    #expect(files.names == ["kafka", "kafka-kraft", "millrace", "tansu"])
    for name in files.names { #expect(try files.read(name).name == name) }
    let error = #expect(throws: DefinitionError.self) { try files.read("kafka-craft") }
    #expect(try #require(error).suggestion == "kafka-kraft")
    #expect(throws: DefinitionError.self) { try files.read("../17-versus") }
  }

  @Test("settings with Kafka's names pass, switches of Millrace's own do not, and the kernel's are left to it")
  func settings() throws {
    let driver = try driver()
    func setting(_ name: String) -> Setting { Setting(name: name, value: "1") }
    #expect(driver.obstacle(to: setting("log.segment.bytes")) == nil)
    #expect(driver.obstacle(to: setting("millrace.congestion.control")) == nil)
    #expect(
      driver.obstacle(to: setting("millrace.cache"))
        == "it needs `millrace.cache`, a switch that Another broker does not have")
    #expect(
      driver.passed([setting("log.segment.bytes"), setting("millrace.congestion.control")]).map(\.name) == [
        "log.segment.bytes"
      ])
    let closed = try self.driver {
      $0.replacingOccurrences(of: "  file: broker.properties\n", with: "")
    }
    #expect(closed.obstacle(to: setting("log.segment.bytes"))?.contains("passes no settings") == true)
  }
}
