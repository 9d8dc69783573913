import Foundation
import Glibc
import TestSupport
import Testing

/// Standard streams that cannot be written, in every program.
@Suite("A standard output that cannot be written", .serialized)
struct StandardStreamTests {
  /// A line for sh: `$0` is the program, `$@` its arguments.
  enum Fault: String, CaseIterable, CustomTestStringConvertible {
    case closed = #"exec "$0" "$@" >&-"#
    case full = #"exec "$0" "$@" >/dev/full"#
    case noReader = #"exec "$0" "$@" 1>&3 3>&-"#
    /// Inherited: the shell cannot bring a signal back that was ignored when it began, and neither can a Python program.
    case noReaderAndSignalIgnored = #"trap '' PIPE; exec "$0" "$@" 1>&3 3>&-"#

    var testDescription: String { rawValue }

    var words: String {
      switch self {
      case .closed: "Bad file descriptor"
      case .full: "No space left on device"
      case .noReader, .noReaderAndSignalIgnored: "Broken pipe"
      }
    }
  }

  private func run(_ program: String, _ arguments: [String], _ line: String) async throws -> Programs.Outcome {
    // A pipe nobody reads, made by the shell: the reader has ended before the program begins.
    let pipe = #"gone=$(mktemp -u); mkfifo "$gone"; exec 4<>"$gone" 3>"$gone" 4<&-; rm "$gone"; "#
    let path = Programs.directory.appendingPathComponent(program).path
    return try await Running(command: "/bin/sh", ["-c", pipe + line, path] + arguments).outcome()
  }

  static let short: [(program: String, arguments: [String])] = [
    ("millrace", ["--help"]), ("millrace", ["run", "--help"]), ("millrace", ["list", "--experiments", "EXPERIMENTS"]),
    ("millrace", ["list", "--json", "--experiments", "EXPERIMENTS"]),
    ("millrace", ["--generate-completion-script", "bash"]), ("millrace-broker", ["--help"]),
    ("millrace-broker", ["--version"]), ("millrace-load", ["--version"]), ("millrace", ["--version"]),
    ("millrace-load", ["--help"]),
    ("millrace-load", ["produce", "--null-sink", "--num-records", "1000", "--json"]),
  ]

  @Test("is told on standard error, once, and exit code 74 tells it to a script", arguments: short, Fault.allCases)
  func told(command: (program: String, arguments: [String]), fault: Fault) async throws {
    let experiments = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../experiments").path
    let arguments = command.arguments.map { $0 == "EXPERIMENTS" ? experiments : $0 }
    let outcome = try await run(command.program, arguments, fault.rawValue)
    let sentence = "\(command.program): standard output cannot be written: \(fault.words)\n"
    #expect(outcome.status == 74, "\(command) \(fault.rawValue): \(outcome.errors)")
    #expect(outcome.errors.components(separatedBy: sentence).count == 2, "\(command): \(outcome.errors)")
  }

  @Test("a program says which version it is", arguments: ["millrace", "millrace-broker", "millrace-load"])
  func version(program: String) async throws {
    let path = Programs.directory.appendingPathComponent(program).path
    let outcome = try await Running(command: path, ["--version"]).outcome()
    #expect(outcome.status == 0 && outcome.output.contains("0.1.0"), "\(outcome.output)\(outcome.errors)")
    #expect(outcome.output.split(separator: "\n").count == 1)
  }

  @Test("leaves the exit code 74 where standard error is gone too", arguments: short)
  func speechless(program: String, arguments: [String]) async throws {
    let experiments = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../experiments").path
    let arguments = arguments.map { $0 == "EXPERIMENTS" ? experiments : $0 }
    let lines = [
      #"exec "$0" "$@" >&- 2>&-"#, #"exec "$0" "$@" >/dev/full 2>/dev/full"#, #"exec "$0" "$@" <&- >&- 2>&-"#,
    ]
    for line in lines {
      #expect(try await run(program, arguments, line).status == 74, "\(program) \(arguments): \(line)")
    }
  }

  @Test("does not change an exit code that tells of something else")
  func otherCodes() async throws {
    for line in [#"exec "$0" "$@" >&- 2>&-"#, #"exec "$0" "$@" >/dev/full 2>/dev/full"#] {
      #expect(try await run("millrace", ["lst"], line).status == 64, "\(line)")
      #expect(try await run("millrace-broker", [], line).status == 2, "\(line)")
      #expect(try await run("millrace-load", ["produce"], line).status == 2, "\(line)")
    }
  }

  @Test("lets a campaign go on to its last run", arguments: Fault.allCases)
  func campaign(fault: Fault) async throws {
    let place = try HarnessTests.Place(bytes: 1 << 16, replicates: 1)
    let arguments = ["run", "appending", "--seed", "5", "--without", "ceiling-probe"] + place.arguments
    let outcome = try await run("millrace", arguments, fault.rawValue)
    #expect(outcome.status == 74, "\(outcome.errors)")
    #expect(outcome.errors.contains("standard output cannot be written: \(fault.words)"), "\(outcome.errors)")
    #expect(place.rows.count == 4, "\(place.text("rows.csv"))")
    #expect(place.text("journal").contains("\"end\""))
    #expect(!place.text("rows.csv").contains("millrace"), "text for standard output went into a file of the result")
  }

  @Test("does not keep a broker from serving, with all three streams closed")
  func broker() async throws {
    try await withBroker { broker in
      let outcome = try await run(
        "millrace-load",
        [
          "produce", "--bootstrap-server", broker.address, "--topic", "t", "--num-records", "1000", "--partitions", "1",
        ],
        #"exec "$0" "$@" <&- >&- 2>&-"#)
      #expect(outcome.status == 74)
      let read = try await Programs.load([
        "consume", "--bootstrap-server", broker.address, "--topic", "t", "--json", "--num-records", "1000",
      ])
      #expect(try read.json()["records"] as? Int == 1000, "\(read.errors)")
    }
  }
}
