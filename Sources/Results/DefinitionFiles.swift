import Base
package import Experiment
import Foundation
import Mechanisms

/// The definitions of a directory: `NN-name.yaml`, found by name, number or id; others by their paths.
package struct DefinitionFiles: Sendable {
  package let directory: String

  package init(directory: String) { self.directory = directory }

  /// Paths in order of their numbers.
  package func paths() throws(DefinitionError) -> [String] {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: directory)
    } catch {
      throw DefinitionError(
        file: directory, line: 0, column: 0, key: "",
        message: "no directory of experiments here (run millrace at the project's top, or give --experiments)")
    }
    return names.filter { $0.hasSuffix(".yaml") }.sorted().map { "\(directory)/\($0)" }
  }

  /// One definition.
  package static func read(_ path: String) throws(DefinitionError) -> Experiment {
    guard FileManager.default.fileExists(atPath: path) else {
      throw DefinitionError(file: path, line: 0, column: 0, key: "", message: "there is no such file")
    }
    let yaml: String
    do {
      yaml = try String(contentsOfFile: path, encoding: .utf8)
    } catch {
      throw DefinitionError(file: path, line: 0, column: 0, key: "", message: "cannot be read")
    }
    return try Experiment(file: path, yaml: yaml, mechanisms: MechanismList.descriptions)
  }

  /// All definitions, each in a file that is called by its number and name; the first bad one throws.
  package func all() throws(DefinitionError) -> [(path: String, experiment: Experiment)] {
    var found: [(path: String, experiment: Experiment)] = []
    for path in try paths() {
      let experiment = try Self.read(path)
      let stem = path.split(separator: "/").last.map { String($0.dropLast(5)) } ?? ""
      guard stem == experiment.stem else {
        throw DefinitionError(
          file: path, line: 0, column: 0, key: "name", message: "number and name ask for \(experiment.stem).yaml")
      }
      found.append((path, experiment))
    }
    return found
  }

  /// By name (`zero-copy`), stem (`11-zero-copy`), id (`E11`), number (`11`), or by path (`mine/group-commit.yaml`), which may
  /// lead out of the directory.
  package func find(_ words: [String]) throws(DefinitionError) -> [(path: String, experiment: Experiment)] {
    let all = words.allSatisfy(Self.isPath) ? [] : try all()
    var found: [(path: String, experiment: Experiment)] = []
    for word in words {
      if Self.isPath(word) {
        if !found.contains(where: { $0.path == word }) { found.append((word, try Self.read(word))) }
        continue
      }
      let match = all.first { _, experiment in
        [experiment.name, experiment.stem, String(experiment.number)].contains(word)
          || experiment.id.lowercased() == word.lowercased()
      }
      guard let match else {
        let names = all.map(\.experiment.name)
        throw DefinitionError(
          file: directory, line: 0, column: 0, key: "", message: "no experiment is called `\(word)`",
          suggestion: Spelling.nearest(to: word, among: names))
      }
      if !found.contains(where: { $0.path == match.path }) { found.append(match) }
    }
    return found
  }

  /// No name of an experiment has a slash or a dot.
  private static func isPath(_ word: String) -> Bool {
    word.contains("/") || [".yaml", ".yml"].contains { word.hasSuffix($0) }
  }
}
