import Testing

/// What our sources do not call, what they do instead, and who may.
struct Ban: Sendable, CustomTestStringConvertible {
  /// Matched as whole words: an identifier's character before the first or behind the last does not count.
  let calls: [String]
  let instead: String
  /// Directories, with a slash at their ends; nil: all of Sources.
  var only: [String]?
  var exempt: [Exemption] = []

  struct Exemption: Sendable {
    /// A file or, with a slash at its end, a directory.
    let path: String
    let reason: String
  }

  var testDescription: String { calls.joined(separator: " ") }

  static let all: [Ban] = [
    Ban(
      calls: [
        "Date()", "Clock.now", "Clock().now", "Deadline.now", " .now()", "(.now()", "DispatchTime.now",
        "clock_gettime(", "gettimeofday(", "CFAbsoluteTimeGetCurrent(",
      ],
      instead: "take the time as an argument, or a clock through the initializer, so that a test can own it",
      exempt: [
        Exemption(path: "Sources/Mechanisms/SystemCall.swift", reason: "the CPU time of another thread than its own"),
        Exemption(path: "Sources/Base/Clocks.swift", reason: "the one file that reads the machine's clocks"),
      ]),
    Ban(
      calls: [
        "SystemRandomNumberGenerator", "UUID()", ".shuffled()", ".shuffle()", ".randomElement()", "arc4random",
        "getrandom(",
      ],
      instead: "use a seeded generator handed in (`using:`), so that a run can be repeated",
      exempt: [
        Exemption(
          path: "Sources/Broker/RealWorld/RealWorld.swift",
          reason: "the real world: where a real broker's ids get their randomness"),
        Exemption(
          path: "Sources/Client/CommandConfig.swift",
          reason: "nonces of a login, which must not be foreseen or come again"),
        Exemption(
          path: "Sources/millrace/UsersCommand.swift", reason: "salts of credentials, which must not be foreseen"),
        Exemption(
          path: "Sources/millrace/SimulateCommand.swift", reason: "fresh seeds are drawn, and printed to be repeated"),
      ]),
    Ban(
      calls: ["Task {", "Task(", "Task.detached", "DispatchQueue"],
      instead: "give the service one run() and its children a task group, so that nothing outlives its owner",
      exempt: [
        Exemption(path: "Sources/Load/CommandLine.swift", reason: "the one task that is the program millrace-load"),
        Exemption(
          path: "Sources/millrace/ClusterCheckCommand.swift",
          reason: "the clients, while the command's thread kills brokers; it waits for their end"),
      ]),
    Ban(
      calls: [
        ".wait()", "NIOThreadPool(", "MultiThreadedEventLoopGroup(", "import NIOPosix", "RealDisk()", "Clocks.wall",
        "Clocks.monotonic", "Clocks.nap(",
      ],
      instead: "reach the outside through the node's World, and go on when its future completes",
      only: [
        "Sources/Broker/", "Sources/Cluster/", "Sources/Coordination/", "Sources/Model/", "Sources/Storage/",
        "Sources/Wire/",
      ],
      exempt: [
        Exemption(path: "Sources/Broker/RealWorld/", reason: "the machine's own world"),
        Exemption(path: "Sources/Storage/LogDirectory.swift", reason: "what a tool that names no disk means"),
        Exemption(path: "Sources/Storage/LogDump.swift", reason: "a tool reads files beside the broker"),
        Exemption(path: "Sources/Coordination/ZNodeView.swift", reason: "a tool reads the journal beside the broker"),
        Exemption(
          path: "Sources/Coordination/ZooKeeper/",
          reason: "of the machine's own world: the C client has sockets and clocks"),
      ]),
    Ban(
      calls: ["loop.now", "simulation.loop.now"],
      instead: "ask simulation.now: without `import NIOEmbedded` it is the machine's clock, the default of `EventLoop`",
      only: ["Sources/Simulation/"],
      exempt: [
        Exemption(path: "Sources/Simulation/Simulation.swift", reason: "imports NIOEmbedded"),
        Exemption(path: "Sources/Simulation/Simulation+Faults.swift", reason: "imports NIOEmbedded"),
        Exemption(path: "Sources/Simulation/SimulatedNetwork.swift", reason: "imports NIOEmbedded"),
        Exemption(path: "Sources/Simulation/Cluster/ClusterSimulation.swift", reason: "imports NIOEmbedded"),
        Exemption(path: "Sources/Simulation/Cluster/ClusterTree.swift", reason: "imports NIOEmbedded"),
        Exemption(
          path: "Sources/Simulation/SimulatedOffload.swift", reason: "asks an existential, whose own clock answers"),
        Exemption(path: "Sources/Simulation/Trace.swift", reason: "asks an existential, whose own clock answers"),
      ]),
    Ban(
      calls: [
        "import Foundation", "import Dispatch", "import CMillrace", "import Synchronization", "import NIOCore",
        "FileManager", "FileHandle", "ProcessInfo", "fopen(", "open(", "opendir(", "creat(", "stat(", "access(",
        "getenv(", "ContinuousClock", "SuspendingClock", "Clocks", "time(", "usleep(", "nanosleep(", "socket(",
        "posix_spawn(", "StandardStream",
      ],
      instead: "take what was read as a value: Results reads and writes files, Runner knows clocks and processes",
      only: ["Sources/Experiment/", "Sources/Verdict/", "Sources/Results/Lint/"]),
    Ban(
      calls: ["try!", "as!"],
      instead: "let it throw, or say in a precondition what must hold"),
    Ban(
      calls: ["print(", "debugPrint(", "FileHandle.standardOutput", "FileHandle.standardError"],
      instead: "log it, or return the text to the program: StandardStream reports what cannot be written"),
    Ban(
      calls: ["public ", "open class"],
      instead: "nobody outside the package imports us: say package, or leave it internal"),
    Ban(
      calls: ["Ounchecked", "unsafeFlags", "withoutActuallyEscaping(", "unsafeBitCast("],
      instead: "keep the checks: find another way"),
  ]
}

@Suite("Banned calls")
struct BannedCallTests {
  @Test("stand nowhere but where an exemption says why", arguments: Ban.all)
  func banned(ban: Ban) {
    var used: Set<String> = []
    for file in SourceTree.swiftFiles where ban.only?.contains(where: file.path.hasPrefix) ?? true {
      let exemption = ban.exempt.first {
        file.path == $0.path || ($0.path.hasSuffix("/") && file.path.hasPrefix($0.path))
      }
      for (index, line) in file.lines.enumerated() {
        for call in ban.calls where contains(line, call) {
          if let exemption {
            used.insert(exemption.path)
          } else {
            Issue.record("\(file.path):\(index + 1) calls `\(call)`: \(ban.instead)")
          }
        }
      }
    }
    for exemption in ban.exempt {
      #expect(used.contains(exemption.path), "\(exemption.path) no longer needs its exemption: take it out")
    }
  }

  private func contains(_ line: String, _ call: String) -> Bool {
    var rest = line[...]
    while let found = rest.firstRange(of: call) {
      let before = line[..<found.lowerBound].last
      let after = line[found.upperBound...].first
      let beginsWord = call.first!.isLetter && before.map { isIdentifier($0) || $0 == "." } == true
      let endsWord = isIdentifier(call.last!) && after.map(isIdentifier) == true
      // A type's name may stand in front of `Clock.now`; a dot in front of `print(` makes it another's method.
      if !(beginsWord && !call.hasPrefix("Clock") && !call.hasPrefix("Deadline")) && !endsWord { return true }
      rest = rest[found.upperBound...]
    }
    return false
  }

  private func isIdentifier(_ character: Character) -> Bool {
    character.isLetter || character.isNumber || character == "_"
  }

  @Test("are found as words, not in comments and not in strings")
  func matching() {
    #expect(contains("  print(text)", "print("))
    #expect(!contains("  debugPrint(text)", "print("))
    #expect(!contains("  page.print(text)", "print("))
    #expect(contains("let t = ContinuousClock.now", "Clock.now"))
    #expect(!contains("let t = WallClock.nowMs", "Clock.now"))
    #expect(SourceTree.code(of: "let a = \"print(\\(b(\"x\")))\" // print(").first == "let a = \"\" ")
  }

  @Test("have no names that say nothing")
  func names() {
    let kinds = ["struct ", "class ", "enum ", "actor ", "protocol "]
    let hollow = ["Manager", "Helper", "Helpers", "Util", "Utils", "Utilities", "Impl"]
    for file in SourceTree.swiftFiles {
      for (index, line) in file.lines.enumerated() {
        for kind in kinds {
          guard let found = line.firstRange(of: kind) else { continue }
          let name = line[found.upperBound...].prefix(while: isIdentifier)
          #expect(
            !hollow.contains { name.hasSuffix($0) },
            "\(file.path):\(index + 1): \(name) says nothing about the thing: name what it is or decides")
        }
      }
    }
  }
}
