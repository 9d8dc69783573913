/// ACLs of other principals, of topics that no load uses: what an authorizer looks through. Pure.
enum ForeignAcls {
  enum Limits {
    /// Of one call of `millrace acls`, and so of one request.
    static let perCall = 1000
  }

  /// One call of `millrace acls add`: each name gets one entry.
  struct Call: Equatable {
    var principal: String
    /// `literal` or `prefixed`.
    var patternType: String
    var topics: [String]

    var arguments: [String] {
      ["acls", "add", "--allow-principal", principal, "--operation", "Read", "--resource-pattern-type", patternType]
        + topics.flatMap { ["--topic", $0] }
    }
  }

  /// So many ACLs, one a topic: half of them of literal names, which are looked up, and half of prefixes, which are searched.
  static func calls(_ count: Int) -> [Call] {
    let prefixed = count / 2
    return [("literal", count - prefixed), ("prefixed", prefixed)].flatMap { type, count in
      stride(from: 0, to: count, by: Limits.perCall).enumerated().map { place, first in
        Call(
          principal: "User:other-\(type)-\(place)", patternType: type,
          topics: (first..<min(first + Limits.perCall, count)).map { "others-\(type)-\($0)" })
      }
    }
  }
}
