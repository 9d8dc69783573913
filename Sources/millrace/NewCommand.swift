import ArgumentParser
import Experiment
import Foundation
import Results

struct NewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "Write a commented definition to start an experiment from.",
    discussion: """
      The definition is complete: plan accepts it and run runs it, before a word is changed. Its comments say what each
      part is for; docs/experiments.md lists every key. A file that is there is never overwritten.

      EXAMPLES
        millrace new group-commit
        millrace new group-commit --number 42 --experiments mine
      """)

  @Argument(help: "The experiment's name, for millrace run: small letters, digits and dashes.") var name: String
  @Option(help: "Its unique number; default: the next free one.") var number: Int?
  @OptionGroup var places: Places

  func run() throws {
    try Stop.translating {
      guard NewDefinition.isName(name) else {
        throw ValidationError("invalid name '\(name)': expected small letters, digits and dashes, a letter first")
      }
      try FileManager.default.createDirectory(atPath: places.experiments, withIntermediateDirectories: true)
      let others = try places.files.all().map(\.experiment)
      if let other = others.first(where: { $0.name == name }) {
        throw Stop(Exit.badData, "\(places.experiments)/\(other.stem).yaml already exists with this name")
      }
      let free = number ?? (others.map(\.number).max() ?? 0) + 1
      guard NewDefinition.numbers.contains(free) else {
        throw ValidationError(
          "--number \(free): \(NewDefinition.numbers.lowerBound) to \(NewDefinition.numbers.upperBound)")
      }
      if let other = others.first(where: { $0.number == free }) {
        throw Stop(Exit.badData, "number \(free) is \(places.experiments)/\(other.stem).yaml")
      }
      let path = "\(places.experiments)/\(free < 10 ? "0" : "")\(free)-\(name).yaml"
      try SmallFile.replace(path, NewDefinition.text(number: free, name: name))
      Terminal.say("\(path)\nnext: millrace plan \(name) --profile quick; millrace run \(name) --profile quick")
    }
  }
}
