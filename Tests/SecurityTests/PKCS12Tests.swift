import Base
import Testing

@testable import Security

/// Stores that OpenSSL 3.0 and keytool of Java 17 have written, all with a key of P-256; and damaged ones.
@Suite struct PKCS12Tests {
  private static let keyStore = Base64.decode(
    """
    MIIEvAIBAzCCBHIGCSqGSIb3DQEHAaCCBGMEggRfMIIEWzCCAxIGCSqGSIb3DQEHBqCCAwMwggL/AgEAMIIC+AYJKoZIhvcNAQcBMFcGCSqGSI\
    b3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgmQ8iVbVZwGwICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEG8lwWnu/hGZLTMyvcY0RU6A\
    ggKQf4OvAn0Thss35Rax5/tTG6Y9aVYcZa9qXNPLlO9SQrss4be/xgQxrqd1qccQI5CT0OUZcvAPeO80X6Zin6NO1F+paTgnJJCMNPo2UYcxbP\
    jOaOKVm1fq5r65i/u9/hAVmLHNzoXpkp1+xNz9MFe1eLIqksr8gE4o6TnBchSaNBojVkos0w3n+uCH3usoXmd0QaDWuApoA630FiIINW2GEAbZ\
    U3PVu1Ri1tPzACC2/txnmeJ/GdcEPaAwb+C0U1oj+X574fcCwkOMJYeHjN3kZyXKCl4OJmnrCc+EJWAVvllP1A7CkFgly6ayqVtV2x9AfJRAcG\
    Ft7+INoJChKOPIM1V2t9ax991XjAq++unq6vpdn6CXIYLmoTNjO0RcmYRJuI3zmtuDT6DMKaBgGIuDMaTNby9nM2RZXLaJhJLzjoipRuZctQ8g\
    U3Lycv0Nva7Dh0e7XXuWKjxYWnmf0KaTO838G/K/UC+/1LdRv3+bWXHjFQThVME75u2+oRPU+nogXvJKB2xnee+hYS3KrDGlFwpLd1W1TqWK3N\
    tuiFPbOub4dEy6s448jIA2FW/SXG4YWrQVdiKzbgXXonpS6espGcO97rvEQ2mjnB602mrwABIbHQYwToyRcFXO8Ws15BQWINLosfMZov+MrOcf\
    KWKyT1f18QTn/pX+J/C4AVg8RNRQ757GbVm8xkb6daOG/9c/WjXR04Nfxi5k9PglDlyGVTSfIC/fGJxsTsuVwkDsvJSXaK7Fj+EMsggXyTBAgI\
    N/H0ef9S2NPeSImjM8NMJweVzB636/63z47mtOO/i2ZaD4PluZJB7srOyZyEUEd6d5ctfV/F+HgzV5vXUjyVQ8Aq9zPtgyumiBa9qRfXGLzLgw\
    ggFBBgkqhkiG9w0BBwGgggEyBIIBLjCCASowggEmBgsqhkiG9w0BDAoBAqCB7zCB7DBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQIJ5\
    WWmKnMY7wCAggAMAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBANKT1YyU5i5sNCdydmqF5jBIGQlTE4Vcblt25c1pt/W5h9SD26ZHW1sLdS\
    LbpEv3gheHefk+dK+yS5ykYuXe9L07uOtLr9UYkLH1/EvyM2jykoCHfealP2oJ7FIok8Rgmg4vyNBKHVQH6TiK+v7WKH5hKapzFzR0/xr6fs5g\
    1TClXPlTaJd/3kwom0ZdTFN7XhNIOf0WsuRQD+lKkwVX2OJzvlMSUwIwYJKoZIhvcNAQkVMRYEFBs5doAlxTGSjUirNBH/Qp7el/O6MEEwMTAN\
    BglghkgBZQMEAgEFAAQgCmWYVOz93aD3XX6Y+cCrmAtJwDLOPVywgDFLIpcr7y0ECLIYpdKETdmfAgIIAA==
    """)!
  private static let trustStore = Base64.decode(
    """
    MIIDVwIBAzCCAw0GCSqGSIb3DQEHAaCCAv4EggL6MIIC9jCCAvIGCSqGSIb3DQEHBqCCAuMwggLfAgEAMIIC2AYJKoZIhvcNAQcBMFcGCSqGSI\
    b3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjDT9VZksnixwICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEIE0QC+jn/inUYl4LodjEOOA\
    ggJwHDiysX7VA8HlH/uIAcBNGarHrRUJEZzj15xib5HR1gtfzn89GUN4owZMqbuvyAjBNh1PUMqoI01Dgz9iRBDwGi12/KjX6uMUrqY+xc+G1O\
    raWpPETF6bwStdeZOw1RrZLh/dkp+4uAp0SMZpEcrOHMCtJmIonsta5tH0PA4Z+P6axvOQLU5dej/2TCM8iV9rsV/cPAfdkcGOjLN3KY/6QlB7\
    pCjWQhQtvIFxVwjlwclUxI4mwFJnkofBlm91/loekWdlc+IbxUx1MTXP8hxR4sh3PP53Wdj+SghjCFFQneBbCRsIM4OI32ttfbbmhOjSRgEzQ7\
    zH+YasotsXPLaUwTBhvo3HFkwf+fAoMaiEbKPhhzUtAbXRveZDXq1b2pZhtIPvyinwo6X1V1HPOznHvz5bxVBrSiycztJV3qdLf3K981TTzdRz\
    743Ug85SX0h5WyNCYar7IzuQr6XyCFhbFDf9M+WvolalQzim9TyyA3z2DG2Im5QLPm8/TpCccE7YXDIRWL7dc8B/FvRVWBynVoISOYX3iX5aqM\
    VlX38lxMV1waQpCH9bteKKr1zrs+UaEy043OkqjsD7Iic5wj6Lqjbt+5x8WVG0jx6i4KSYIa5c5epYjGtLIDsk3ZvsRjyxp0eEeY0mP/sRQ6/s\
    9no00eZGsrpNg/tTTZ89m15FRdjd/L2ArvUMDSADP4GElH8Ib+gK2CtWnxImPBu4Wj/uFBojzAQfHq9h8x682SfJGwwq8vDzdHi1iqye78hHlu\
    Nb8kxGhY/i7uPrqLCyGLlsPHTFJEoQfXP1P9eiXX7+6eRuFbj2LfNJvUVcpYiDU8mUMEEwMTANBglghkgBZQMEAgEFAAQgRomzbZfJ3NCcWkiQ\
    vsajttEIi1R3FTVUcJ24X1z4M3MECDxtDV6qAgDFAgIIAA==
    """)!
  private static let legacyStore = Base64.decode(
    """
    MIIEMgIBAzCCA/gGCSqGSIb3DQEHAaCCA+kEggPlMIID4TCCAtcGCSqGSIb3DQEHBqCCAsgwggLEAgEAMIICvQYJKoZIhvcNAQcBMBwGCiqGSI\
    b3DQEMAQYwDgQIqZjKbTPR0swCAggAgIICkPbvP+PBiVc4OCYEbEfIqUYw2Dtk3DDz3OO1MPcr2O7W2PXLDdlTeVs6tWNUs60pbuWqZjb6rbdV\
    aN8ptVtBbjI8/z0mp10PEgvlFsEFlxN/z822aqQWy02Oe9e+VeKQb3u0eFPSZ7/qIOkljNSRgMzxrhwwX5EInc1DdXkLXW0huEW6NdfUksry5C\
    KC31IOoshisoJRgHYn2prK6gKQrvxwf+exNzCfkPTXtjb9+gPODzKnR7lFAxVOUmix5wIFssS73b4xFVQrDg6RlIqJBMfdWKj2CNR8lugI4uY4\
    8qnG1zUs44MzPpERAtIl12I1yOqaHzq/+HUHbJb0PbJu5iYv/fUMzdupnH+CdlFaU7tVyTJ3fRF+POFRwxQTXFKojk+J5S9ht7Q14+TaqSE1De\
    D3INwnTs5zuIcHbOHAGsA6L3ibTZWHW8vmkP++Qj2CjcpQubIoYtRQX+byThO1h9+mJEb+YFzvb67YO/w8H6+o6wCH8TGb2zyL4hsmPxbwAs1a\
    kC8ySwY++9xQCp6UOy4lPJoOLyGYdyvVulB16xtCHBB4E2VM9ov/tiuttscnsG95lbbTPLj9AAv/gRH3pM1BwPFiaOk8Oqgm+ktYuitxmDWMmS\
    FjvctJe2wNw7l/w/kwEY82YGgCxHioRJYWtVS6qPYUnwgMlHI7Jpu+AZxzukajIrES0PD5TdNneZxG1KpZ4LebFTspYa2g9wGKJYEsgl5SPfv5\
    keG5PzbORwBpUQgPP4cYyWZm9tO8lgOLjdKpnrNUmMZs2bm9II8aRyGREeWJHy94BXXOhZXZReK6DKuru+cdjbzNnEO73jwqsNSOljAmTJju9n\
    YqL2ntQhYLYXlNqEuIuvvKVXTzUIoPMIIBAgYJKoZIhvcNAQcBoIH0BIHxMIHuMIHrBgsqhkiG9w0BDAoBAqCBtDCBsTAcBgoqhkiG9w0BDAED\
    MA4ECJ+okvH3/h2FAgIIAASBkLtWttJ/PpM+lYpeNkOMzO/klRrZojRm8AwWrgfGWqWi8IwYtTG5OLCIRse/c95+Fj0rNFwQITpDJgyJ9BjiD8\
    x2Vh9nuz/f/Ep4yoi6Q9PFSyLp+ZkodnceEAfMrHm+N25ps/yztkc+0fkPyQq9GxLVlRr0DcGF1ntmQMKUPOw8JthFqYIWvHk/4+EVdFyyZTEl\
    MCMGCSqGSIb3DQEJFTEWBBQbOXaAJcUxko1IqzQR/0Ke3pfzujAxMCEwCQYFKw4DAhoFAAQUJvGSkpNAEkBgV94reXI+/j9BMkQECOr0JGnM4G\
    gVAgIIAA==
    """)!
  private static let javaKeyStore = Base64.decode(
    """
    MIID1gIBAzCCA4AGCSqGSIb3DQEHAaCCA3EEggNtMIIDaTCCASAGCSqGSIb3DQEHAaCCAREEggENMIIBCTCCAQUGCyqGSIb3DQEMCgECoIG9MI\
    G6MGYGCSqGSIb3DQEFDTBZMDgGCSqGSIb3DQEFDDArBBRQZd1Zf6JBlxXcOsTyDj17DvOBZAICJxACASAwDAYIKoZIhvcNAgkFADAdBglghkgB\
    ZQMEASoEEPSt+GKN9YemSpY0Rb/slfEEUE96Nf7267+FUGxd47MKn8VC6bWWCC6xyr/veiz5UyYgWE/vAuQC5wrQ23Wmwmrzd8sE3J9yuG+GyF\
    XAlLxWwIRj51gAP51tNeytaTDUdyvsMTYwEQYJKoZIhvcNAQkUMQQeAgBiMCEGCSqGSIb3DQEJFTEUBBJUaW1lIDE3OTU5OTg2MDEyMjYwggJB\
    BgkqhkiG9w0BBwagggIyMIICLgIBADCCAicGCSqGSIb3DQEHATBmBgkqhkiG9w0BBQ0wWTA4BgkqhkiG9w0BBQwwKwQUC91ICUo1eG4xoYZl7/\
    SAckp413MCAicQAgEgMAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBDCpwUHpfEFzIKei278INKNgIIBsMDKvH7i8AXnkUV9VXiJKqOmvuJi\
    YXGWe2x1oZY0VDeEnltPbnQfqCcILHZvmGrEO9d3XmyYifwLopmhX80NpGIYG0I3IXnjcZR/vVGkGyjciGtiKw/avuQDkUjzffSihbUOAnalDL\
    XPqVTt8zbFDhZdi9iT1l+A2XdzwSv6nPYLSDRpyQV3YCC1edblsP4o37zW6+MYVGCrakUfo+TDu/z//QYl+Ml1tgrR9DbOLZK/KVXX4kHCeyLG\
    hF8YV2xPLb+O6LgS5MrFqrd01nYi0eDkSDkd2+6EcEEu9Vdgvps4BvVxEpy1Ojrd1dySGnY4RFFSJt88KFZTp3PR+PpdLr3WpYBIuYl2LH90vD\
    3moWGDMPe1Ntp2wvBw1apZC5Asgvdnhmb0OxvRTTsmi2lwaP+FBf+5QUqgkCjNbqretGdgkXZ7g+KMg2d53Wpe15hOXSgNnHWNRYD+bo+09fFN\
    Jj8GMDj/sgkHr1YrFdBE3wMitgZlEmXNTPCZemZDf3Vp9AG2D3Vh7PkUnBrzRo/NrL6NIZfpMXkWlDh8rbrkXTNIp0luKwGaLCoxIdABBiaTPj\
    BNMDEwDQYJYIZIAWUDBAIBBQAEICmKxTD2P2in2NwKfC+friUlcKMS7hqB3++HQMghuXT3BBTtbYbPKxQ/rNCvxLRXB3uRei/PagICJxA=
    """)!
  private static let javaTrustStore = Base64.decode(
    """
    MIIDogIBAzCCA0wGCSqGSIb3DQEHAaCCAz0EggM5MIIDNTCCAzEGCSqGSIb3DQEHBqCCAyIwggMeAgEAMIIDFwYJKoZIhvcNAQcBMGYGCSqGSI\
    b3DQEFDTBZMDgGCSqGSIb3DQEFDDArBBRMEWwOjQyj1fJxo5x/E1CO7gafnwICJxACASAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEJUk\
    ZJLvWhq8pGFgukbmUv6AggKgki5gFCs2pUqS9b6t49Bc6Z898Yy1qM+pcgOqxUbkfPZuABrPHx55Sk3jfU3iI1gJIryhyTtm5dB5CSSDhEI9Tm\
    qa4qT0gT5GafzmJwscu8JhGQ2+fC4zs0Z0qPj5pxD6sqrLS6kmni3GoiSQhPBpDt6bkJp8Cj/Fs2teKnMeNli3npSXNk/0zuhHW0r/P5x41QQi\
    LZfXwFuNhMOCMhivq2ERedNwDFuQ/GhFB+dA2lOOX3QhIdssV5AC2eytkVXw//zFLs2pa569zkRdO9DJfJCrGmfQabILSWcEw/qFMeM2C62Yiu\
    d40CdLW60WWYiI7QpjmwYMoni4IRssxm0KmqCaIyOG66jy+lHfqysFdGvq8TAx07grKHeWWidKz0Lpxfkp48DfwbGR9XN8ild42Cdth6Z6e74T\
    9PiZm2f5iFR6wI7/MGC427ZINRUI9B+fYau6h+Nxd9l7872gpkaKx6ctWWrucxrnwPgD1xRKzU/9PZChoIiWpzsCC7nFXYEBed2WjPDMm+Dp8Q\
    AO+l47BSejEX++0aHiU/gp7tAZgT/k37VdvjQENqUKhmtn7/PpVCHli++jVBiuG4fnbF6B/rInqdaw94AnnUPXmQy80uhlcLjgm7FLv7mcRpEI\
    eEV3Kfr2Ak1cuMUsAXxppnKdRR414cLXCe8EOwOZpoFWdLYiKF+R7CRpuAa5ueTod9TNQTEqP65J/KQn76I8Y+bPkh745JeGzlAcN2+SyqevdN\
    4lc5iq+mOVzF57r0C2z2z8ASy/CzPv06WVIiAJLjB2Ta9ZGl9wmmqx8cxZ1rxCdnTM2SPIoSy4psuhaVuJN7CxmXomu03Z+8P7ydO61tsm3hYR\
    vW5HVcYLWLGEp7qOnI/kfLM1Eb6XOuIyyeU1j6YrME0wMTANBglghkgBZQMEAgEFAAQgiqKn3f5NcGiDKLJai83j6+jL++fbInTI7uWlVStCsI\
    UEFHCXtul96zulIwpxDnlRIXdsiZSpAgInEA==
    """)!
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
  private static let encryptedKey = """
    -----BEGIN ENCRYPTED PRIVATE KEY-----
    MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg1e4DWRVW69AICCAAw
    DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEHa75kwB3FCkkF81J4A1r6EEgZCU
    tTQwqTJOICNG2f0PV8CVQzYHpU3EPxMhKv8dqOts+scGlOMHNt5vk+R5+tnkjAS9
    KYJ48gEWMja4bsq7nh53qU/DSxOiogmCDP4vCp6B7DwC+jLLSsMbc69ZuDmIF3vm
    YzYf4hxSuVvgPUF+ku3aIKWlG8CkYXXm0/TL88fj23S4GrT33QVVQhcdgdNBWIA=
    -----END ENCRYPTED PRIVATE KEY-----
    """

  private static func der(_ text: String) throws -> [UInt8] { try #require(PEM(text).blocks.first).bytes }

  @Test func aKeyStoreHasItsKeyAndItsCertificate() throws {
    let store = try PKCS12(Self.keyStore, password: Secret("keystore"), keyPassword: nil)
    #expect(store.certificates == [try Self.der(Self.certificate)])
    let encrypted = try #require(PEM(Self.encryptedKey).key)
    #expect(store.key == (try PKCS12.decryptKey(encrypted.bytes, password: Secret("key"))))
    let java = try PKCS12(Self.javaKeyStore, password: Secret("keystore"), keyPassword: nil)
    #expect(java.certificates.count == 1 && java.key != nil)
    #expect(try DistinguishedName(subjectOf: java.certificates[0]).text == "CN=java")
  }

  @Test func aTrustStoreHasCertificatesAlone() throws {
    for (bytes, password) in [(Self.trustStore, "trust"), (Self.javaTrustStore, "trustpw")] {
      let store = try PKCS12(bytes, password: Secret(password), keyPassword: nil)
      #expect(store.certificates == [try Self.der(Self.certificate)])
      #expect(store.key == nil)
    }
  }

  @Test func aWrongPasswordIsTold() {
    for password in [Secret("keystor"), Secret(""), nil] {
      do {
        _ = try PKCS12(Self.keyStore, password: password, keyPassword: nil)
        Issue.record("\(password?.text ?? "no password") opened the store")
      } catch { #expect(error.description.contains("password"), "\(error)") }
    }
  }

  @Test func anOldEncryptionIsToldWithTheCommandThatReplacesIt() {
    do {
      _ = try PKCS12(Self.legacyStore, password: Secret("keystore"), keyPassword: nil)
      Issue.record("it was opened")
    } catch { #expect(error.description.contains("openssl pkcs12"), "\(error)") }
  }

  @Test func noDamagedStoreEndsTheProcess() {
    var random = SplitMix(seed: 3)
    for whole in [Self.keyStore, Self.trustStore, Self.javaTrustStore] {
      for _ in 0..<60 {
        var bytes = whole
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
        }
        // A count of rounds that is changed to millions would take a while.
        _ = try? PKCS12(
          Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))), password: Secret("keystore"),
          keyPassword: nil)
      }
    }
    for length in 0..<40 { _ = try? PKCS12([UInt8](repeating: 0x30, count: length), password: nil, keyPassword: nil) }
  }

  @Test func theSubjectIsInJavasForm() throws {
    let name = try DistinguishedName(subjectOf: try Self.der(Self.certificate))
    #expect(name.text == #"1.2.840.113549.1.9.1=#16056140622e63,CN=alice,OU=Users+UID=a1,O=Millrace\, Ltd,C=DE"#)
    var random = SplitMix(seed: 4)
    for _ in 0..<500 {
      var bytes = try Self.der(Self.certificate)
      bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
      _ = try? DistinguishedName(subjectOf: bytes)
    }
  }
}
