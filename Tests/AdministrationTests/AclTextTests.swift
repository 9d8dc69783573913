import Base
import Model
import Security
import Testing

@testable import Administration

@Suite("ACLs as text and JSON")
struct AclTextTests {
  private let alice = Principal(name: "alice")

  private func acl(
    _ name: String, _ operation: AclOperation, _ kind: ResourcePattern.Kind = .literal,
    _ permission: AclEntry.Permission = .allow, type: ResourceType = .topic, host: String = "*"
  ) -> Acl {
    Acl(ResourcePattern(type, name, kind), AclEntry(permission, alice, operation, host: host))
  }

  @Test("a list has each resource once, as kafka-acls shows it, in the order of their types and names, each entry once")
  func list() {
    let answer = AclText.list([
      acl("g", .read, type: .group), acl("t", .write), acl("b", .read, .prefixed), acl("t", .read, host: "192.0.2.1"),
      acl("t", .write),
    ])
    #expect(
      answer.lines == [
        "Current ACLs for resource `ResourcePattern(resourceType=TOPIC, name=b, patternType=PREFIXED)`:",
        "  (principal=User:alice, host=*, operation=READ, permissionType=ALLOW)",
        "Current ACLs for resource `ResourcePattern(resourceType=TOPIC, name=t, patternType=LITERAL)`:",
        "  (principal=User:alice, host=*, operation=WRITE, permissionType=ALLOW)",
        "  (principal=User:alice, host=192.0.2.1, operation=READ, permissionType=ALLOW)",
        "Current ACLs for resource `ResourcePattern(resourceType=GROUP, name=g, patternType=LITERAL)`:",
        "  (principal=User:alice, host=*, operation=READ, permissionType=ALLOW)",
      ])
    #expect(answer.json.asArray?.count == 4)
    #expect(
      answer.document.hasPrefix(
        #"[{"resource_type":"Topic","resource_name":"b","pattern_type":"prefixed","principal":"User:alice","#
          + #""host":"*","operation":"Read","permission":"Allow"},"#))
    #expect(AclText.list([]).lines.isEmpty && AclText.list([]).document == "[]")
  }

  @Test("what was refused is left out of what was added, and told with its reason")
  func refused() {
    let (good, bad) = (acl("t", .write), acl("t", .delete, .literal, .deny))
    let answer = AclText.changed(
      "Adding", "added", [good, bad], [(bad, .clusterAuthorizationFailed, "not you")])
    #expect(answer.isRefused)
    #expect(answer.lines.count == 2 && answer.lines[1].contains("WRITE"))
    #expect(answer.notes.count == 1 && answer.notes[0].contains("operation=DELETE, permissionType=DENY"))
    #expect(answer.notes[0].contains("not you"))
    #expect(answer.json["added"]?.asArray?.count == 1)
    #expect(answer.json["refused"]?.asArray?[0]["error"] == .string(ErrorCode.clusterAuthorizationFailed.name))
    #expect(answer.json["refused"]?.asArray?[0]["acl"]?["permission"]?.asString == "Deny")
  }

  @Test("entries stand for every operation and host where none is named; a wrong name is told with one like it")
  func entries() throws {
    let entries = try AclEntries(
      operations: [], allowed: ["User:a", "User:b"], denied: ["User:c"], allowedHosts: ["h1", "h2"], deniedHosts: [])
    #expect(entries.all.count == 5 && entries.all.allSatisfy { $0.operation == .all })
    #expect(entries.all.last == AclEntry(.deny, Principal(name: "c"), .all, host: "*"))
    let wrong = #expect(throws: AdministrationError.self) {
      try AclEntries(operations: ["Raed"], allowed: [], denied: [], allowedHosts: [], deniedHosts: [])
    }
    #expect(wrong?.isOfArguments == true && wrong?.description.contains("Read") == true)
    #expect(throws: AdministrationError.self) {
      try AclEntries(operations: [], allowed: ["alice"], denied: [], allowedHosts: [], deniedHosts: [])
    }
  }

  @Test("resources: additions need a name and a kind of pattern; a filter without a name finds all")
  func resources() throws {
    var resources = AclResources(patternType: "prefixed")
    #expect(throws: AdministrationError.self) { try resources.patterns() }
    resources.topics = ["a"]
    resources.isCluster = true
    #expect(
      try resources.patterns() == [
        ResourcePattern(.topic, "a", .prefixed), ResourcePattern(.cluster, ResourcePattern.clusterName, .literal),
      ])
    resources.patternType = "match"
    #expect(throws: AdministrationError.self) { try resources.patterns() }
    #expect(try resources.filters().count == 2)
    #expect(try AclResources(patternType: "literal").filters().count == 1)
    #expect(throws: AdministrationError.self) { try AclResources(patternType: "some").filters() }
  }
}
