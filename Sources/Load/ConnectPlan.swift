package import Client

/// Holds the flags of `millrace-load connect`.
package struct ConnectPlan: Sendable, Equatable {
  package static let command = "connect"

  package enum Limits {
    static let timeoutMs = 1.0...3_600_000
  }

  package var bootstrapServers: [Endpoint]
  /// A file of client properties; nil: connections are not secured.
  package var commandConfig: String?
  /// Connections to be made in all.
  package var connections: Int
  /// How many are made at a time: each worker makes one after another.
  package var concurrency: Int
  package var threads: Int
  /// Of one connection's requests, and of its connecting.
  package var timeoutMs: Int
  package var printsJSON = false
  package var isQuiet = false

  package static let help = """
    millrace-load connect makes connections, as many a second as the broker and its own processor allow: each connects, encrypts and
    logs in as --command-config says, asks for ApiVersions once more, reads the answer, and is closed. It is a closed loop: a
    worker makes its next connection when its last one is closed, so a broker that slows down is asked for less, and the
    latencies leave out what connections would have waited that came at their own time.

    usage: millrace-load connect --bootstrap-server HOST:PORT --num-connections N [flags]

      --bootstrap-server HOST:PORT,…  brokers, which are taken in turns
      --num-connections N             connections to be made, 1 to 1000000
      --concurrency C                 workers, each with one connection at a time (default 8)
      --threads T                     event loops that share the workers (default 1)
      --command-config FILE           client properties: security.protocol, sasl.*, ssl.*
      --timeout-ms MS                 of connecting, and of each request (default 30000)
      --json                          print the figures as a JSON object, in the last line
      --quiet                         no progress on standard error

    exit code: 0 all connections were made, or Ctrl-C ended the run; 1 one failed (after 100 it gives up); 2 a plan that cannot
    be run; 74 standard output cannot be written

    """

  private static let valued: Set<String> = [
    "bootstrap-server", "num-connections", "concurrency", "threads", "command-config", "timeout-ms",
  ]
  private static let switches: Set<String> = ["json", "quiet"]

  package init(arguments: [String]) throws(PlanError) {
    let flags = try OwnFlags(arguments, valued: Self.valued, switches: Self.switches)
    if let other = flags.others.first {
      let known = Self.valued.union(Self.switches).sorted().joined(separator: ", ")
      throw PlanError("unknown setting '\(other)' (connect has \(known))")
    }
    guard let servers = flags["bootstrap-server"] else { throw PlanError("--bootstrap-server HOST:PORT is missing") }
    guard let list = Endpoint.list(servers) else {
      throw LoadPlan.invalid("bootstrap-server", servers, "host:port,host:port,…")
    }
    bootstrapServers = list
    guard let count = try Self.whole(flags, "num-connections", Load.Limits.connectsMax) else {
      throw PlanError("--num-connections is missing: how many connections to make")
    }
    connections = count
    concurrency = try Self.whole(flags, "concurrency", Load.Limits.connectionsMax) ?? 8
    threads = try Self.whole(flags, "threads", Load.Limits.threadsMax) ?? 1
    timeoutMs = Int(try flags.number("timeout-ms", Limits.timeoutMs) ?? 30_000)
    commandConfig = flags["command-config"]
    printsJSON = flags["json"] != nil
    isQuiet = flags["quiet"] != nil
  }

  private static func whole(_ flags: OwnFlags, _ name: String, _ most: Int) throws(PlanError) -> Int? {
    guard let text = flags[name] else { return nil }
    guard let number = Int(text), (1...most).contains(number) else {
      throw LoadPlan.invalid(name, text, "a whole number from 1 to \(most)")
    }
    return number
  }

  /// How many connections the loop of this number makes, and with how many workers: shares that differ by one at most, where
  /// no worker is without a connection.
  package func share(of loop: Int) -> (connections: Int, workers: Int) {
    func part(_ all: Int) -> Int { all / threads + (loop < all % threads ? 1 : 0) }
    let connections = part(connections)
    return (connections, min(connections, max(1, part(concurrency))))
  }
}
