import ArgumentParser
import Experiment
import Foundation
import Results
import Runner

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Find what distorts measurements on this machine, and how to fix it.",
    discussion: """
      Each finding is good, a note (it keeps a result from being quoted) or bad (it spoils it), with the command that
      mends it. Exit code 0 when nothing is bad, 69 otherwise.

      EXAMPLES
        millrace doctor
        millrace doctor --data /mnt/disk --json
      """)

  @Option(help: "A path on the disk that experiments use.") var data = "."
  @Flag(help: "Print findings and the machine's manifest as JSON.") var json = false

  func run() throws {
    try Stop.translating {
      let machine = Machine.read(data: data)
      let findings = Doctor(machine, congestionControls: .read(), hasTool: { Tool.path(of: $0) != nil }).findings
      if json {
        let manifest = try JSONSerialization.jsonObject(with: Data(machine.json().utf8))
        try Terminal.answer(
          JSONText.of([
            "machine": manifest,
            "findings": findings.map {
              ["grade": $0.grade.rawValue, "subject": $0.subject, "found": $0.found, "remedy": $0.remedy]
            },
          ]))
        if findings.contains(where: { $0.grade == .bad }) { throw Exit.unavailable }
        return
      }
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
