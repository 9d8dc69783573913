import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Measure
@testable import Runner

@Suite("Secured listeners of brokers under test")
struct SecurityTests {
  @Test("others' ACLs are as many as asked for, each of a topic of its own, half of them prefixes, in few calls")
  func foreignAcls() {
    for count in [0, 1, 2, 10, 1999, 2000, 2001, 10_000] {
      let calls = ForeignAcls.calls(count)
      let names = calls.flatMap { call in call.topics.map { "\(call.patternType) \($0)" } }
      #expect(names.count == count && Set(names).count == count, "\(count): \(names.count)")
      #expect(calls.allSatisfy { (1...ForeignAcls.Limits.perCall).contains($0.topics.count) })
      let prefixed = calls.filter { $0.patternType == "prefixed" }.reduce(0) { $0 + $1.topics.count }
      #expect(prefixed == count / 2)
      // None is of the load's topic, and no prefix is one of it.
      #expect(!names.contains { ProcessRunner.topic.hasPrefix($0.split(separator: " ")[1]) })
    }
    #expect(ForeignAcls.calls(10_000).count == 10)
  }

  private static let good = SecurityProof(
    asked: AskedSecurity(securityProtocol: .saslSSL, acls: 10, hasQuotas: true), ownAcls: 5, acls: 15, quotas: 3,
    servesPlaintext: false, servesLoad: true)

  @Test("what a broker shows as it was asked for is no fault")
  func proved() {
    #expect(Self.good.faults.isEmpty, "\(Self.good.faults)")
    let plain = SecurityProof(
      asked: AskedSecurity(securityProtocol: .plaintext), ownAcls: 5, acls: nil, quotas: nil, servesPlaintext: true,
      servesLoad: true)
    #expect(plain.faults.isEmpty, "\(plain.faults)")
  }

  @Test("each thing that is not as it was asked for is a fault")
  func faults() {
    for (spoil, words) in [
      ({ $0.acls = 14 }, "15 ACLs were to be there, and the broker has 14"),
      ({ $0.acls = 16 }, "the broker has 16"), ({ $0.acls = nil }, "the broker has no authorizer"),
      ({ $0.quotas = 2 }, "3 quotas were to hold for the load, and the broker has 2"),
      ({ $0.quotas = nil }, "the broker has 0"),
      ({ $0.servesPlaintext = true }, "was to speak SASL_SSL, and served a client that neither encrypts nor logs in"),
      ({ $0.servesLoad = false }, "refused a client with the load's own properties"),
      (
        {
          $0.asked = AskedSecurity(securityProtocol: .plaintext)
        }, "was to speak PLAINTEXT, and refused a client"
      ),
    ] as [((inout SecurityProof) -> Void, String)] {
      var proof = Self.good
      spoil(&proof)
      #expect(proof.faults.count == 1 && proof.faults[0].contains(words), "\(proof.faults)")
    }
  }

  @Test("a broker's settings and its load's properties say the same protocol")
  func settings() throws {
    let scratch = try ScratchDirectory("keys")
    for securityProtocol in SecurityProtocol.allCases {
      for acls in [nil, 10] where acls == nil || securityProtocol.logsIn {
        let keys = securityProtocol.isEncrypted ? try SecurityKeys(in: scratch.path) : nil
        let listener = SecuredListener(
          asked: AskedSecurity(securityProtocol: securityProtocol, acls: acls), keys: keys, port: 9093)
        let settings = Dictionary(
          listener.settings(adminPort: 9092).map { ($0.name, $0.value.text) }, uniquingKeysWith: { $1 })
        #expect(settings["listeners"] == "ADMIN://127.0.0.1:9092,LOAD://127.0.0.1:9093")
        let name = securityProtocol.rawValue
        #expect(settings["listener.security.protocol.map"] == "ADMIN:PLAINTEXT,LOAD:\(name)")
        #expect((settings["ssl.keystore.location"] != nil) == securityProtocol.isEncrypted)
        #expect((settings["sasl.enabled.mechanisms"] != nil) == securityProtocol.logsIn)
        #expect((settings["authorizer.class.name"] != nil) == (acls != nil))
        let properties = listener.clientProperties
        #expect(properties.hasPrefix("security.protocol=\(name)\n"))
        #expect(properties.contains("ssl.truststore.location") == securityProtocol.isEncrypted)
        #expect(properties.contains("sasl.mechanism=SCRAM-SHA-256") == securityProtocol.logsIn)
      }
    }
  }

  @Test(
    "keys are made once, and a directory that has them is taken as it is", .enabled(if: SecurityKeys.obstacle == nil))
  func keys() throws {
    let scratch = try ScratchDirectory("keys")
    let directory = "\(scratch.path)/of-a-campaign"
    let keys = try SecurityKeys(in: directory)
    let store = try String(contentsOfFile: keys.keyStore, encoding: .utf8)
    #expect(store.contains("PRIVATE KEY") && store.contains("BEGIN CERTIFICATE"))
    _ = try SecurityKeys(in: directory)
    #expect(try String(contentsOfFile: keys.keyStore, encoding: .utf8) == store)
    #expect(try String(contentsOfFile: keys.authority, encoding: .utf8).contains("BEGIN CERTIFICATE"))
  }

  @Test("only what a later run would notice keeps it from the data of another's prepared topic")
  func traces() throws {
    func trace(_ security: Arm.Security?) throws -> String {
      let broker = Arm.Broker(
        settings: [], network: Arm.Network(), phases: Phases(measuring: .consume), security: security)
      let run = PlannedRun(order: 0, replicate: 1, cell: Cell(arm: "a", levels: [], factors: []))
      return try ProcessRunner.trace(of: broker, RunValues(run, of: Fixture.pair([])))
    }
    #expect(try trace(nil).isEmpty && trace(Arm.Security("SASL_SSL")).isEmpty && trace(Arm.Security("SSL")).isEmpty)
    let traces = try [
      trace(Arm.Security("SASL_SSL", acls: "10")), trace(Arm.Security("SASL_SSL", acls: "20")),
      trace(Arm.Security("SSL", quotas: "idle")),
    ]
    #expect(Set(traces).count == 3 && !traces.contains(""))
  }

  @Test("connections that were not made are a fault")
  func connections() {
    func faults(_ asked: Double?, _ made: Double?) -> [String] {
      var check = Reconciliation()
      check.connections(asked: asked, made: made)
      return check.faults
    }
    #expect(faults(100, 100).isEmpty && faults(nil, nil).isEmpty)
    #expect(faults(100, 99) == ["99 connections were made of 100"])
    #expect(faults(100, nil) == ["no connections were made of 100"])
  }

  @Test("a run with a secured listener costs its setting up, and each ACL its making; connections their logins")
  func cost() throws {
    func cost(_ security: Arm.Security?, _ load: Arm.Load = .produce, _ options: [Setting] = []) throws -> Double {
      var arm = Fixture.arm("secured", .test, program: .load(load))
      arm.work = .through(
        Arm.Broker(
          settings: [], network: Arm.Network(), phases: Phases(measuring: load, options), security: security))
      return Plan.cost(of: Cell(arm: "secured", levels: [], factors: []), arm, in: Fixture.pair([])).seconds
    }
    let plain = try cost(nil)
    let secured = try cost(Arm.Security("SASL_SSL"))
    #expect(abs(secured - plain - Plan.Rates.securedSeconds) < 1e-9)
    let many = try cost(Arm.Security("SASL_SSL", acls: "10000"))
    #expect(abs(many - secured - 10_000 / Plan.Rates.aclsPerSecond) < 1e-9)
    let connections = try cost(nil, .connect, [Setting(name: "num-connections", value: "6000")])
    #expect(abs(connections - Plan.Rates.brokerOverheadSeconds - 6000 / Plan.Rates.connectionsPerSecond) < 1e-9)
  }
}
