import Security

/// The authorizer (`authorizer.class.name`).
package enum AuthorizerClass: String, ConfigChoice {
  case none = ""
  case acl = "kafka.security.authorizer.AclAuthorizer"
  /// Its name before Kafka 2.4.
  case simple = "kafka.security.auth.SimpleAclAuthorizer"
}

/// Who may do what, and how much of it. Sources: as in `BrokerKeys.swift`; `allow.everyone.if.no.acl.found` is a key of Kafka's AclAuthorizer.
package struct AccessKeys: KeyTable {
  let authorizerClass = Key<AuthorizerClass>(
    "authorizer.class.name", .none,
    "The authorizer: kafka.security.authorizer.AclAuthorizer, or kafka.security.auth.SimpleAclAuthorizer as it was once called, checks requests against the ACLs in the z-nodes. If empty, everybody may do everything."
  )
  let superUsers = Key<String?>(
    "super.users", nil,
    "The principals that may do everything, separated by semicolons: User:admin;User:broker. The principals of the brokers belong here, or need ClusterAction on the cluster."
  )
  let allowsEveryoneWithoutAcl = Key(
    "allow.everyone.if.no.acl.found", false,
    "Whether everybody may do everything with a resource that no ACL is about. Otherwise only super users may.")
  let quotaWindowCount = Key(
    "quota.window.num", 11, .between(1, 10_000), "The number of samples that client quotas keep.")
  let quotaWindowSeconds = Key(
    "quota.window.size.seconds", 1, .atLeast(1), "The time span in seconds of a client quota sample.")
  let controllerQuotaWindowCount = Key(
    "controller.quota.window.num", 11, .between(1, 10_000),
    "The number of samples that controller mutation quotas keep.")
  let controllerQuotaWindowSeconds = Key(
    "controller.quota.window.size.seconds", 1, .atLeast(1),
    "The time span in seconds of a controller mutation quota sample.")
}

extension Config {
  /// The authorizer before it has read any ACL; nil where there is none.
  ///
  /// - Throws: for super users that are no principals.
  static func authorizer(_ values: ConfigValues) throws(ConfigError) -> Authorizer? {
    guard values[Keys.access.authorizerClass] != .none else { return nil }
    var superUsers: Set<Principal> = []
    for text in (values[Keys.access.superUsers] ?? "").split(separator: ";") {
      let text = text.trimmingSpaces()
      guard !text.isEmpty else { continue }
      guard let principal = Principal(parsing: text) else {
        throw ConfigError(
          "super.users: \(text) is no principal; one is written User:name, and several are separated by ;")
      }
      superUsers.insert(principal)
    }
    return Authorizer(
      superUsers: superUsers, allowsEveryoneWithoutAcl: values[Keys.access.allowsEveryoneWithoutAcl])
  }
}
