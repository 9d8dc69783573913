import ArgumentParser
import Experiment
import Results
import Runner

/// Names the brokers that a campaign runs with.
struct BrokerOptions: ParsableArguments {
  @Option(
    name: .customLong("broker"),
    help: ArgumentHelp(
      "A broker to measure, NAME=DIR (a driver of EXPERIMENTS/brokers, and where the broker is installed); millrace alone is our own. Repeat it for `versus`.",
      valueName: "name[=dir]"))
  var given: [String] = []

  func validate() throws {
    let names = try given.map { try Self.parts($0).name }
    for (index, name) in names.enumerated() where names[..<index].contains(name) {
      throw ValidationError("--broker \(name): given twice; each broker takes part once")
    }
  }

  private static func parts(_ text: String) throws -> (name: String, directory: String?) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let name = parts.first, !name.isEmpty, parts.count < 2 || !parts[1].isEmpty else {
      throw ValidationError("--broker \(text): NAME=DIR is needed, such as kafka=/opt/kafka, or millrace")
    }
    return (name, parts.count > 1 ? parts[1] : nil)
  }

  /// Looks each up and at its directory; nil where none is given. Exit code 65 for an unknown or wrong driver, 69 where the broker is
  /// not installed as its driver says.
  func installed(_ places: Places) throws -> [BrokerUnderTest]? {
    guard !given.isEmpty else { return nil }
    let drivers = DriverFiles(experiments: places.experiments)
    return try given.map { text in
      let (name, directory) = try Self.parts(text)
      return try BrokerUnderTest.installed(try drivers.read(name), at: directory)
    }
  }
}

extension BrokerUnderTest {
  /// Exit code 69 where it is not installed as its driver says.
  static func installed(_ driver: BrokerDriver, at directory: String?) throws -> BrokerUnderTest {
    do {
      return try BrokerUnderTest(installed: driver, directory: directory)
    } catch {
      throw Stop(Exit.unavailable, "\(error)")
    }
  }

  /// As it was when an interrupted campaign began: a campaign whose broker has changed meanwhile cannot go on.
  func stillInstalled() throws {
    let now = try Self.installed(driver, at: directory)
    guard now.version == version else {
      throw Stop(
        Exit.badData,
        "the interrupted campaign measured \(label), and \(directory ?? "the PATH") has \(now.label): a result is of one version"
      )
    }
  }
}

extension Experiment {
  /// Lines that say which brokers take part, and from where; none where Millrace runs as usual.
  var brokerLines: [String] {
    var lines = brokers.map { broker in
      "broker \(broker.level): \(broker.label)\(broker.directory.map { ", \($0)" } ?? ", this build")"
    }
    if let only = brokers.first, brokers.count == 1, foreignBroker == nil, factor(named: BrokerFactor.name) != nil {
      lines.append(Self.alone(only))
    }
    for arm in arms {
      if let reason = obstacle(toBrokersOf: arm) { lines.append("left out: \(arm.name), for \(reason)") }
    }
    return lines
  }
}
