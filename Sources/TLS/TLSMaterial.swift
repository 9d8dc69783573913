import NIOSSL
import Security

/// The certificates and the key that a store has, read and decrypted.
struct TLSMaterial {
  private(set) var certificates: [NIOSSLCertificate] = []
  private(set) var key: NIOSSLPrivateKey?

  /// - Parameters:
  ///   - name: how the store is named in an error: `ssl.keystore` or `ssl.truststore`.
  ///   - keyPassword: of the key, where it is another than the store's.
  init(_ store: TLSSettings.Store, _ name: String, keyPassword: Secret? = nil) throws(TLSError) {
    switch store {
    case .text(let certificates, let key):
      try takePEM(certificates, "\(name).certificate.chain", keyPassword, needsKey: false)
      if let key { try takePEM(key.text, "\(name).key", keyPassword, needsKey: true) }
    case .file(let path, let format, let password):
      let bytes: [UInt8]
      do throws(TLSError) { bytes = try TLSFile.read(path) } catch { throw TLSError("\(name).location: \(error)") }
      switch try Self.format(bytes, format, "\(name).location: \(path)") {
      case .pem:
        try takePEM(
          String(decoding: bytes, as: UTF8.self), "\(name).location: \(path)", keyPassword ?? password, needsKey: false)
      case .pkcs12, .jks: try takePKCS12(bytes, "\(name).location: \(path)", password, keyPassword)
      }
    }
    guard !certificates.isEmpty else { throw TLSError("\(name): there is no certificate in it") }
  }

  /// Kafka's type JKS means PKCS#12 too, and PEM is easily told from both.
  private static func format(
    _ bytes: [UInt8], _ given: TLSSettings.Format, _ place: String
  ) throws(TLSError) -> TLSSettings.Format {
    if bytes.starts(with: [0xFE, 0xED, 0xFE, 0xED]) || bytes.starts(with: [0xCE, 0xCE, 0xCE, 0xCE]) {
      throw TLSError(
        "\(place) is a JKS store, which only Java reads. Convert it: keytool -importkeystore -srckeystore OLD -destkeystore NEW.p12 -deststoretype PKCS12"
      )
    }
    guard given == .jks else { return given }
    return bytes.first == 0x30 ? .pkcs12 : .pem
  }

  private mutating func takePEM(
    _ text: String, _ place: String, _ password: Secret?, needsKey: Bool
  ) throws(TLSError) {
    let pem: PEM
    do throws(SecurityError) { pem = try PEM(text) } catch { throw TLSError("\(place): \(error)") }
    try take(pem.certificates, place)
    guard let block = pem.key, key == nil else {
      if needsKey { throw TLSError("\(place): there is no private key in it") }
      return
    }
    guard block.label == "ENCRYPTED PRIVATE KEY" else {
      key = try Self.key(block.text, place)
      return
    }
    let der: [UInt8]
    do throws(SecurityError) { der = try PKCS12.decryptKey(block.bytes, password: password) } catch {
      throw TLSError("\(place): the private key \(error)")
    }
    key = try Self.key(PEM.text("PRIVATE KEY", der), place)
  }

  private mutating func takePKCS12(
    _ bytes: [UInt8], _ place: String, _ password: Secret?, _ keyPassword: Secret?
  ) throws(TLSError) {
    let store: PKCS12
    do throws(SecurityError) { store = try PKCS12(bytes, password: password, keyPassword: keyPassword) } catch {
      throw TLSError("\(place) \(error)")
    }
    try take(store.certificates, place)
    if let der = store.key { key = try Self.key(PEM.text("PRIVATE KEY", der), place) }
  }

  private mutating func take(_ ders: [[UInt8]], _ place: String) throws(TLSError) {
    for der in ders {
      do { certificates.append(try NIOSSLCertificate(bytes: der, format: .der)) } catch {
        throw TLSError("\(place): a certificate in it cannot be read")
      }
    }
  }

  private static func key(_ text: String, _ place: String) throws(TLSError) -> NIOSSLPrivateKey {
    do { return try NIOSSLPrivateKey(bytes: Array(text.utf8), format: .pem) } catch {
      throw TLSError("\(place): the private key cannot be read")
    }
  }
}
