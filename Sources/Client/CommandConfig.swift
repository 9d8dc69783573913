import Base
package import Security
import TLS

/// Files of Kafka's client properties, as `--command-config` names them.
package enum CommandConfig {
  /// Reads how connections are secured from a file of client properties; nil where they are not. Waits for the disk.
  ///
  /// - Throws: with the file, the property and the reason.
  package static func security(_ path: String) throws(SecurityError) -> ConnectionSecurity? {
    let text: String
    do throws(TLSError) { text = String(decoding: try WatchedFile(path).read(), as: UTF8.self) } catch {
      throw SecurityError("--command-config: \(error)")
    }
    do throws(SecurityError) {
      return try ConnectionSecurity(ClientSecurity(properties: text)) {
        // A nonce of SCRAM may never come again, whatever a run's seed is.
        var random = SystemRandomNumberGenerator()
        return Base64.encodeForURL((0..<24).map { _ in UInt8.random(in: .min ... .max, using: &random) })
      }
    } catch { throw SecurityError("--command-config \(path): \(error)") }
  }
}
