import Base
import Model
import NIOCore
package import Security
import Wire

/// A SCRAM credential that is to be set.
package struct ScramSetting: Sendable {
  package var mechanism: ScramHash
  package var iterations: Int
  package var password: Secret

  /// - Parameters:
  ///   - mechanism: `SCRAM-SHA-256` or `SCRAM-SHA-512`, in any case.
  ///   - iterations: of the hash; Kafka's bounds are 4096 to 16384.
  package init(mechanism: String, iterations: Int, password: String) throws {
    self.mechanism = try Self.hash(mechanism)
    guard ScramCredential.iterationsAllowed.contains(iterations) else {
      throw AdministrationError.argument(
        "--iterations \(iterations): \(ScramCredential.iterationsAllowed.lowerBound) to "
          + "\(ScramCredential.iterationsAllowed.upperBound) are needed")
    }
    guard !password.isEmpty else { throw AdministrationError.argument("the password is empty") }
    self.iterations = iterations
    self.password = Secret(password)
  }

  /// A salt for one credential.
  ///
  /// - Parameter random: one that nobody can foresee.
  package static func salt(using random: inout some RandomNumberGenerator) -> [UInt8] {
    (0..<Limits.saltBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
  }

  package static func hash(_ mechanism: String) throws -> ScramHash {
    let known = ScramHash.allCases.map(\.mechanism.rawValue)
    guard let hash = ScramHash.allCases.first(where: { $0.mechanism.rawValue == mechanism.uppercased() }) else {
      throw AdministrationError.argument(
        "--mechanism \(mechanism): \(known.joined(separator: " or ")) is needed\(Refusal.hint(mechanism, known))")
    }
    return hash
  }
}

extension ClusterSession {
  /// Lists the users that have SCRAM credentials, with mechanisms and iterations; of all users where none is named.
  package func listUsers(_ names: [String]) async throws -> Answer {
    var request = DescribeUserScramCredentialsRequest()
    request.users = names.isEmpty ? nil : names.map { name in .with { $0.name = name } }
    let answer = try await call(request)
    try check(answer.errorCode, message: answer.errorMessage, "listing users")
    var lines: [String] = []
    var documents: [JSON] = []
    var notes: [String] = []
    for result in answer.results {
      guard result.errorCode == .none else {
        notes.append("\(result.user): \(Refusal.text(result.errorCode, result.errorMessage))")
        continue
      }
      let found = result.credentialInfos.compactMap { info in
        ScramHash(rawValue: info.mechanism).map { ($0.mechanism.rawValue, info.iterations) }
      }
      lines.append(
        "SCRAM credential configs for user-principal '\(result.user)' are "
          + found.map { "\($0.0)=iterations=\($0.1)" }.joined(separator: ", "))
      documents.append(
        .object([
          "user": .string(result.user),
          "credentials": .array(
            found.map { .object(["mechanism": .string($0.0), "iterations": .number($0.1)]) }),
        ]))
    }
    return Answer(lines, json: .array(documents), notes: notes, isRefused: !notes.isEmpty)
  }

  /// Sets a user's SCRAM credential, whether or not there was one. The password does not leave this program.
  ///
  /// - Parameter salt: made by `ScramSetting.salt`.
  package func setUser(_ name: String, _ setting: ScramSetting, salt: [UInt8]) async throws -> Answer {
    let salted = setting.mechanism.salted(setting.password.text, salt: salt, iterations: setting.iterations)
    var request = AlterUserScramCredentialsRequest()
    request.upsertions = [
      .with {
        $0.name = name
        $0.mechanism = setting.mechanism.rawValue
        $0.iterations = Int32(clamping: setting.iterations)
        $0.salt = ByteBuffer(bytes: salt)
        $0.saltedPassword = ByteBuffer(bytes: salted)
      }
    ]
    return try await alter(request, name, "setting the credential of \(name)")
  }

  /// Removes a user's SCRAM credential of one mechanism.
  package func removeUser(_ name: String, _ mechanism: ScramHash) async throws -> Answer {
    var request = AlterUserScramCredentialsRequest()
    request.deletions = [
      .with {
        $0.name = name
        $0.mechanism = mechanism.rawValue
      }
    ]
    return try await alter(request, name, "removing the credential of \(name)")
  }

  private func alter(
    _ request: AlterUserScramCredentialsRequest, _ name: String, _ what: String
  ) async throws -> Answer {
    let result = try await callController(request).results.first
    try check(result?.errorCode ?? .unknownServerError, message: result?.errorMessage, what)
    return Answer(
      ["Completed updating config for user \(name)."], json: .object(["user": .string(name), "changed": .bool(true)]))
  }
}
