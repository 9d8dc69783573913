import Security
import TLS

/// The key set of OAUTHBEARER, from the file that `sasl.oauthbearer.jwks.endpoint.url` names.
struct KeySetFile: Sendable {
  private var watched: WatchedFile
  let keys: KeySet

  /// Nil where no file is named.
  init?(_ config: Config, _ listener: String) throws {
    guard let url = config.values.text(Keys.security.oauthKeySet.name, of: listener), !url.isEmpty else { return nil }
    let prefix = "file://"
    guard url.hasPrefix(prefix) else {
      throw SecurityError("\(Keys.security.oauthKeySet.name) must name a file: file:///PATH")
    }
    watched = WatchedFile(String(url.dropFirst(prefix.count)))
    do { keys = try KeySet(watched.read()) } catch {
      throw SecurityError("\(Keys.security.oauthKeySet.name): \(error)")
    }
  }

  var isStale: Bool { watched.hasChanged }

  func rememberingFile() -> KeySetFile {
    var copy = self
    copy.watched = WatchedFile(watched.path)
    return copy
  }
}
