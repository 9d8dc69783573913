import Glibc
import Results

/// A ZooKeeper server of a local cluster, from Debian's package `zookeeper`.
final class ZooKeeperProcess {
  enum Limits {
    static let startSeconds = 60.0
    static let stopSeconds = 10.0
    /// Milliseconds: the unit of the server's timeouts. Sessions last from 2 to 20 of them, where nothing else is said.
    static let tickMs = 500
    static let sessionMs = 1_000...60_000
  }

  private static let jar = "/usr/share/java/zookeeper.jar"
  private static let loggerJar = "/usr/share/java/slf4j-simple.jar"

  /// What this machine lacks for a server; nil where nothing is missing.
  static var obstacle: String? {
    guard access(jar, R_OK) == 0 else { return "there is no ZooKeeper: install Debian's package `zookeeper`" }
    return Tool.path(of: "java") == nil ? "there is no `java` on the PATH: install `default-jre-headless`" : nil
  }

  let address: String
  private let directory: String
  private let port: Int
  private var child: ChildProcess?

  /// - Parameter directory: of its configuration, data (in `data`) and log; both exist.
  init(host: String, port: Int, directory: String) throws(RunError) {
    address = "\(host):\(port)"
    self.port = port
    self.directory = directory
    let lines = [
      "tickTime=\(Limits.tickMs)", "dataDir=\(directory)/data", "clientPort=\(port)", "clientPortAddress=\(host)",
      "admin.enableServer=false", "maxClientCnxns=0", "minSessionTimeout=\(Limits.sessionMs.lowerBound)",
      "maxSessionTimeout=\(Limits.sessionMs.upperBound)", "4lw.commands.whitelist=srvr,ruok",
    ]
    do {
      try SmallFile.replace("\(directory)/zoo.cfg", lines.map { $0 + "\n" }.joined())
    } catch { throw .failed("\(directory): \(error)") }
  }

  var pid: Int32? { child?.pid }

  /// Starts the server on the data that there is; returns when it takes connections.
  func start(stopRequested: () -> Bool) throws(RunError) {
    if let obstacle = Self.obstacle { throw .failed(obstacle) }
    guard let java = Tool.path(of: "java") else { throw .failed("there is no java") }
    let log = "\(directory)/zookeeper.log"
    let started: ChildProcess
    do {
      started = try ChildProcess(
        program: java,
        arguments: [
          "-XX:+UseSerialGC", "-Xmx512m", "-Dzookeeper.jmx.log4j.disable=true",
          "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", "\(Self.jar):\(Self.loggerJar)",
          "org.apache.zookeeper.server.quorum.QuorumPeerMain", "\(directory)/zoo.cfg",
        ], outPath: log, errPath: "\(directory)/zookeeper.err")
    } catch { throw .failed("\(error)") }
    child = started
    let deadline = Uptime.seconds + Limits.startSeconds
    while !ListeningPort.isOpen(port) {
      if let end = started.poll() { throw .failed("ZooKeeper ended with \(end): \(BrokerProcess.lastLine(log))") }
      if stopRequested() { throw .interrupted }
      guard Uptime.seconds < deadline else { throw .failed("ZooKeeper did not start: see \(log)") }
      Uptime.nap(milliseconds: 20)
    }
  }

  func stop() { child?.stop(grace: Limits.stopSeconds) }
}
