import Testing

@testable import Broker

/// `millrace-broker --print-config`.
@Suite("The commented server.properties")
struct ConfigTemplateTests {
  @Test("has every key that has an effect, once, and is the configuration of defaults")
  func defaults() throws {
    let text = ConfigTemplate.text()
    let names = text.split(separator: "\n").filter { $0.hasPrefix("#") && !$0.hasPrefix("# ") && !$0.hasPrefix("#=") }
      .map { String($0.dropFirst().prefix { $0 != "=" }) }
    #expect(Set(names) == Set(ConfigKeys.all.filter { $0.effect == .acted }.map(\.name)))
    #expect(names.count == Set(names).count, "a key is there twice")
    let read = try ConfigFile.parse(text, name: "t")
    #expect(read.warnings.isEmpty && read.config.given.isEmpty)
  }

  @Test("may have the comment of every key with a default taken away, and says the same then")
  func uncommented() throws {
    let lines = ConfigTemplate.text().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let live = lines.map { line in
      let name = line.dropFirst().prefix { $0 != "=" }
      guard line.hasPrefix("#"), let value = ConfigKeys.named[String(name)]?.defaultValue else { return line }
      #expect(line == "#\(name)=\(value)", "the default is not what the comment says")
      return String(line.dropFirst())
    }
    // Two keys contradict others once they are given, whatever their values.
    let config = try ConfigFile.parse(live.joined(separator: "\n"), name: "t").config
    for key in ConfigKeys.all where key.effect == .acted && key.defaultValue != nil {
      #expect(config.values.text(key.name) == key.defaultValue, "\(key.name)")
    }
  }

  @Test("sets what it was given, unknown keys too, and never shows a secret")
  func given() throws {
    let values = ["broker.id": "7", "log.dirs": "/a b,/c\\d", "some.other": "x"]
    let text = ConfigTemplate.text(given: values)
    #expect(text.contains("\nbroker.id=7\n") && text.contains("\nlog.dirs=/a b,/c\\\\d\n"))
    #expect(try ConfigFile.parse(text, name: "t").config.given == values)
    for key in ConfigKeys.all where key.isSensitive && key.effect == .acted {
      #expect(!ConfigTemplate.text(given: [key.name: "hunter2"]).contains("hunter2"), "\(key.name)")
    }
  }
}
