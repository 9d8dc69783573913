import Client
import Foundation

/// `millrace-load relay`: its flags, and the relay from its start to its end.
package struct RelayPlan: Sendable, Equatable {
  package static let command = "relay"

  package enum Limits {
    static let delayMs = 0.0...10_000.0
    static let bufferMiB = 1.0...1024.0
    static let connections = 1.0...4096.0
    static let selfTestSeconds = 0.05...60.0
  }

  package var settings: RelaySettings
  /// Measures what the relay carries instead, over loopback and for so many seconds; nil: relays.
  package var selfTestSeconds: Double?

  package static let help = """
    millrace-load relay is a cable of a given length: it takes connections, opens one to the target for each, and passes on
    whatever comes from either side when the delay is over. Runs until it is stopped (Ctrl-C).

    usage: millrace-load relay --listen HOST:PORT --to HOST:PORT --delay-ms MS [flags]
           millrace-load relay --self-test [--delay-ms MS]

      --listen HOST:PORT         where clients connect; port 0: one that is free, told on standard output
      --to HOST:PORT             where it connects them to; the broker's advertised.listeners must name --listen
      --delay-ms MS              one way, so a round trip takes twice as long (default 0)
      --buffer-mib MIB           bytes on their way in each direction of a connection (default 64): memory is bounded by
                                 twice this times --connections; beyond it TCP holds the sender back
      --connections N            at once; others wait (default 64)
      --congestion-control NAME  TCP_CONGESTION of its sockets (default: the kernel's)
      --self-test                tells what the relay itself carries, MB/s over loopback, and its delay, as JSON
      --seconds S                of the self-test (default 0.3)

    """

  package init(arguments: [String]) throws(PlanError) {
    var values: [String: String] = [:]
    var queue = arguments[...]
    while let argument = queue.popFirst() {
      let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1).map(String.init)
      guard argument.hasPrefix("--"), let name = parts.first, Self.names.contains(name) else {
        throw PlanError("unknown setting '\(argument)' (relay has \(Self.names.sorted().joined(separator: ", ")))")
      }
      if name == "self-test" {
        values[name] = "true"
      } else if parts.count == 2 {
        values[name] = parts[1]
      } else {
        guard let value = queue.popFirst() else { throw PlanError("--\(name) needs a value") }
        values[name] = value
      }
    }
    let isSelfTest = values["self-test"] != nil
    if isSelfTest, values["listen"] != nil || values["to"] != nil {
      throw PlanError("--self-test connects to itself: leave out --listen and --to")
    }
    let anywhere = Endpoint(host: "127.0.0.1", port: 0)
    settings = RelaySettings(
      listen: isSelfTest ? anywhere : try Self.endpoint(values, "listen", mayBeZero: true),
      target: isSelfTest ? anywhere : try Self.endpoint(values, "to", mayBeZero: false))
    settings.delayMs = try Self.number(values, "delay-ms", Limits.delayMs) ?? 0
    if let mebibytes = try Self.number(values, "buffer-mib", Limits.bufferMiB) {
      settings.bufferBytes = Int(mebibytes * 1_048_576)
    }
    if let count = try Self.number(values, "connections", Limits.connections) { settings.connectionsMax = Int(count) }
    settings.congestionControl = values["congestion-control"]
    let seconds = try Self.number(values, "seconds", Limits.selfTestSeconds)
    if seconds != nil, !isSelfTest { throw PlanError("--seconds is of --self-test") }
    if isSelfTest { selfTestSeconds = seconds ?? 0.3 }
  }

  private static let names: Set<String> = [
    "listen", "to", "delay-ms", "buffer-mib", "connections", "congestion-control", "self-test", "seconds",
  ]

  private static func endpoint(
    _ values: [String: String], _ name: String, mayBeZero: Bool
  ) throws(PlanError) -> Endpoint {
    guard let text = values[name] else { throw PlanError("--\(name) HOST:PORT is missing") }
    if let endpoint = Endpoint(text) { return endpoint }
    if mayBeZero, text.hasSuffix(":0"), text.count > 2 { return Endpoint(host: String(text.dropLast(2)), port: 0) }
    throw PlanError("'\(text)' is no value of '\(name)': HOST:PORT")
  }

  private static func number(
    _ values: [String: String], _ name: String, _ range: ClosedRange<Double>
  ) throws(PlanError) -> Double? {
    guard let text = values[name] else { return nil }
    guard let value = Double(text), range.contains(value) else {
      throw PlanError("'\(text)' is no value of '\(name)': a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }
}

extension LoadCommand {
  /// The relay until `isEnded`, or its self-test.
  static func relay(_ arguments: [String], until isEnded: @escaping @Sendable () -> Bool) async -> Int32 {
    let plan: RelayPlan
    do throws(PlanError) {
      plan = try RelayPlan(arguments: arguments)
    } catch {
      complain("millrace-load: \(error)\nmillrace-load relay --help lists the flags")
      return 2
    }
    do {
      if let seconds = plan.selfTestSeconds {
        let result = try await RelaySelfTest(plan.settings, seconds: seconds).run()
        FileHandle.standardOutput.write(Data((JSONValue.object(result.fields).json + "\n").utf8))
        return 0
      }
      let door = try RelayDoor(plan.settings)
      let relay = try Relay(plan.settings, at: door, tell: { complain("millrace-load: \($0)") })
      let told = Endpoint(host: plan.settings.listen.host, port: door.port)
      FileHandle.standardOutput.write(Data("listening on \(told)\n".utf8))
      try relay.run(until: isEnded)
      return 0
    } catch {
      complain("millrace-load: \(error)")
      return 1
    }
  }
}
