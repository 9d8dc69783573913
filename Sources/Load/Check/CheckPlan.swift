import Base
package import Client
import Compression
import Histories
import Model

/// Holds the flags of `millrace-load check`.
package struct CheckPlan: Sendable, Equatable {
  package static let command = "check"

  package enum Limits {
    static let seconds = 1.0...86_400.0
    static let clients = 0.0...64.0
    static let partitions = 1.0...256.0
    static let replicas = 1.0...32_767.0
    static let recordsPerSecond = 1.0...20_000.0
    static let recordBytes = Double(CheckValue.bytesMin)...65_536.0
    static let milliseconds = 100.0...600_000.0
    static let seed = 0.0...9_007_199_254_740_992.0
    /// Events that a history holds, some 100 bytes each; a run that comes to it stops sending, and ends as one whose time is over.
    static let events = 4_000_000
    /// The most records of a batch.
    static let batchRecords = 20
  }

  /// A history to analyse, instead of a run.
  package var storedHistory: String?
  package var bootstrapServers: [Endpoint] = []
  /// The path of a file of client properties, which say how connections are secured.
  package var commandConfig: String?
  package var topic = ""
  package var partitions = 6
  package var replicationFactor = 1
  package var durationSeconds = 60.0
  /// How long the cluster may take to answer when nothing is sent any more, and again to end transactions and to be read.
  package var patienceSeconds = 60.0
  package var producers = 2
  package var transactional = 2
  /// Members of each of the groups.
  package var members = 3
  package var readers = 2
  /// Of all producers together.
  package var recordsPerSecond = 1000.0
  package var recordBytes = 100
  package var sessionTimeoutMs = 10_000
  package var transactionTimeoutMs = 10_000
  package var requestTimeoutMs = 10_000
  package var seed: UInt64 = 1
  package var keepsTopic = false
  package var historyFile: String?
  package var printsJSON = false
  package var isQuiet = false

  package static let help = """
    millrace-load check runs clients that keep to Kafka's rules against a cluster, records what they did, and looks for what
    Kafka's contract forbids: lost, doubled, torn and aborted records, polls that skip or go back, lost offsets, and more.

    usage: millrace-load check --bootstrap-server HOST:PORT [flags]
           millrace-load check --from-history FILE [--json]

      --bootstrap-server LIST    HOST:PORT,HOST:PORT,… of the cluster
      --command-config FILE      client properties: security.protocol, sasl.*, ssl.*
      --topic NAME               a topic to create (default: millrace-check- and a number); one that exists is refused
      --partitions N             of the topic (default 6)
      --replication-factor N     of the topic (default 1)
      --duration S               seconds for which records are sent (default 60)
      --patience S               seconds that the cluster then has to answer, and again until all is read (default 60)
      --producers N              idempotent producers (default 2)
      --transactional N          transactional producers, which commit, abort, stall, and are replaced while they send (default 2)
      --group-members N          members of each of two groups, eager and cooperative, that commit, join and leave (default 3)
      --readers N                readers of committed records that seek (default 2)
      --throughput R             records/s of all producers together (default 1000)
      --record-size BYTES        of a record's value (default 100)
      --session-timeout-ms MS    of the members (default 10000)
      --transaction-timeout-ms MS  (default 10000)
      --request-timeout-ms MS    (default 10000)
      --seed N                   of the choices that the clients make (default 1)
      --keep-topic               does not delete the topic; one whose history shows an anomaly is kept anyway
      --history FILE             writes the history, a line for each event
      --from-history FILE        analyses a history that was written before
      --json                     the last line of the output is a JSON object
      --quiet                    no progress

    exit code: 0 no anomaly; 1 anomalies, or the end of the log was not reached; 2 a plan that cannot be run;
               74 standard output cannot be written

    """

  package init(arguments: [String]) throws(PlanError) {
    let flags = try OwnFlags(arguments, valued: Self.valued, switches: Self.switches)
    if let other = flags.others.first { throw Self.unknown(other) }
    printsJSON = flags["json"] != nil
    isQuiet = flags["quiet"] != nil
    keepsTopic = flags["keep-topic"] != nil
    storedHistory = flags["from-history"]
    historyFile = flags["history"]
    try readNumbers(flags)
    try readCluster(flags)
  }

  private mutating func readCluster(_ flags: OwnFlags) throws(PlanError) {
    topic = flags["topic"] ?? ""
    guard let servers = flags["bootstrap-server"] else {
      guard storedHistory != nil else { throw PlanError("--bootstrap-server is missing") }
      return
    }
    guard storedHistory == nil else { throw PlanError("--from-history needs no cluster: leave out --bootstrap-server") }
    guard let list = Endpoint.list(servers) else {
      throw LoadPlan.invalid("bootstrap-server", servers, "HOST:PORT,HOST:PORT,…")
    }
    bootstrapServers = list
    commandConfig = flags["command-config"]
    guard producers + transactional > 0 else {
      throw PlanError("nobody sends: give --producers or --transactional")
    }
  }

  private mutating func readNumbers(_ flags: OwnFlags) throws(PlanError) {
    func number(_ name: String, _ range: ClosedRange<Double>, _ value: inout Int) throws(PlanError) {
      if let given = try flags.number(name, range) { value = Int(given) }
    }
    durationSeconds = try flags.number("duration", Limits.seconds) ?? durationSeconds
    patienceSeconds = try flags.number("patience", Limits.seconds) ?? patienceSeconds
    recordsPerSecond = try flags.number("throughput", Limits.recordsPerSecond) ?? recordsPerSecond
    seed = try flags.number("seed", Limits.seed).map { UInt64($0) } ?? seed
    try number("partitions", Limits.partitions, &partitions)
    try number("replication-factor", Limits.replicas, &replicationFactor)
    try number("producers", Limits.clients, &producers)
    try number("transactional", Limits.clients, &transactional)
    try number("group-members", Limits.clients, &members)
    try number("readers", Limits.clients, &readers)
    try number("record-size", Limits.recordBytes, &recordBytes)
    try number("session-timeout-ms", Limits.milliseconds, &sessionTimeoutMs)
    try number("transaction-timeout-ms", Limits.milliseconds, &transactionTimeoutMs)
    try number("request-timeout-ms", Limits.milliseconds, &requestTimeoutMs)
  }

  private static let switches: Set<String> = ["json", "quiet", "keep-topic"]
  private static let valued: Set<String> = [
    "bootstrap-server", "command-config", "topic", "partitions", "replication-factor", "duration", "patience",
    "producers",
    "transactional", "group-members", "readers", "throughput", "record-size", "session-timeout-ms",
    "transaction-timeout-ms", "request-timeout-ms", "seed", "history", "from-history",
  ]

  private static func unknown(_ argument: String) -> PlanError {
    let names = valued.union(switches)
    let nearest = Spelling.nearest(to: String(argument.drop { $0 == "-" }), among: names)
    return PlanError("unknown setting '\(argument)'" + (nearest.map { ": do you mean --\($0)?" } ?? ""))
  }

  /// The milliseconds between two batches of one producer.
  var batchIntervalMs: Int {
    let batchesPerSecond = recordsPerSecond / (Double(Limits.batchRecords + 1) / 2)
    return max(1, Int(Double(producers + transactional) * 1000 / batchesPerSecond))
  }
}

/// The value of a record: its name, and a mark of its run.
///
/// ```
/// process and number 8 │ mark 8 │ filler
/// ```
enum CheckValue {
  static let bytesMin = 16

  static func write(_ record: RecordID, mark: UInt64, to bytes: UnsafeMutableRawBufferPointer) {
    bytes.storeBytes(of: record.packed.bigEndian, toByteOffset: 0, as: UInt64.self)
    bytes.storeBytes(of: mark.bigEndian, toByteOffset: 8, as: UInt64.self)
  }

  /// Returns nil for a value that no producer of the run made.
  static func read(_ value: UnsafeRawBufferPointer?, mark: UInt64) -> RecordID? {
    guard let value, value.count >= bytesMin,
      UInt64(bigEndian: value.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) == mark
    else { return nil }
    return RecordID(packed: UInt64(bigEndian: value.loadUnaligned(as: UInt64.self)))
  }
}
