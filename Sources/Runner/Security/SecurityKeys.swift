import Foundation
import Glibc
import Results

/// The keys of a campaign's secured brokers: an authority of its own, and a broker's certificate for loopback (P-256), made once
/// by the program `openssl`.
///
/// They protect nothing: the brokers live for a run, and listen on 127.0.0.1.
struct SecurityKeys: Sendable, Equatable {
  private enum Limits {
    static let validDays = 30
    /// Each call of openssl makes one key or one certificate.
    static let toolSeconds = 20.0
  }

  static let tool = "openssl"
  /// Why no keys can be made; nil when they can.
  static var obstacle: String? {
    Tool.path(of: tool) == nil
      ? "needs keys, and there is no program `\(tool)` (apt-get install \(tool), or .ci/dependencies bench)" : nil
  }

  let directory: String

  /// The authority's certificate.
  var authority: String { "\(directory)/ca.pem" }
  /// The broker's private key and certificate, as `ssl.keystore.location` takes them.
  var keyStore: String { "\(directory)/broker.pem" }

  /// Makes them where the directory does not have them yet.
  init(in directory: String) throws(RunError) {
    self.directory = directory
    if access(keyStore, R_OK) == 0 { return }
    if let obstacle = Self.obstacle { throw .failed(obstacle) }
    do {
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      try SmallFile.replace("\(directory)/broker.ext", "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    } catch { throw .failed("\(error)") }
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    let days = ["-days", "\(Limits.validDays)"]
    try openssl(
      ["req", "-x509"] + curve + days + [
        "-subj", "/CN=Millrace benchmark authority", "-keyout", "ca.key", "-out", "ca.pem",
      ])
    try openssl(["req"] + curve + ["-subj", "/CN=localhost", "-keyout", "broker.key", "-out", "broker.csr"])
    try openssl(
      ["x509", "-req", "-in", "broker.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"] + days
        + ["-extfile", "broker.ext", "-out", "broker.crt"])
    // The key store is written last: where it is there, all of it is.
    guard let key = SmallFile.read("\(directory)/broker.key"),
      let certificate = SmallFile.read("\(directory)/broker.crt")
    else { throw .failed("\(Self.tool) made no key in \(directory)") }
    do { try SmallFile.replace(keyStore, key + certificate) } catch { throw .failed("\(error)") }
    chmod(keyStore, 0o600)
  }

  private static let files: Set<String> = [
    "ca.key", "ca.pem", "broker.key", "broker.csr", "broker.crt", "broker.ext",
  ]

  /// Runs openssl to its end; names of this type's files are within the directory.
  private func openssl(_ words: [String]) throws(RunError) {
    let log = "\(directory)/openssl.log"
    let arguments = words.map { Self.files.contains($0) ? "\(directory)/\($0)" : $0 }
    let child: ChildProcess
    do {
      child = try ChildProcess(
        program: Tool.path(of: Self.tool) ?? Self.tool, arguments: arguments, outPath: log, errPath: log)
    } catch { throw .failed("\(error)") }
    let deadline = Uptime.seconds + Limits.toolSeconds
    while child.poll() == nil, Uptime.seconds < deadline { Uptime.nap(milliseconds: 1) }
    guard child.poll() == .exited(0) else {
      throw .failed("\(Self.tool) \(words.first ?? ""): \(BrokerProcess.lastLine(log))")
    }
  }
}
