import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Mechanisms

@Suite("Arms with a secured listener")
struct SecurityArmTests {
  private func read(_ lines: String, program: String = "load produce") throws -> Experiment {
    try Sample.experiment {
      $0.replacing(
        "metrics: [mb_per_s, cpu_s_per_gb]",
        with: """
            - name: secured
              role: test
              program: \(program)
              ignores: [colour]
          \(lines.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
          metrics: [mb_per_s, cpu_s_per_gb]
          """)
    }
  }

  @Test("ask for a protocol, ACLs and quotas, as numbers or by names")
  func asks() throws {
    let arm = try #require(try read("security: {protocol: SASL_SSL, acls: 10, quotas: idle}").arm(named: "secured"))
    let asked = try #require(try arm.broker?.security?.asked { $0 })
    #expect(asked == AskedSecurity(securityProtocol: .saslSSL, acls: 10, hasQuotas: true))
    let named = try #require(
      try read("security: {protocol: SASL_PLAINTEXT, acls: \"{size}\"}").arm(named: "secured"))
    #expect(named.numbers.contains("{size}"))
    #expect(try named.broker?.security?.asked { $0 == "{size}" ? "2" : $0 }.acls == 2)
    let plain = try #require(try read("security: {protocol: PLAINTEXT, acls: none}").arm(named: "secured"))
    #expect(try plain.broker?.security?.asked { $0 } == AskedSecurity(securityProtocol: .plaintext))
    #expect(try read("cache: any").arm(named: "secured")?.broker?.security == nil)
  }

  @Test(
    "that cannot be are refused with the key and the reason",
    arguments: [
      ("security: {acls: 10}", "the key `protocol` is missing"),
      ("security: {protocol: TLS}", "`TLS` is not one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
      ("security: {protocol: SSL, acls: 10}", "security.acls: needs SASL_PLAINTEXT or SASL_SSL"),
      ("security: {protocol: SASL_SSL, acls: -1}", "`-1` is no number of ACLs from 0 to 100000"),
      ("security: {protocol: SASL_SSL, acls: 9223372036854775808}", "is no number of ACLs"),
      ("security: {protocol: SSL, quotas: full}", "`full` is not one of idle, none"),
      ("security: {protocol: SSL, acl: 1}", "unknown key `acl`"),
      ("security: {protocol: \"{protocols}\"}", "`protocols` is no factor or fixed value"),
      ("security: {protocol: SSL}\ncluster: 3", "cluster: does not go together with `security`"),
      ("security: {protocol: SSL}\nlink_mbit_per_s: 100", "link_mbit_per_s: does not go together with `security`"),
      ("security: {protocol: SSL}\nround_trip_ms: 5", "round_trip_ms: does not go together with `security`"),
    ])
  func refused(lines: String, reason: String) throws {
    let error = #expect(throws: DefinitionError.self) { try read(lines) }
    #expect("\(error as Any)".contains(reason), "\(error as Any)")
  }

  @Test("have a broker of ours: a bare arm, another's broker and another's cluster are refused")
  func elsewhere() throws {
    let bare = #expect(throws: DefinitionError.self) {
      try read("security: {protocol: SSL}", program: "mechanism codec")
    }
    #expect("\(bare as Any)".contains("no broker to be let in by"))
    let experiment = try read("security: {protocol: SSL}")
    let arm = try #require(experiment.arm(named: "secured"))
    #expect(experiment.obstacle(to: arm, at: Target(address: "127.0.0.1:9092", isLocal: true)) != nil)
    var driver = BrokerDriver.millrace
    driver.name = "another"
    #expect(experiment.obstacle(to: arm, with: BrokerUnderTest(driver: driver)) != nil)
  }
}
