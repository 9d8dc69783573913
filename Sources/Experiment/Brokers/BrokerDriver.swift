/// How a broker is started, configured, waited for and stopped, and where its data lie: what `experiments/brokers/NAME.yaml` says.
///
/// A driver is data, as a definition is. Texts may hold the placeholders of `Place`, which a start fills; `{port_NAME}` is a free
/// port of its own for each name. `BrokerUnderTest` joins a driver to the directory that a person has the broker in.
package struct BrokerDriver: Sendable, Equatable, Codable {
  /// What a start knows, by the names that texts have for it.
  package enum Place: String, Sendable, CaseIterable {
    /// Where the broker listens.
    case host, port
    /// The `HOST:PORT` that clients are told.
    case advertised
    /// Its data; they may outlive a run where a topic is prepared.
    case data
    /// Of the run: configuration and logs, gone with it.
    case run
    /// Where the broker's programs are: what a person gave as `NAME=DIR`.
    case directory
    /// 16 bytes in URL-safe base64, as KRaft's storage tool wants them.
    case clusterID = "cluster_id"

    package static let freePort = "port_"
  }

  /// A text written into the run's directory before anything starts.
  package struct File: Sendable, Equatable, Codable {
    package var name: String
    package var text: String
  }

  /// What of an experiment's broker settings means the same in this broker.
  package struct Settings: Sendable, Equatable, Codable {
    /// Settings go to the end of this file, a `key=value` a line; nil: the broker takes none.
    package var file: String?
    /// Keys that begin so are switches that only Millrace has.
    package var except: [String]
    /// Settings that this broker leaves to the kernel, and the kernel's own (in /proc/sys, with dots): where both say the same,
    /// nothing is lost.
    package var kernel: [String: String]
  }

  /// A program that is started before the broker and ended after it, such as ZooKeeper.
  package struct Companion: Sendable, Equatable, Codable {
    package var name: String
    package var command: [String]
    /// It is ready when this port accepts connections.
    package var port: String
  }

  package enum Signal: String, Sendable, CaseIterable, Codable {
    case term = "TERM"
    case int = "INT"
    case kill = "KILL"
  }

  package struct Stop: Sendable, Equatable, Codable {
    package var signal: Signal
    package var graceSeconds: Int
    /// The exit codes of a stop in order: a Java program that ended by SIGTERM has 143.
    package var exitCodes: [Int]
    /// It ends by the signal itself, having no handler for it.
    package var maySignal: Bool
  }

  /// Where the installed broker's version can be read: of a file's name, or of a program's words.
  package struct Version: Sendable, Equatable, Codable {
    /// A path in the directory whose last part has `{version}`.
    package var file: String?
    /// The last word of the first line it prints.
    package var command: [String]
  }

  package var name: String
  /// How tables and charts call it.
  package var label: String
  /// Files that the directory must hold; none: no directory is asked for, its programs are on the PATH.
  package var needs: [String]
  package var version: Version?
  package var files: [File]
  package var settings: Settings
  /// Commands run to their end, in order, before the start.
  package var before: [[String]]
  package var companions: [Companion]
  package var command: [String]
  package var environment: [String: String]
  /// A word of its log (either stream) that says it has started; asked for beside an answer to ApiVersions.
  package var says: String?
  package var startSeconds: Int
  package var stop: Stop
  /// A partition's log files within the data: a path with `*` and `{topic}`; nil: it keeps everything in memory.
  package var segments: String?

  /// Millrace's own: what runs where nobody names another.
  package static let millrace = BrokerDriver(
    name: "millrace", label: "Millrace", needs: ["millrace-broker"], version: nil,
    files: [
      File(
        name: "server.properties",
        text: """
          broker.id=0
          listeners=PLAINTEXT://{host}:{port}
          advertised.listeners=PLAINTEXT://{advertised}
          log.dirs={data}
          num.partitions=1

          """)
    ], settings: Settings(file: "server.properties", except: [], kernel: [:]), before: [], companions: [],
    command: ["{directory}/millrace-broker", "{run}/server.properties"], environment: [:], says: "started",
    startSeconds: 20,
    // A clean stop syncs the logs, which takes as long as the disk needs for what is dirty.
    stop: Stop(signal: .term, graceSeconds: 60, exitCodes: [0], maySignal: false), segments: "{topic}-*/*.log")

  package var isInMemory: Bool { segments == nil }
}

/// A broker that takes part in a campaign: a driver, and the directory that a person gave with it.
package struct BrokerUnderTest: Sendable, Equatable, Codable {
  package var driver: BrokerDriver
  /// Nil: Millrace beside the running program, or programs on the PATH.
  package var directory: String?
  /// As installed; nil where nothing tells it, and of the Millrace that runs the campaign (whose build `machine.json` has).
  package var version: String?

  package init(driver: BrokerDriver, directory: String? = nil, version: String? = nil) {
    self.driver = driver
    self.directory = directory
    self.version = version
  }

  /// The Millrace that belongs to the running program.
  package static let own = BrokerUnderTest(driver: .millrace)

  package var isMillrace: Bool { driver.name == BrokerDriver.millrace.name }

  /// The level of the factor `broker` on its rows: name and version, so that no row can be read as another broker's.
  package var level: Level { Level(version.map { "\(driver.name) \($0)" } ?? driver.name) }

  /// `Apache Kafka 3.9.0`.
  package var label: String { version.map { "\(driver.label) \($0)" } ?? driver.label }
}
