import Base
import Client

/// Holds the flags of `millrace-load relay`.
package struct RelayPlan: Sendable, Equatable {
  package static let command = "relay"

  package enum Limits {
    static let delayMs = 0.0...10_000.0
    static let bufferMiB = 1.0...1024.0
    static let connections = 1.0...4096.0
    static let selfTestSeconds = 0.05...60.0
  }

  package var settings: RelaySettings
  /// The length of the self-test over loopback; nil without a self-test.
  package var selfTestSeconds: Double?

  package static let help = """
    millrace-load relay is a delay proxy: it accepts connections, opens one to the target for each, and forwards the bytes of
    either side after the delay. It runs until Ctrl-C stops it.

    usage: millrace-load relay --listen HOST:PORT --to HOST:PORT --delay-ms MS [flags]
           millrace-load relay --self-test [--delay-ms MS]

      --listen HOST:PORT         where clients connect; with port 0 a free port is chosen; printed on standard output
      --to HOST:PORT             the server to connect them to; the broker's advertised.listeners must name --listen
      --delay-ms MS              delay of one direction; a round trip takes twice as long (default 0)
      --buffer-mib MIB           buffer of each direction of a connection (default 64): memory is bounded by twice this
                                 times --connections; when a buffer is full, TCP holds the sender back
      --connections N            connections at a time; others wait (default 64)
      --congestion-control NAME  TCP_CONGESTION of the relay's sockets (default: the kernel's)
      --self-test                measures the relay's own rate, MB/s over loopback, and its delay; prints JSON
      --seconds S                length of the self-test (default 0.3)

    """

  package init(arguments: [String]) throws(PlanError) {
    let flags = try OwnFlags(arguments, valued: Self.valued, switches: ["self-test"])
    if let other = flags.others.first {
      throw PlanError(
        "unknown setting '\(other)' (relay has \((Self.valued + ["self-test"]).sorted().joined(separator: ", ")))")
    }
    let isSelfTest = flags["self-test"] != nil
    if isSelfTest, flags["listen"] != nil || flags["to"] != nil {
      throw PlanError("--self-test connects to itself: leave out --listen and --to")
    }
    let anywhere = Endpoint(host: "127.0.0.1", port: 0)
    settings = RelaySettings(
      listen: isSelfTest ? anywhere : try Self.endpoint(flags, "listen", mayBeZero: true),
      target: isSelfTest ? anywhere : try Self.endpoint(flags, "to", mayBeZero: false))
    settings.delayMs = try flags.number("delay-ms", Limits.delayMs) ?? 0
    if let mebibytes = try flags.number("buffer-mib", Limits.bufferMiB) {
      settings.bufferBytes = Int(mebibytes * 1_048_576)
    }
    if let count = try flags.number("connections", Limits.connections) { settings.connectionsMax = Int(count) }
    settings.congestionControl = flags["congestion-control"]
    let seconds = try flags.number("seconds", Limits.selfTestSeconds)
    if seconds != nil, !isSelfTest { throw PlanError("--seconds needs --self-test") }
    if isSelfTest { selfTestSeconds = seconds ?? 0.3 }
  }

  private static let valued: Set<String> = [
    "listen", "to", "delay-ms", "buffer-mib", "connections", "congestion-control", "seconds",
  ]

  private static func endpoint(
    _ flags: OwnFlags, _ name: String, mayBeZero: Bool
  ) throws(PlanError) -> Endpoint {
    guard let text = flags[name] else { throw PlanError("--\(name) HOST:PORT is missing") }
    if let endpoint = Endpoint(text) { return endpoint }
    if mayBeZero, text.hasSuffix(":0"), text.count > 2 { return Endpoint(host: String(text.dropLast(2)), port: 0) }
    throw LoadPlan.invalid(name, text, "HOST:PORT")
  }
}

extension LoadCommand {
  /// Runs the relay until `isEnded`, or its self-test.
  static func relay(_ arguments: [String], until isEnded: @escaping @Sendable () -> Bool) async -> Int32 {
    let read = { () throws(PlanError) in try RelayPlan(arguments: arguments) }
    guard let plan = planned(RelayPlan.command, read) else { return 2 }
    do {
      if let seconds = plan.selfTestSeconds {
        let result = try await RelaySelfTest(plan.settings, seconds: seconds).run()
        answer(JSON.object(result.fields).text + "\n")
        return 0
      }
      let listener = try RelayListener(plan.settings)
      let relay = try Relay(plan.settings, at: listener, log: { complain("millrace-load: \($0)") })
      let bound = Endpoint(host: plan.settings.listen.host, port: listener.port)
      answer("listening on \(bound)\n")
      try relay.run(until: isEnded)
      return 0
    } catch {
      complain("millrace-load: \(error)")
      return 1
    }
  }
}
