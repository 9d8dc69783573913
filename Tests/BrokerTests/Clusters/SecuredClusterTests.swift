import Base
import Cluster
import Model
import Security
import Testing
import Wire

@testable import Broker

@Suite("Brokers that reach each other over TLS and SASL", .serialized)
struct SecuredClusterTests {
  /// A key of P-256 and a certificate that it has signed itself, valid until 2126; of no use to anybody.
  private static let key = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkumNISh754Rda4j1
    SotI7pKKXrnQDIFNqS+qKx6/JkqhRANCAARCrAUAMo0V8JfOXBhhimrdElxm2Zke
    hv8aFkO18NoZA2RsBHEhn1hegnHMRn80AtbdFVH4xc4vDD1zuXT73VCN
    -----END PRIVATE KEY-----
    """
  private static let certificate = """
    -----BEGIN CERTIFICATE-----
    MIICMDCCAdegAwIBAgIUB2q+4OFEcPyOybAa1PUNyCB3nO0wCgYIKoZIzj0EAwIw
    bTELMAkGA1UEBhMCREUxFjAUBgNVBAoMDU1pbGxyYWNlLCBMdGQxIDAMBgNVBAsM
    BVVzZXJzMBAGCgmSJomT8ixkAQEMAmExMQ4wDAYDVQQDDAVhbGljZTEUMBIGCSqG
    SIb3DQEJARYFYUBiLmMwIBcNMjYxMTMwMDAyOTU3WhgPMjEyNjExMDYwMDI5NTda
    MG0xCzAJBgNVBAYTAkRFMRYwFAYDVQQKDA1NaWxscmFjZSwgTHRkMSAwDAYDVQQL
    DAVVc2VyczAQBgoJkiaJk/IsZAEBDAJhMTEOMAwGA1UEAwwFYWxpY2UxFDASBgkq
    hkiG9w0BCQEWBWFAYi5jMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQqwFADKN
    FfCXzlwYYYpq3RJcZtmZHob/GhZDtfDaGQNkbARxIZ9YXoJxzEZ/NALW3RVR+MXO
    Lww9c7l0+91QjaNTMFEwHQYDVR0OBBYEFA60OxBIm/x5aKeSjfGhEFyzAW3IMB8G
    A1UdIwQYMBaAFA60OxBIm/x5aKeSjfGhEFyzAW3IMA8GA1UdEwEB/wQFMAMBAf8w
    CgYIKoZIzj0EAwIDRwAwRAIgXjQEDfbtZzQooTzHen2At3Z2YWmDQF0i8hYSLYMQ
    uEcCIB1zTt/KtlRkijzeN46Qy6NyEQYHUgyBbppngDhwkPKp
    -----END CERTIFICATE-----
    """

  private static func settings(_ mechanism: SaslMechanism, _ password: String = "between us") -> [String: String] {
    let prefix = "listener.name.inside."
    return [
      "listeners": "PLAINTEXT://127.0.0.1:0,INSIDE://127.0.0.1:0",
      "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INSIDE:SASL_SSL", "inter.broker.listener.name": "INSIDE",
      "sasl.mechanism.inter.broker.protocol": mechanism.rawValue,
      prefix + "sasl.enabled.mechanisms": mechanism.rawValue, prefix + "ssl.keystore.type": "PEM",
      prefix + "ssl.keystore.key": key, prefix + "ssl.keystore.certificate.chain": certificate,
      prefix + "ssl.truststore.type": "PEM", prefix + "ssl.truststore.certificates": certificate,
      // The certificate names no host.
      prefix + "ssl.endpoint.identification.algorithm": "", prefix + "ssl.client.auth": "required",
      prefix + "plain.sasl.jaas.config":
        "M required username=broker password=\"\(password)\" user_broker=\"between us\";",
      "connections.max.reauth.ms": "1500",
    ]
  }

  @Test("replicate, elect, and authenticate again when their sessions end")
  func replicates() throws {
    try withCluster(3, Self.settings(.plain)) { cluster in
      try cluster.createTopic("s", partitions: 2, replicas: 3, ["min.insync.replicas": "3"])
      // Longer than two sessions.
      let until = Clocks.wallMs() + 4_000
      var sent = 0
      while Clocks.wallMs() < until {
        let leader = try cluster.awaitLeader(of: "s")
        let produced = try cluster.connect(to: leader).produce(try Batches.of(["\(sent)"]), to: "s")
        try #require(produced.errorCode == ErrorCode.none)
        sent += 1
      }
      #expect(sent > 0)
      let inside = try cluster.broker(1).broker.image.brokers.flatMap(\.endpoints).filter { $0.listener == "INSIDE" }
      #expect(inside.count == 3 && inside.allSatisfy { $0.securityProtocol == "SASL_SSL" })
      let leader = try cluster.awaitLeader(of: "s")
      cluster.crash(leader)
      try cluster.waitUntil("another leader") {
        try cluster.brokers.keys.allSatisfy { ![leader, -1].contains(try cluster.leader(of: "s", at: $0)) }
      }
    }
  }
}
