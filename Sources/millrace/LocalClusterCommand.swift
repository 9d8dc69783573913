import ArgumentParser
import Base
import Foundation
import Glibc
import Runner

/// Runs a cluster on this machine, and does it harm.
struct LocalClusterCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cluster",
    abstract: "Run a cluster of brokers and ZooKeeper on this machine, look at it, and make parts of it fail.",
    discussion: """
      `up` runs the cluster until Ctrl-C; the other commands look at it, or harm it, from another terminal. As root each
      broker gets a network namespace of its own, so that its network can be cut.

      EXAMPLES
        millrace cluster up --brokers 3
        millrace cluster status
        millrace topics list --bootstrap-server $(millrace cluster status --bootstrap)
        millrace cluster fault kill 2                   kill -9; `start 2` brings it back
        millrace cluster fault cut 2 --direction out    what broker 2 sends is lost, until `mend 2`
      """,
    subcommands: [ClusterUp.self, ClusterStatus.self, ClusterStop.self, ClusterFault.self])
}

/// Where the cluster's files are.
struct ClusterPlace: ParsableArguments {
  @Option(help: "The cluster's directory: data, logs, and cluster.json while it runs.")
  var directory = "millrace-cluster"

  var absolute: String {
    directory.hasPrefix("/") ? directory : "\(FileManager.default.currentDirectoryPath)/\(directory)"
  }

  /// The cluster that runs there; ends the command where there is none.
  func running() throws -> ClusterFile {
    guard let file = ClusterFile.read(in: absolute) else {
      Terminal.complain("no cluster runs in \(absolute): start one with `millrace cluster up`")
      throw Exit.unavailable
    }
    return file
  }
}

private struct ClusterUp: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up", abstract: "Start ZooKeeper and brokers, and run them until Ctrl-C.",
    discussion: """
      What an earlier `up` left in the directory is used again: the brokers go on with their data.

      EXAMPLES
        millrace cluster up --brokers 3
        millrace cluster up --brokers 5 --racks a,b,c --override default.replication.factor=3

      EXIT CODES
        0 stopped in order   1 a server did not start   64 wrong arguments   69 ZooKeeper or a right is missing
      """)

  @Option(help: "The number of brokers; their ids are 1, 2, ….") var brokers = 3
  @OptionGroup var place: ClusterPlace
  @Flag(inversion: .prefixedNo, help: "A network namespace for each broker; needs root. Default: where it can be.")
  var namespaces: Bool?
  @Option(parsing: .upToNextOption, help: "Broker keys, as key=value.") var override: [String] = []
  @Option(help: "Racks of the brokers in turn, separated by commas.") var racks = ""

  func validate() throws {
    guard LocalCluster.Limits.brokers.contains(brokers) else {
      let limits = LocalCluster.Limits.brokers
      throw ValidationError("--brokers: must be \(limits.lowerBound) to \(limits.upperBound)")
    }
    for setting in override where !setting.contains("=") {
      throw ValidationError("--override \(setting): key=value is needed")
    }
  }

  func run() throws {
    Interrupt.install()
    if let obstacle = LocalCluster.obstacle {
      Terminal.complain(obstacle)
      throw Exit.unavailable
    }
    if namespaces == true, let obstacle = ClusterNetwork.obstacle {
      Terminal.complain(obstacle)
      throw Exit.unavailable
    }
    guard ClusterFile.read(in: place.absolute) == nil else {
      Terminal.complain("a cluster runs in \(place.absolute) already")
      throw Exit.failed
    }
    let settings = LocalCluster.Settings(
      brokers: brokers, directory: place.absolute,
      hasNamespaces: namespaces ?? (ClusterNetwork.obstacle == nil), overrides: override,
      racks: racks.split(separator: ",").map(String.init))
    do {
      let cluster = try LocalCluster(
        settings, program: ProcessRunner.Programs.beside(OwnProgram.path).broker, tell: { Terminal.say($0) },
        stopRequested: { Interrupt.isRequested })
      defer { cluster.stop() }
      try cluster.start()
      Terminal.say("bootstrap servers: \(cluster.bootstrapServers)   ZooKeeper: \(cluster.zooKeeperAddress)")
      Terminal.say("Ctrl-C stops the cluster")
      try cluster.run()
    } catch RunError.interrupted {
      return
    } catch {
      Terminal.complain("\(error)")
      throw Exit.failed
    }
  }
}

private struct ClusterStatus: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show the servers of a running cluster.",
    discussion: """
      EXAMPLES
        millrace cluster status
        millrace topics list --bootstrap-server $(millrace cluster status --bootstrap)
      """)

  @OptionGroup var place: ClusterPlace
  @Flag(help: "Print the bootstrap servers alone, for other commands.") var bootstrap = false

  func run() throws {
    let cluster = try place.running()
    if bootstrap { return Terminal.answer(cluster.brokers.map(\.address).joined(separator: ",")) }
    Terminal.answer("zookeeper  \(cluster.zooKeeper.address)  pid \(cluster.zooKeeper.pid)")
    for broker in cluster.brokers {
      let state = broker.pid.map { "pid \($0)" } ?? "has ended"
      Terminal.answer("broker \(broker.id)  \(broker.address)  \(state)  \(broker.directory)")
    }
  }
}

private struct ClusterStop: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop", abstract: "Stop a running cluster in order; returns when it has stopped.",
    discussion: """
      EXAMPLES
        millrace cluster stop
      """)

  @OptionGroup var place: ClusterPlace

  func run() throws {
    let cluster = try place.running()
    kill(cluster.pid, SIGINT)
    while ClusterFile.read(in: place.absolute) != nil { usleep(100_000) }
  }
}

private struct ClusterFault: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fault", abstract: "Make a part of a running cluster fail, or mend it.",
    discussion: """
      EXAMPLES
        millrace cluster fault kill 2
        millrace cluster fault start 2
        millrace cluster fault cut 3 --direction in
      """,
    subcommands: [Kill.self, Start.self, Pause.self, Resume.self, Cut.self, Mend.self, RestartZooKeeper.self])

  /// The discussion of a command that has one example.
  static func example(_ words: String) -> String {
    """
    EXAMPLE
      millrace cluster fault \(words)
    """
  }

  struct Target: ParsableArguments {
    @Argument(help: "The broker's id.") var broker: Int
    @OptionGroup var place: ClusterPlace

    func found() throws -> (cluster: ClusterFile, broker: ClusterFile.Broker) {
      let cluster = try place.running()
      guard let found = cluster.brokers.first(where: { $0.id == broker }) else {
        throw ValidationError("there is no broker \(broker): the cluster has 1 to \(cluster.brokers.count)")
      }
      return (cluster, found)
    }

    func signal(_ number: Int32) throws {
      let (_, broker) = try found()
      guard let pid = broker.pid, Glibc.kill(pid, number) == 0 else {
        Terminal.complain("broker \(broker.id) does not run")
        throw Exit.failed
      }
    }

    func network() throws -> ClusterNetwork {
      guard let network = try found().cluster.clusterNetwork else {
        Terminal.complain("the brokers share loopback: start the cluster as root, with --namespaces")
        throw Exit.unavailable
      }
      return network
    }
  }

  private struct Kill: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "kill", abstract: "Kill a broker (-9).", discussion: ClusterFault.example("kill 2"))
    @OptionGroup var target: Target
    func run() throws { try target.signal(SIGKILL) }
  }

  private struct Start: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "start", abstract: "Start a broker that has ended.", discussion: ClusterFault.example("start 2"))
    @OptionGroup var target: Target
    func run() throws { try ClusterFile.requestStart(of: try target.found().broker.id, in: target.place.absolute) }
  }

  private struct Pause: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "pause", abstract: "Stop a broker from running (SIGSTOP), as a machine that hangs.",
      discussion: ClusterFault.example("pause 2"))
    @OptionGroup var target: Target
    func run() throws { try target.signal(SIGSTOP) }
  }

  private struct Resume: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "resume", abstract: "Let a paused broker go on.",
      discussion: ClusterFault.example("resume 2"))
    @OptionGroup var target: Target
    func run() throws { try target.signal(SIGCONT) }
  }

  private struct Cut: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "cut", abstract: "Lose what a broker sends (out), what is sent to it (in), or both.",
      discussion: ClusterFault.example("cut 2 --direction out"))
    @OptionGroup var target: Target
    @Option(help: "out, in or both.") var direction = "both"

    func validate() throws {
      guard direction == "both" || ClusterNetwork.Direction(rawValue: direction) != nil else {
        throw ValidationError("--direction: must be out, in or both")
      }
    }

    func run() throws {
      let network = try target.network()
      let directions = ClusterNetwork.Direction(rawValue: direction).map { [$0] } ?? ClusterNetwork.Direction.allCases
      do {
        for one in directions { try network.cut(target.broker, one) }
      } catch {
        Terminal.complain("\(error)")
        throw Exit.failed
      }
    }
  }

  private struct Mend: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "mend", abstract: "Undo cuts of a broker's network.",
      discussion: ClusterFault.example("mend 2"))
    @OptionGroup var target: Target

    func run() throws {
      let network = try target.network()
      for direction in ClusterNetwork.Direction.allCases { network.mend(target.broker, direction) }
    }
  }

  private struct RestartZooKeeper: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "restart-zookeeper", abstract: "Stop ZooKeeper and start it again on its data.",
      discussion: ClusterFault.example("restart-zookeeper"))
    @OptionGroup var place: ClusterPlace

    func run() throws {
      _ = try place.running()
      try ClusterFile.requestZooKeeperRestart(in: place.absolute)
    }
  }
}
