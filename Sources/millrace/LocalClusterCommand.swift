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
        millrace cluster fault fill 2                   its disk is full, until `mend 2` (needs `up --disk-mib 512`)
        millrace cluster check --kills 100              kill leaders while clients write, and look what is lost
      """,
    subcommands: [ClusterUp.self, ClusterStatus.self, ClusterStop.self, ClusterFault.self, ClusterCheck.self])
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

  /// Waits until what runs there is as wanted; nil stands for no cluster. Returns false when it is not in time.
  func wait(_ seconds: Double, until isWanted: (ClusterFile?) throws -> Bool) rethrows -> Bool {
    let deadline = Uptime.seconds + seconds
    while try !isWanted(ClusterFile.read(in: absolute)) {
      guard Uptime.seconds < deadline else { return false }
      Uptime.nap(milliseconds: 50)
    }
    return true
  }
}

/// - Throws: the command line's error for the first that is not `key=value`.
private func checkOverrides(_ overrides: [String]) throws {
  for setting in overrides where !setting.contains("=") {
    throw ValidationError("--override \(setting): key=value is needed")
  }
}

private struct ClusterUp: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up", abstract: "Start ZooKeeper and brokers, and run them until Ctrl-C.",
    discussion: """
      What an earlier `up` left in the directory is used again: the brokers go on with their data.

      Brokers that do not take clients in 120 s are given up, and on Ctrl-C those that have not stopped in 60 s are killed.

      EXAMPLES
        millrace cluster up --brokers 3
        millrace cluster up --brokers 5 --racks a,b,c --override default.replication.factor=3
        millrace cluster up --brokers 3 --disk-mib 512          as root: disks that `fault fill` can fill

      EXIT CODES
        0 stopped in order   1 a server did not start   64 wrong arguments   69 ZooKeeper or a right is missing
      """)

  @Option(help: "The number of brokers; their ids are 1, 2, ….") var brokers = 3
  @OptionGroup var place: ClusterPlace
  @Flag(inversion: .prefixedNo, help: "A network namespace for each broker; needs root. Default: where it can be.")
  var namespaces: Bool?
  @Option(parsing: .upToNextOption, help: "Broker keys, as key=value.") var override: [String] = []
  @Option(help: "Racks of the brokers in turn, separated by commas.") var racks = ""
  @Option(
    help: "A disk of so many MiB for each broker, in memory: needs root, and is empty with each start of the cluster.")
  var diskMib: Int?

  func validate() throws {
    guard LocalCluster.Limits.brokers.contains(brokers) else {
      let limits = LocalCluster.Limits.brokers
      throw ValidationError("--brokers: must be \(limits.lowerBound) to \(limits.upperBound)")
    }
    if let diskMib {
      let limits = LocalCluster.Limits.diskMebibytes
      guard limits.contains(diskMib) else {
        throw ValidationError("--disk-mib: must be \(limits.lowerBound) to \(limits.upperBound)")
      }
    }
    try checkOverrides(override)
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
    if diskMib != nil, geteuid() != 0 {
      Terminal.complain("--disk-mib mounts file systems, which needs root")
      throw Exit.unavailable
    }
    let settings = LocalCluster.Settings(
      brokers: brokers, directory: place.absolute,
      hasNamespaces: namespaces ?? (ClusterNetwork.obstacle == nil), overrides: override,
      racks: racks.split(separator: ",").map(String.init), diskMebibytes: diskMib)
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
      let state = broker.pid.map { "pid \($0)\(broker.isStarted ? "" : ", starting")" } ?? "has ended"
      Terminal.answer("broker \(broker.id)  \(broker.address)  \(state)  \(broker.directory)")
    }
  }
}

private struct ClusterStop: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop", abstract: "Stop a running cluster in order; returns when it has stopped.",
    discussion: """
      Brokers that do not stop in a minute are killed by the process that runs the cluster. Where that process itself does not answer,
      this command says so after two minutes and a half, or so; with --kill everything is ended at once (-9).

      EXAMPLES
        millrace cluster stop
        millrace cluster stop --kill

      EXIT CODES
        0 stopped   1 it has not stopped in time   69 no cluster runs there
      """)

  @OptionGroup var place: ClusterPlace
  @Flag(help: "End all processes at once (-9), and remove the network.") var kill = false

  func run() throws {
    let cluster = try place.running()
    if kill { return cluster.kill(in: place.absolute) }
    Glibc.kill(cluster.pid, SIGINT)
    let seconds = LocalCluster.Limits.stopSeconds(brokers: cluster.brokers.count)
    guard place.wait(seconds, until: { $0 == nil }) else {
      Terminal.complain(
        "the cluster has not stopped in \(Int(seconds)) s: process \(cluster.pid) still runs. `millrace cluster stop --kill` ends it"
      )
      throw Exit.failed
    }
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
        millrace cluster fault fill 3
      """,
    subcommands: [
      Kill.self, Start.self, Pause.self, Resume.self, Cut.self, Fill.self, Mend.self, RestartZooKeeper.self,
    ])

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

    /// Has the process that runs the cluster fill or free the broker's disk, and waits for it.
    func changeDisk(_ request: ClusterRequest, isFull: Bool) throws {
      try request.send(in: place.absolute)
      guard place.wait(Self.diskSeconds, until: { $0?.broker(broker)?.isDiskFull == isFull }) else {
        Terminal.complain("the disk has not changed in \(Int(Self.diskSeconds)) s: see what `cluster up` says")
        throw Exit.failed
      }
    }

    private static let diskSeconds = 30.0

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
      commandName: "start", abstract: "Start a broker that has ended; returns when it takes clients.",
      discussion: """
        EXAMPLES
          millrace cluster fault start 2
          millrace cluster fault start 2 --override num.io.threads=4      with another configuration, from now on
        """)
    @OptionGroup var target: Target
    @Option(parsing: .upToNextOption, help: "Broker keys, as key=value, beside those that it has.")
    var override: [String] = []

    func validate() throws { try checkOverrides(override) }

    func run() throws {
      let (_, broker) = try target.found()
      guard broker.pid == nil else {
        Terminal.complain("broker \(broker.id) runs already")
        throw Exit.failed
      }
      try ClusterRequest.start(broker.id, overrides: override).send(in: target.place.absolute)
      var failure: String?
      let seconds = LocalCluster.Limits.startSeconds + 10
      let isDone = target.place.wait(seconds) { file in
        guard let now = file?.broker(broker.id), now.starts > broker.starts else { return file == nil }
        failure = now.failure
        return now.isStarted || failure != nil
      }
      guard isDone, failure == nil else {
        Terminal.complain(failure ?? "broker \(broker.id) has not started in \(Int(seconds)) s")
        throw Exit.failed
      }
    }
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

  private struct Fill: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "fill", abstract: "Fill a broker's disk, to the last byte.",
      discussion: """
        The disk is a file system of the broker's own (`up --disk-mib`), which one large file fills. The broker can write nothing more.

        \(ClusterFault.example("fill 2"))
        """)
    @OptionGroup var target: Target

    func run() throws {
      guard try target.found().broker.isDiskFull != nil else {
        Terminal.complain("the brokers have no disks of their own: start the cluster as root with `up --disk-mib 512`")
        throw Exit.unavailable
      }
      try target.changeDisk(.fill(target.broker), isFull: true)
    }
  }

  private struct Mend: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "mend", abstract: "Undo cuts of a broker's network, and free its disk.",
      discussion: ClusterFault.example("mend 2"))
    @OptionGroup var target: Target

    func run() throws {
      let (cluster, broker) = try target.found()
      for direction in ClusterNetwork.Direction.allCases { cluster.clusterNetwork?.mend(broker.id, direction) }
      if broker.isDiskFull == true { try target.changeDisk(.drain(broker.id), isFull: false) }
    }
  }

  private struct RestartZooKeeper: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "restart-zookeeper", abstract: "Stop ZooKeeper and start it again on its data.",
      discussion: ClusterFault.example("restart-zookeeper"))
    @OptionGroup var place: ClusterPlace

    func run() throws {
      _ = try place.running()
      try ClusterRequest.restartZooKeeper.send(in: place.absolute)
    }
  }
}
