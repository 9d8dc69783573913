package import Experiment
import Foundation
import Glibc
import Results

/// A broker as a person has it: whether its directory holds what the driver needs, and which version it is.
extension BrokerUnderTest {
  /// Says what is missing, and where.
  package struct Missing: Error, Equatable, CustomStringConvertible {
    package let description: String
  }

  /// - Parameter directory: as given, nil where none was; its path is made absolute, for programs are started in others.
  /// - Throws: when the broker cannot be started from there. Nothing has been started then but a program that tells its version.
  package init(installed driver: BrokerDriver, directory: String?) throws(Missing) {
    let isOwn = directory == nil && driver == .millrace
    guard let directory else {
      guard isOwn || driver.needs.isEmpty else {
        throw Missing(
          description: "--broker \(driver.name): a directory is needed, as \(driver.name)=DIR; it has to hold "
            + driver.needs.joined(separator: ", "))
      }
      self.init(driver: driver, version: isOwn ? nil : Self.version(of: driver, in: ""))
      return
    }
    let path = URL(fileURLWithPath: directory).standardizedFileURL.path
    guard Self.isDirectory(path) else {
      throw Missing(description: "--broker \(driver.name)=\(directory): there is no such directory")
    }
    if let lacking = driver.needs.first(where: { access("\(path)/\($0)", F_OK) != 0 }) {
      throw Missing(
        description: "--broker \(driver.name)=\(directory): \(lacking) is missing; a directory of \(driver.label) has "
          + driver.needs.joined(separator: ", "))
    }
    let programs = ([driver.command] + driver.before + driver.companions.map(\.command)).compactMap(\.first)
    let own = programs.filter { $0.hasPrefix("{directory}/") }.map { $0.replacing("{directory}", with: path) }
    if let locked = own.first(where: { access($0, X_OK) != 0 }) {
      throw Missing(
        description:
          "--broker \(driver.name)=\(directory): \(locked) is not there or may not be run (chmod +x \(locked))")
    }
    let version = Self.version(of: driver, in: path)
    // Of another build of Millrace the directory's name tells it from this one.
    let name = driver == .millrace ? path.split(separator: "/").last.map(String.init) : nil
    self.init(driver: driver, directory: path, version: version ?? name)
  }

  private static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private static func version(of driver: BrokerDriver, in directory: String) -> String? {
    guard let source = driver.version else { return nil }
    if let pattern = source.file { return version(named: pattern, in: directory) }
    let words = source.command.map { $0.replacing("{directory}", with: directory) }
    guard let program = words.first else { return nil }
    let said = Tool.output(program, Array(words.dropFirst()))?.split(separator: "\n").first
    return said?.split(separator: " ").last.map(String.init)
  }

  /// Of `libs/kafka-clients-{version}.jar`: what stands there in the first file whose version begins with a digit.
  static func version(named pattern: String, in directory: String) -> String? {
    let parts = pattern.split(separator: "/").map(String.init)
    guard let last = parts.last, let mark = last.range(of: "{version}") else { return nil }
    let (head, tail) = (last[..<mark.lowerBound], last[mark.upperBound...])
    let folder = ([directory] + parts.dropLast()).joined(separator: "/")
    return (SmallFile.entries(of: folder) ?? []).lazy
      .filter { $0.hasPrefix(head) && $0.hasSuffix(tail) && $0.count > head.count + tail.count }
      .map { String($0.dropFirst(head.count).dropLast(tail.count)) }.first { $0.first?.isNumber == true }
  }
}

extension ProcessRunner {
  /// A setting that a broker leaves to the kernel means the same only where the kernel has it so.
  func kernelObstacle(to arm: Arm) -> String? {
    guard let through = arm.broker, let cell = Matrix(experiment).cells.first(where: { $0.arm == arm.name }) else {
      return nil
    }
    let values = RunValues(PlannedRun(order: 0, replicate: 1, cell: cell), of: experiment)
    for broker in experiment.brokers {
      for setting in values.filled(through.settings) {
        guard let name = broker.driver.settings.kernel[setting.name],
          let own = SmallFile.line("/proc/sys/\(name.replacing(".", with: "/"))"), own != setting.value.text
        else { continue }
        return
          "it asks for \(setting.name)=\(setting.value), which \(broker.driver.label) leaves to the kernel, and that has "
          + "\(own) (sysctl -w \(name)=\(setting.value) changes it for all programs)"
      }
    }
    return nil
  }
}
