import Base
import Testing

@testable import Security

@Suite struct SecurityTextTests {
  @Test func base64IsRFC4648s() {
    for (text, coded) in [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
      ("foobar", "Zm9vYmFy"),
    ] {
      #expect(Base64.encode(Array(text.utf8)) == coded)
      #expect(Base64.decode(coded) == Array(text.utf8))
      #expect(Base64.decode(Base64.encodeForURL(Array(text.utf8))) == Array(text.utf8))
    }
    #expect(Base64.encodeForURL([0xFB, 0xFF]) == "-_8")
    for wrong in ["Z", "Zg=", "Zg===", "Zh==", "Z!==", "=", "Zm9vZ"] {
      #expect(Base64.decode(wrong) == nil, "\(wrong)")
    }
  }

  @Test func aLoginModuleHasItsOptions() throws {
    let jaas = try JaasConfig(
      #"org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="p \"q\" ;=" user_bob='x y';"#,
      key: "k")
    #expect(jaas.module.hasSuffix("PlainLoginModule"))
    #expect(jaas.options["password"]?.text == #"p "q" ;="#)
    #expect(jaas.users == ["bob": Secret("x y")])
  }

  @Test(arguments: ["", "M required", "M required a=;", "M maybe a=b;", #"M required a="b"#, "M required a b;"])
  func whatIsNoLoginModuleIsRefusedWithoutItsText(_ text: String) {
    do {
      _ = try JaasConfig(text, key: "the.key")
      Issue.record("\(text) was read")
    } catch { #expect(error.description.hasPrefix("the.key is not one login module")) }
  }

  @Test func secretsDescribeThemselvesAsHidden() {
    var text = ""
    dump(Secret("hunter2"), to: &text)
    dump(SaslClient.Login.plain(user: "u", password: Secret("hunter2")), to: &text)
    #expect(!text.contains("hunter2"))
    #expect(!"\(Secret("hunter2"))\(String(reflecting: Secret("hunter2")))".contains("hunter2"))
  }

  @Test func rulesMakeNamesOfSubjects() throws {
    let mapping = try PrincipalMapping(
      "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/,RULE:^CN=(.*?),OU=(.*?),O=(.*?)$/$1@$2/L,RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U,DEFAULT"
    )
    #expect(mapping.name(of: "CN=serviceuser,OU=ServiceUsers,O=Unknown") == "serviceuser")
    #expect(mapping.name(of: "CN=adminUser,OU=Admin,O=Unknown") == "adminuser@admin")
    #expect(mapping.name(of: "O=x,cn=abc") == "ABC")
    #expect(mapping.name(of: "O=x") == "O=x")
    #expect(try PrincipalMapping("").name(of: "CN=a") == "CN=a")
    #expect(try PrincipalMapping("RULE:^CN=b$/b/").name(of: "CN=a") == nil)
    for wrong in ["RULE:a/b", "RULE:a/b/X", "x", "RULE:(/b/"] {
      #expect(throws: SecurityError.self) { try PrincipalMapping(wrong) }
    }
  }

  @Test func pemMayStandOnOneLine() throws {
    let pem = try PEM(
      "-----BEGIN CERTIFICATE----- Zm9v YmFy -----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----"
    )
    #expect(pem.certificates == [Array("foobar".utf8)])
    #expect(pem.key?.bytes == [0])
    for wrong in ["-----BEGIN A-----", "-----BEGIN A", "-----BEGIN A-----\n!!\n-----END A-----"] {
      #expect(throws: SecurityError.self) { try PEM(wrong) }
    }
  }

  @Test func tlsSettingsAreRefusedThatContradictThemselves() throws {
    for wrong in [
      ["ssl.enabled.protocols": "TLSv1.1"], ["ssl.keystore.key": "x"], ["ssl.keystore.certificate.chain": "x"],
      ["ssl.client.auth": "maybe"], ["ssl.keystore.type": "BCFKS"], ["ssl.endpoint.identification.algorithm": "ldap"],
    ] {
      #expect(throws: SecurityError.self) { try TLSSettings { wrong[$0] } }
    }
    let settings = try TLSSettings { ["ssl.keystore.location": "/k", "ssl.endpoint.identification.algorithm": ""][$0] }
    #expect(settings.keyStore == .file(path: "/k", format: .jks, password: nil))
    #expect(!settings.checksHost)
  }
}
