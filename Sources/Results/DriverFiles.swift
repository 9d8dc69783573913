import Base
package import Experiment
import Foundation

/// The drivers of brokers: `brokers/NAME.yaml` beside the definitions, and Millrace's own, which needs no file.
package struct DriverFiles: Sendable {
  package let directory: String

  /// - Parameter experiments: the directory of definitions.
  package init(experiments: String) { directory = "\(experiments)/brokers" }

  /// In alphabetical order.
  package var names: [String] {
    let files = (SmallFile.entries(of: directory) ?? []).filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }
    return Set(files + [BrokerDriver.millrace.name]).sorted()
  }

  package func read(_ name: String) throws(DefinitionError) -> BrokerDriver {
    if name == BrokerDriver.millrace.name { return .millrace }
    let path = "\(directory)/\(name).yaml"
    guard !name.contains("/"), let yaml = SmallFile.read(path) else {
      throw DefinitionError(
        file: directory, line: 0, column: 0, key: "",
        message: "no broker is called `\(name)`: there are drivers of \(names.joined(separator: ", "))",
        suggestion: Spelling.nearest(to: name, among: names))
    }
    let driver = try BrokerDriver(file: path, yaml: yaml)
    guard driver.name == name else {
      throw DefinitionError(
        file: path, line: 0, column: 0, key: "name", message: "`\(driver.name)` asks for \(driver.name).yaml")
    }
    return driver
  }
}
