import ArgumentParser
import Lab

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "What on this machine spoils a measurement, and how to mend it.",
    discussion: "Exit code 0 when nothing is bad, 69 otherwise.")

  @Option(help: "A path on the disk that experiments use.") var data = "."
  @Flag(help: "The machine's manifest as JSON instead.") var json = false

  func run() throws {
    try Stop.translating {
      let machine = Machine.read(data: data)
      if json {
        Terminal.say(String(try machine.json().dropLast()))
        return
      }
      let findings = Doctor(machine, hasTool: { Tool.path(of: $0) != nil }).findings
      for finding in findings {
        let mark =
          switch finding.grade {
          case .good: Terminal.paint("good", .green)
          case .note: Terminal.paint("note", .yellow)
          case .bad: Terminal.paint("bad ", .red)
          }
        Terminal.say("\(mark)  \(Terminal.pad(finding.subject, 24)) \(finding.found)")
        if !finding.remedy.isEmpty {
          Terminal.say("      \(Terminal.pad("", 24)) \(Terminal.paint(finding.remedy, .grey))")
        }
      }
      if findings.contains(where: { $0.grade == .bad }) { throw Exit.unavailable }
    }
  }
}
