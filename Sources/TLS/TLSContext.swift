package import NIOCore
import NIOSSL
package import Security

/// Certificates, keys and rules from which TLS connections are made; read from the files of `TLSSettings`. Immutable: changed files make another.
package struct TLSContext: Sendable {
  private let context: NIOSSLContext
  private let checksHost: Bool
  private var stamps: [(path: String, stamp: TLSFile.Stamp)]

  /// Which end of a connection this is.
  package enum Side: Sendable { case server, client }

  /// Reads the files; waits for the disk.
  ///
  /// - Throws: with the key, the file and the reason.
  package init(_ settings: TLSSettings, _ side: Side) throws(TLSError) {
    // Before the files are read: one that changes meanwhile has changed.
    stamps = Self.paths(settings).map { ($0, TLSFile.Stamp($0)) }
    checksHost = settings.checksHost
    var configuration: TLSConfiguration
    switch side {
    case .server:
      guard let store = settings.keyStore else {
        throw TLSError("ssl.keystore.location is not set: a TLS listener needs a key and a certificate")
      }
      let own = try Self.own(store, settings)
      configuration = .makeServerConfiguration(
        certificateChain: own.chain.map { .certificate($0) }, privateKey: .privateKey(own.key))
      configuration.certificateVerification = Self.verification(settings.clientAuthentication)
      // A client with several certificates chooses by the names of the authorities.
      configuration.sendCANameList = settings.clientAuthentication != .none
    case .client:
      configuration = .makeClientConfiguration()
      if let store = settings.keyStore {
        let own = try Self.own(store, settings)
        configuration.certificateChain = own.chain.map { .certificate($0) }
        configuration.privateKey = .privateKey(own.key)
      }
      configuration.certificateVerification = settings.checksHost ? .fullVerification : .noHostnameVerification
    }
    if let store = settings.trustStore {
      configuration.trustRoots = .certificates(try TLSMaterial(store, "ssl.truststore").certificates)
    }
    configuration.minimumTLSVersion = settings.versions.contains(.tls12) ? .tlsv12 : .tlsv13
    configuration.maximumTLSVersion = settings.versions.contains(.tls13) ? .tlsv13 : .tlsv12
    configuration.renegotiationSupport = .none
    configuration.shutdownTimeout = .milliseconds(TLSLimits.shutdownMs)
    let suites = try Self.suites(settings)
    configuration.cipherSuiteValues = suites.isEmpty ? Self.suitesOf12 : suites
    if !settings.cipherSuites.isEmpty, suites.isEmpty {
      guard settings.versions.contains(.tls13) else {
        throw TLSError("ssl.cipher.suites names no suite of TLSv1.2, the only version in ssl.enabled.protocols")
      }
      configuration.minimumTLSVersion = .tlsv13
    }
    do { context = try NIOSSLContext(configuration: configuration) } catch {
      throw TLSError("the certificates, the key and the cipher suites do not go together: \(error)")
    }
  }

  private static func own(
    _ store: TLSSettings.Store, _ settings: TLSSettings
  ) throws(TLSError) -> (chain: [NIOSSLCertificate], key: NIOSSLPrivateKey) {
    let material = try TLSMaterial(store, "ssl.keystore", keyPassword: settings.keyPassword)
    guard let key = material.key else { throw TLSError("ssl.keystore: there is no private key in it") }
    return (material.certificates, key)
  }

  private static func verification(_ wanted: TLSSettings.ClientAuthentication) -> CertificateVerification {
    switch wanted {
    case .none: .none
    case .requested: .optionalVerification
    case .required: .noHostnameVerification
    }
  }

  /// The suites of TLS 1.2 that the settings name. Those of TLS 1.3 cannot be chosen: all three are good, and are always served with that version.
  private static func suites(_ settings: TLSSettings) throws(TLSError) -> [NIOTLSCipher] {
    var suites: [NIOTLSCipher] = []
    for name in settings.cipherSuites {
      guard let suite = TLSLimits.suites[name] else {
        throw TLSError(
          "ssl.cipher.suites: \(name) is not served; these are: \(TLSLimits.suites.keys.sorted().joined(separator: ", "))"
        )
      }
      if suite >= TLSLimits.suitesOf12From { suites.append(NIOTLSCipher(suite)) }
    }
    return suites
  }

  private static var suitesOf12: [NIOTLSCipher] {
    TLSLimits.suites.values.filter { $0 >= TLSLimits.suitesOf12From }.sorted().map { NIOTLSCipher($0) }
  }

  /// The files that the settings name.
  private static func paths(_ settings: TLSSettings) -> [String] {
    [settings.keyStore, settings.trustStore].compactMap { store in
      if case .file(let path, _, _) = store { path } else { nil }
    }
  }

  /// Whether a file has been written or replaced since it was read. Costs a system call a file.
  package var isStale: Bool { stamps.contains { TLSFile.Stamp($0.path) != $0.stamp } }

  /// The same context, which counts its files as read as they are now.
  package func rememberingFiles() -> TLSContext {
    var copy = self
    copy.stamps = stamps.map { ($0.path, TLSFile.Stamp($0.path)) }
    return copy
  }

  // MARK: Handlers

  /// The handler for one connection that was accepted: the first of its pipeline.
  package func makeServerHandler() -> any ChannelHandler { NIOSSLServerHandler(context: context) }

  /// Adds the handler of a connection to `host` to the front of its pipeline. Called on the channel's event loop.
  package func addClientHandler(to channel: any Channel, host: String) throws {
    // A server's name may not be an address (RFC 6066); the certificate is then checked against the socket's.
    let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
    try channel.pipeline.syncOperations.addHandler(
      NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host), position: .first)
  }

  /// The certificate of the peer, DER; nil when it has given none. Called on the event loop of the channel, once the handshake is done.
  package static func peerCertificate(of channel: any Channel) -> [UInt8]? {
    guard let handler = try? channel.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self),
      let certificate = handler.peerCertificate
    else { return nil }
    return try? certificate.toDERBytes()
  }
}

extension TLSContext {
  /// What a failed handshake says of its reason: in a line of the log, or in a client's error.
  package static func reason(_ error: any Error) -> String? {
    switch error {
    case let error as NIOSSLError:
      switch error {
      case .handshakeFailed(let cause): "TLS handshake failed: \(words(cause))"
      case .uncleanShutdown: "end of stream"
      default: "TLS: \(words(error))"
      }
    case let error as BoringSSLError: "TLS: \(words(error))"
    case is NIOSSLExtraError: "TLS: \(words(error))"
    default: nil
    }
  }
}

extension TLSContext {
  /// BoringSSL's names of its errors, without the places in its source: `CERTIFICATE_VERIFY_FAILED`.
  private static func words(_ error: any Error) -> String {
    let text = "\(error)"
    let names = text.split(separator: " ").compactMap { part -> Substring? in
      guard part.hasPrefix("routines:") else { return nil }
      return part.split(separator: ":").last
    }
    return names.isEmpty ? text : names.joined(separator: ", ")
  }

  /// Whether the connection only ended, without the other side's last word, which many leave out.
  package static func isEndOfStream(_ error: any Error) -> Bool {
    if case NIOSSLError.uncleanShutdown? = error as? NIOSSLError { true } else { false }
  }
}

enum TLSLimits {
  /// How long a connection that closes waits for the other side's last word.
  static let shutdownMs: Int64 = 1_000

  /// The cipher suites of TLS 1.2 that are served, all with forward secrecy, and those of TLS 1.3.
  static let suitesOf12From: UInt16 = 0xC000
  static let suites: [String: UInt16] = [
    "TLS_AES_128_GCM_SHA256": 0x1301, "TLS_AES_256_GCM_SHA384": 0x1302, "TLS_CHACHA20_POLY1305_SHA256": 0x1303,
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": 0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": 0xC02C,
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": 0xC02F, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": 0xC030,
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": 0xCCA8, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": 0xCCA9,
  ]
}
