import Base

/// What a broker knows of a user's password: enough to check a proof, not enough to make one.
package struct ScramCredential: Sendable, Hashable {
  package var salt: [UInt8]
  package var storedKey: [UInt8]
  package var serverKey: [UInt8]
  package var iterations: Int

  /// Kafka's bounds of the iterations. The fewest are RFC 7677's; each client's login costs this many hashes.
  package static let iterationsAllowed = 4096...16_384

  package init(salt: [UInt8], storedKey: [UInt8], serverKey: [UInt8], iterations: Int) {
    self.salt = salt
    self.storedKey = storedKey
    self.serverKey = serverKey
    self.iterations = iterations
  }

  /// From `Hi(password, salt, iterations)`, which is all that AlterUserScramCredentials carries of a password.
  package init(_ hash: ScramHash, saltedPassword: [UInt8], salt: [UInt8], iterations: Int) {
    self.init(
      salt: salt, storedKey: hash.hash(hash.code(saltedPassword, Array("Client Key".utf8))),
      serverKey: hash.code(saltedPassword, Array("Server Key".utf8)), iterations: iterations)
  }

  /// Reads Kafka's text in the z-node `/config/users/NAME`: `salt=…,stored_key=…,server_key=…,iterations=4096`; nil for any other.
  package init?(_ hash: ScramHash, text: String) {
    var fields: [Substring: Substring] = [:]
    for field in text.split(separator: ",") {
      guard let equals = field.firstIndex(of: "=") else { return nil }
      fields[field[..<equals]] = field[field.index(after: equals)...]
    }
    guard let salt = fields["salt"].flatMap({ Base64.decode($0) }), !salt.isEmpty,
      let stored = fields["stored_key"].flatMap({ Base64.decode($0) }), stored.count == hash.byteCount,
      let server = fields["server_key"].flatMap({ Base64.decode($0) }), server.count == hash.byteCount,
      let iterations = fields["iterations"].flatMap({ Int($0) }), iterations > 0
    else { return nil }
    self.init(salt: salt, storedKey: stored, serverKey: server, iterations: iterations)
  }

  /// Kafka's text of it.
  package var text: String {
    "salt=\(Base64.encode(salt)),stored_key=\(Base64.encode(storedKey)),server_key=\(Base64.encode(serverKey)),iterations=\(iterations)"
  }
}
