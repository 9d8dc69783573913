import Base
import Testing
import Wire

@testable import Administration

@Suite("Quotas as text and JSON")
struct QuotaTextTests {
  private func entry(
    _ parts: [(String, String?)], _ values: [(String, Double)]
  ) -> DescribeClientQuotasResponse.Entry {
    .with { entry in
      entry.entity = parts.map { type, name in
        .with {
          $0.entityType = type
          $0.entityName = name
        }
      }
      entry.values = values.map { key, value in
        .with {
          $0.key = key
          $0.value = value
        }
      }
    }
  }

  @Test("a list has a line for each entity, its quotas by name, and defaults as such")
  func list() {
    let answer = QuotaText.list([
      entry(
        [("user", "alice"), ("client-id", nil)], [("producer_byte_rate", 1_048_576), ("consumer_byte_rate", 2.5)]),
      entry([("ip", "192.0.2.1")], [("connection_creation_rate", 20)]),
    ])
    #expect(
      answer.lines == [
        "Quota configs for user-principal 'alice', the default client-id are consumer_byte_rate=2.5, producer_byte_rate=1048576.0",
        "Quota configs for ip '192.0.2.1' are connection_creation_rate=20.0",
      ])
    #expect(
      answer.document.hasPrefix(
        #"[{"entity":{"user":"alice","client-id":null},"#
          + #""quotas":{"consumer_byte_rate":2.5,"producer_byte_rate":1048576.0}}"#))
    #expect(QuotaText.list([]).lines.isEmpty && QuotaText.list([]).document == "[]")
  }

  @Test("a change tells what was set and removed, and a dry run that nothing was")
  func changed() {
    let done = QuotaText.changed(
      [("user", "a")], added: [("producer_byte_rate", 10)], deleted: ["request_percentage"], isDryRun: false)
    #expect(done.lines == ["Completed updating config for user-principal 'a'."])
    #expect(
      done.document
        == #"{"entity":{"user":"a"},"added":{"producer_byte_rate":10.0},"deleted":["request_percentage"],"dry_run":false}"#
    )
    let dry = QuotaText.changed([("user", nil)], added: [], deleted: [], isDryRun: true)
    #expect(dry.lines == ["The change of the default user-principal is valid; nothing was changed."])
    #expect(dry.json["dry_run"] == .bool(true))
  }
}
