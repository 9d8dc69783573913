import Base
import Security
import Testing

@Suite struct AuthorizerTests {
  private let alice = Requester(Principal(name: "alice"), host: "192.0.2.1")
  private let bob = Requester(Principal(name: "bob"), host: "192.0.2.2")

  private func allow(
    _ who: Requester, _ operation: AclOperation, _ type: ResourceType, _ name: String,
    _ kind: ResourcePattern.Kind = .literal, host: String = "*"
  ) -> Acl {
    Acl(ResourcePattern(type, name, kind), AclEntry(.allow, who.principal, operation, host: host))
  }

  private func deny(
    _ who: Requester, _ operation: AclOperation, _ type: ResourceType, _ name: String,
    _ kind: ResourcePattern.Kind = .literal, host: String = "*"
  ) -> Acl {
    Acl(ResourcePattern(type, name, kind), AclEntry(.deny, who.principal, operation, host: host))
  }

  @Test func `without an ACL only super users may do anything`() {
    let authorizer = Authorizer(superUsers: [alice.principal])
    #expect(authorizer.allows(alice, .write, on: .topic, "t"))
    #expect(!authorizer.allows(bob, .write, on: .topic, "t"))
  }

  @Test func `everyone may use what no ACL is about where the configuration says so, and nothing else`() {
    let authorizer = Authorizer(allowsEveryoneWithoutAcl: true, [allow(alice, .read, .topic, "t")])
    #expect(authorizer.allows(bob, .write, on: .topic, "other"))
    #expect(!authorizer.allows(bob, .read, on: .topic, "t"))
    #expect(authorizer.allows(alice, .read, on: .topic, "t"))
  }

  @Test func `a deny counts before an allow, by whichever pattern either comes`() {
    let authorizer = Authorizer([
      allow(alice, .all, .topic, "*"), deny(alice, .write, .topic, "secret-", .prefixed),
      deny(alice, .read, .topic, "t"),
    ])
    #expect(authorizer.allows(alice, .write, on: .topic, "t"))
    #expect(!authorizer.allows(alice, .read, on: .topic, "t"))
    #expect(!authorizer.allows(alice, .write, on: .topic, "secret-1"))
    #expect(authorizer.allows(alice, .read, on: .topic, "secret-1"))
  }

  @Test(arguments: [AclOperation.read, .write, .delete, .alter])
  func `who may read, write, delete or alter may look`(operation: AclOperation) {
    let authorizer = Authorizer([allow(alice, operation, .topic, "t")])
    #expect(authorizer.allows(alice, .describe, on: .topic, "t"))
    #expect(!authorizer.allows(alice, .describeConfigs, on: .topic, "t"))
    let denied = Authorizer([allow(alice, operation, .topic, "t"), deny(alice, .describe, .topic, "t")])
    #expect(!denied.allows(alice, .describe, on: .topic, "t"))
    #expect(denied.allows(alice, operation, on: .topic, "t"))
  }

  @Test func `who may alter configurations may look at them, and at nothing else`() {
    let authorizer = Authorizer([allow(alice, .alterConfigs, .topic, "t")])
    #expect(authorizer.operations(alice, on: .topic, "t") == OperationSet([.alterConfigs, .describeConfigs]))
  }

  @Test func `an entry of a host is for connections from there`() {
    let authorizer = Authorizer([
      allow(alice, .read, .topic, "t", host: "192.0.2.1"), allow(bob, .read, .topic, "t"),
      deny(bob, .read, .topic, "t", host: "192.0.2.2"),
    ])
    #expect(authorizer.allows(alice, .read, on: .topic, "t"))
    #expect(!authorizer.allows(Requester(alice.principal, host: "192.0.2.9"), .read, on: .topic, "t"))
    #expect(!authorizer.allows(bob, .read, on: .topic, "t"))
    #expect(authorizer.allows(Requester(bob.principal, host: "192.0.2.9"), .read, on: .topic, "t"))
  }

  @Test func `an entry of every principal is for all, also of other types`() {
    let authorizer = Authorizer([
      Acl(ResourcePattern(.topic, "t"), AclEntry(.allow, AclEntry.anyPrincipal, .read))
    ])
    #expect(authorizer.allows(Requester(Principal(type: "Group", name: "g"), host: "h"), .read, on: .topic, "t"))
  }

  @Test func `a resource is of one type, and its name is compared with upper and lower case`() {
    let authorizer = Authorizer([allow(alice, .read, .topic, "t")])
    #expect(!authorizer.allows(alice, .read, on: .group, "t"))
    #expect(!authorizer.allows(alice, .read, on: .topic, "T"))
  }

  @Test func `a right on some topic is found by literal names, prefixes and the wildcard`() {
    #expect(Authorizer([allow(alice, .write, .topic, "t")]).allowsOnAny(alice, .write, of: .topic))
    #expect(Authorizer([allow(alice, .all, .topic, "a", .prefixed)]).allowsOnAny(alice, .write, of: .topic))
    #expect(!Authorizer([allow(alice, .read, .topic, "t")]).allowsOnAny(alice, .write, of: .topic))
    #expect(!Authorizer([allow(bob, .write, .topic, "t")]).allowsOnAny(alice, .write, of: .topic))
    let denied = [
      allow(alice, .write, .topic, "ab", .prefixed), allow(alice, .write, .topic, "x"),
      deny(alice, .write, .topic, "a", .prefixed), deny(alice, .write, .topic, "x"),
    ]
    #expect(!Authorizer(denied).allowsOnAny(alice, .write, of: .topic))
    #expect(Authorizer(denied + [allow(alice, .write, .topic, "y")]).allowsOnAny(alice, .write, of: .topic))
    #expect(
      !Authorizer([allow(alice, .write, .topic, "y"), deny(alice, .write, .topic, "*")])
        .allowsOnAny(alice, .write, of: .topic))
  }

  @Test func `a change replaces the entries of a pattern, and no others`() {
    let before = Authorizer([allow(alice, .read, .topic, "a", .prefixed), allow(bob, .read, .topic, "b")])
    let pattern = ResourcePattern(.topic, "a", .prefixed)
    let after = before.replacing([pattern: [AclEntry(.allow, bob.principal, .read)]])
    #expect(before.allows(alice, .read, on: .topic, "ab"))
    #expect(!after.allows(alice, .read, on: .topic, "ab"))
    #expect(after.allows(bob, .read, on: .topic, "ab") && after.allows(bob, .read, on: .topic, "b"))
    let none = after.replacing([pattern: []])
    #expect(!none.allows(bob, .read, on: .topic, "ab"))
    #expect(none.count == 1)
  }

  // MARK: Filters

  @Test func `a filter of the kind match finds what is about a resource, one of the kind any what has its name`() {
    let authorizer = Authorizer([
      allow(alice, .read, .topic, "abc"), allow(alice, .read, .topic, "ab", .prefixed),
      allow(alice, .read, .topic, "abc", .prefixed), allow(alice, .read, .topic, "*"),
      allow(alice, .read, .topic, "x", .prefixed), allow(alice, .read, .group, "abc"),
    ])
    func names(_ filter: ResourceFilter) -> [String] {
      authorizer.patterns(matching: filter).map { "\($0.type.name) \($0.kind.constantName) \($0.name)" }
    }
    #expect(
      names(ResourceFilter(type: .topic, name: "abc", kind: .match))
        == ["Topic LITERAL *", "Topic PREFIXED ab", "Topic LITERAL abc", "Topic PREFIXED abc"])
    #expect(
      names(ResourceFilter(type: .topic, name: "abc", kind: .any)) == ["Topic LITERAL abc", "Topic PREFIXED abc"])
    #expect(
      names(ResourceFilter(name: "abc", kind: .literal)) == ["Topic LITERAL abc", "Group LITERAL abc"])
    #expect(names(ResourceFilter(type: .topic, name: "ab", kind: .prefixed)) == ["Topic PREFIXED ab"])
    #expect(names(ResourceFilter()).count == 6)
    #expect(names(ResourceFilter(type: .cluster)).isEmpty)
  }

  // MARK: The index

  /// The rules, entry by entry.
  private func slowly(_ acls: [Acl], _ who: Requester, _ operation: AclOperation, _ type: ResourceType, _ name: String)
    -> Bool
  {
    let filter = ResourceFilter(type: type, name: name, kind: .match)
    let entries = acls.filter { filter.matches($0.pattern) }.map(\.entry).filter {
      ($0.principal == who.principal || $0.principal == AclEntry.anyPrincipal)
        && ($0.host == who.host || $0.host == "*")
    }
    if entries.contains(where: { $0.permission == .deny && ($0.operation == operation || $0.operation == .all) }) {
      return false
    }
    let enough: Set<AclOperation> =
      switch operation {
      case .describe: [.describe, .read, .write, .delete, .alter, .all]
      case .describeConfigs: [.describeConfigs, .alterConfigs, .all]
      default: [operation, .all]
      }
    return entries.contains { $0.permission == .allow && enough.contains($0.operation) }
  }

  @Test(arguments: 1...20)
  func `the index decides as a look at every entry does`(seed: UInt64) {
    var random = SplitMix(seed: seed)
    // Few letters, so that names are prefixes of each other.
    func name() -> String {
      String((0..<Int.random(in: 1...4, using: &random)).map { _ in "ab".randomElement(using: &random) ?? "a" })
    }
    let principals = ["alice", "bob", "*"].map { Principal(name: $0) }
    let hosts = ["h", "i", "*"]
    let operations: [AclOperation] = [.all, .read, .write, .describe, .alterConfigs, .describeConfigs]
    let acls = (0..<Int.random(in: 0...40, using: &random)).map { _ in
      let kind: ResourcePattern.Kind = Bool.random(using: &random) ? .literal : .prefixed
      let named = Int.random(in: 0...9, using: &random) == 0 && kind == .literal ? "*" : name()
      return Acl(
        ResourcePattern(Bool.random(using: &random) ? .topic : .group, named, kind),
        AclEntry(
          Int.random(in: 0...3, using: &random) == 0 ? .deny : .allow, principals.randomElement(using: &random)!,
          operations.randomElement(using: &random)!, host: hosts.randomElement(using: &random)!))
    }
    let whole = Authorizer(acls)
    // The same by changes, one after another.
    var changed = Authorizer()
    for acl in acls { changed = changed.replacing([acl.pattern: changed.entries(of: acl.pattern).union([acl.entry])]) }
    for _ in 0..<200 {
      let who = Requester(
        principals[Int.random(in: 0...1, using: &random)], host: hosts[Int.random(in: 0...1, using: &random)])
      let operation = operations[Int.random(in: 1..<operations.count, using: &random)]
      let asked = name()
      let expected = slowly(acls, who, operation, .topic, asked)
      #expect(
        whole.allows(who, operation, on: .topic, asked) == expected,
        "seed \(seed): \(who) \(operation) \(asked) in \(acls)")
      #expect(
        changed.allows(who, operation, on: .topic, asked) == expected,
        "seed \(seed), by changes: \(who) \(operation) \(asked)")
    }
  }

  @Test func `a check among 10,000 ACLs takes microseconds`() {
    var acls: [Acl] = []
    for number in 0..<4_000 {
      acls.append(
        Acl(
          ResourcePattern(.topic, "team-\(number)-", .prefixed), AclEntry(.allow, Principal(name: "u\(number)"), .write)
        ))
    }
    for number in 0..<3_000 {
      acls.append(
        Acl(ResourcePattern(.topic, "topic-\(number)"), AclEntry(.allow, Principal(name: "u\(number)"), .write)))
    }
    for number in 0..<3_000 {
      acls.append(Acl(ResourcePattern(.topic, "shared"), AclEntry(.allow, Principal(name: "u\(number)"), .read)))
    }
    let authorizer = Authorizer(acls)
    #expect(authorizer.count == 10_000)
    let names = (0..<1_000).flatMap { ["team-\($0)-orders", "topic-\($0)", "shared", "nowhere-\($0)"] }
    let requesters = (0..<50).map { Requester(Principal(name: "u\($0)"), host: "192.0.2.1") }
    var allowed = 0
    var checks = 0
    let began = Clocks.monotonicNs()
    for requester in requesters {
      for name in names {
        if authorizer.allows(requester, .write, on: .topic, name) { allowed += 1 }
        checks += 1
      }
    }
    let nsEach = Int(Clocks.monotonicNs() - began) / checks
    #expect(allowed == requesters.count * 2)
    print("authorizer: \(nsEach) ns a check among \(authorizer.count) ACLs")
    #expect(nsEach < 100_000, "even an unoptimised build on a busy machine is quicker")
  }
}
