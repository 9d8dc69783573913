import Base
import Cluster
import Model
import NIOCore
import Security
import Wire

extension LocalBroker {
  /// Lists which SCRAM credentials users have, without the credentials; of all users when none is named.
  func describeUserScramCredentials(
    _ request: DescribeUserScramCredentialsRequest, _ context: RequestContext
  ) -> HandlerResult<DescribeUserScramCredentialsResponse> {
    var response = DescribeUserScramCredentialsResponse()
    let values = metadata.clientValues
    let asked = request.users?.map(\.name) ?? []
    guard !asked.isEmpty else {
      let users = values.keys.filter { $0.hasPrefix(ConfigZNode.Entity.usersPrefix) }
        .compactMap { SanitizedName.name($0.dropFirst(ConfigZNode.Entity.usersPrefix.count)) }
      response.results = users.sorted().compactMap { user in
        let infos = Self.infos(user, values)
        return infos.isEmpty ? nil : .with { ($0.user, $0.credentialInfos) = (user, infos) }
      }
      return .now(response)
    }
    var counts: [String: Int] = [:]
    for user in asked { counts[user, default: 0] += 1 }
    var told: Set<String> = []
    response.results = asked.filter { told.insert($0).inserted }.map { user in
      var result = DescribeUserScramCredentialsResponse.Result()
      result.user = user
      result.credentialInfos = Self.infos(user, values)
      if counts[user] != 1 {
        result.credentialInfos = []
        result.errorCode = .duplicateResource
        result.errorMessage = "Cannot describe SCRAM credentials for the same user twice in a single request: \(user)"
      } else if result.credentialInfos.isEmpty {
        result.errorCode = .resourceNotFound
        result.errorMessage = "Attempt to describe a user credential that does not exist: \(user)"
      }
      return result
    }
    return .now(response)
  }

  private static func infos(
    _ user: String, _ values: [String: [String: String]]
  ) -> [DescribeUserScramCredentialsResponse.CredentialInfo] {
    guard let own = values[ConfigZNode.entityPath(.user(user))] else { return [] }
    return ScramHash.allCases.compactMap { hash in
      own[hash.mechanism.rawValue].flatMap { ScramCredential(hash, text: $0) }.map { credential in
        .with { ($0.mechanism, $0.iterations) = (hash.rawValue, Int32(clamping: credential.iterations)) }
      }
    }
  }

  /// Sets and removes SCRAM credentials: of each user all that is asked, or nothing.
  func alterUserScramCredentials(
    _ request: AlterUserScramCredentialsRequest, _ context: RequestContext
  ) -> HandlerResult<AlterUserScramCredentialsResponse> {
    let pending = context.pending(AlterUserScramCredentialsResponse.self)
    let asked = ScramAlteration.all(request)
    let sendOn: @Sendable (BrokerID) -> Void = { controller in
      self.peers.send(request, to: controller, purpose: .control) { result in
        switch result {
        case .success(let response): pending.complete(response)
        case .failure(let error):
          pending.complete(.with { $0.results = asked.map { $0.result(ApiError(.notController, "\(error)")) } })
        }
      }
    }
    controller.changeCredentials(
      asked.filter { $0.refusal == nil }.map { ($0.user, $0.changed) }, elsewhere: sendOn
    ) { outcomes in
      var outcomes = outcomes[...]
      var response = AlterUserScramCredentialsResponse()
      response.results = asked.map { $0.result($0.refusal ?? outcomes.popFirst() ?? nil) }
      pending.complete(response)
    }
    return .pending
  }
}

/// What a request asks of one user's credentials.
private struct ScramAlteration: Sendable {
  var user: String
  /// The text of the new credential by mechanism; nil removes it.
  var values: [(mechanism: String, text: String?)] = []
  var refusal: ApiError?

  /// One for each user, in the order in which the request names them.
  static func all(_ request: AlterUserScramCredentialsRequest) -> [ScramAlteration] {
    var all: [ScramAlteration] = []
    var places: [String: Int] = [:]
    func take(_ user: String, _ number: Int8, _ text: (ScramHash) throws(ApiError) -> String?) {
      let place = places[user] ?? all.count
      if place == all.count {
        places[user] = place
        all.append(ScramAlteration(user: user))
      }
      do throws(ApiError) {
        guard !user.isEmpty else { throw ApiError(.unacceptableCredential, "Username must not be empty") }
        guard let hash = ScramHash(rawValue: number) else {
          throw ApiError(.unsupportedSaslMechanism, "Unknown SCRAM mechanism")
        }
        guard !all[place].values.contains(where: { $0.mechanism == hash.mechanism.rawValue }) else {
          throw ApiError(.duplicateResource, "A user credential cannot be altered twice in the same request")
        }
        all[place].values.append((hash.mechanism.rawValue, try text(hash)))
      } catch { all[place].refusal = all[place].refusal ?? error }
    }
    for deletion in request.deletions { take(deletion.name, deletion.mechanism) { _ in nil } }
    for upsertion in request.upsertions {
      take(upsertion.name, upsertion.mechanism) { hash throws(ApiError) in
        let iterations = Int(upsertion.iterations)
        guard iterations >= ScramCredential.iterationsAllowed.lowerBound else {
          throw ApiError(.unacceptableCredential, "Too few iterations")
        }
        guard iterations <= ScramCredential.iterationsAllowed.upperBound else {
          throw ApiError(.unacceptableCredential, "Too many iterations")
        }
        guard upsertion.salt.readableBytes > 0, upsertion.saltedPassword.readableBytes == hash.byteCount else {
          throw ApiError(.unacceptableCredential, "The salt is empty, or the salted password has not the hash's length")
        }
        return ScramCredential(
          hash, saltedPassword: Array(upsertion.saltedPassword.readableBytesView),
          salt: Array(upsertion.salt.readableBytesView), iterations: iterations
        ).text
      }
    }
    return all
  }

  /// The user's values with the change.
  @Sendable func changed(_ before: [String: String]) throws(ApiError) -> [String: String] {
    var after = before
    for (mechanism, text) in values {
      if text == nil, before[mechanism] == nil {
        throw ApiError(.resourceNotFound, "Attempt to delete a user credential that does not exist")
      }
      after[mechanism] = text
    }
    return after
  }

  func result(_ refusal: ApiError?) -> AlterUserScramCredentialsResponse.Result {
    .with {
      $0.user = user
      $0.errorCode = refusal?.code ?? .none
      $0.errorMessage = refusal?.message
    }
  }
}
