import Glibc
import Synchronization

/// A ZooKeeper server as a process of its own, listening at one address of this machine. It ends when this process does, however that ends.
///
/// Its session timeouts are short, and it does not wait for the disk: what was written survives its own end, not the machine's.
package final class ZooKeeperServer: Sendable {
  /// Where it listens.
  package let host: String
  package let port: UInt16
  /// Its configuration, data and log; removed at the end.
  package let directory: String
  private let running = Mutex<Running?>(nil)

  private struct Running {
    /// Of the server, and of the shell that ends it when nobody holds the other end of the shell's standard input.
    var server: pid_t, shell: pid_t
    var lifeline: Int32
  }

  package typealias Failure = BrokerProcess.Failure

  /// Sessions have a timeout of at least this, in milliseconds.
  package static let shortestSessionMs = 400

  /// What a machine lacks for a server to be started here; nil where nothing is missing.
  package static let obstacle: String? = {
    guard access(jar, R_OK) == 0 else { return "needs Debian's package zookeeper (\(jar))" }
    return java == nil ? "needs java on the PATH" : nil
  }()

  private static let jar = "/usr/share/java/zookeeper.jar"
  /// Names the other jars that it needs, but for one that logs.
  private static let classPath = "\(jar):/usr/share/java/slf4j-simple.jar"
  private static let java: String? = {
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin"
    return path.split(separator: ":").map { "\($0)/java" }.first { access($0, X_OK) == 0 }
  }()

  /// Starts a server and returns when it serves clients. Blocks its thread meanwhile.
  package static func start(at host: String = "127.0.0.1") throws -> ZooKeeperServer {
    let server = try ZooKeeperServer(host: host, port: BrokerProcess.freePort(), members: [], number: 0)
    try server.launch()
    try server.waitUntilServing()
    return server
  }

  /// Starts the servers of an ensemble and returns when each serves clients. Blocks its thread meanwhile.
  package static func ensemble(of count: Int) throws -> [ZooKeeperServer] {
    let members = try (1...count).map {
      "server.\($0)=127.0.0.1:\(try BrokerProcess.freePort()):\(try BrokerProcess.freePort())"
    }
    let servers = try (1...count).map {
      try ZooKeeperServer(host: "127.0.0.1", port: BrokerProcess.freePort(), members: members, number: $0)
    }
    for server in servers { try server.launch() }
    for server in servers { try server.waitUntilServing() }
    return servers
  }

  private init(host: String, port: UInt16, members: [String], number: Int) throws {
    self.host = host
    self.port = port
    var template = Array("\(Self.temporaryDirectory)/millrace-zookeeper-XXXXXX\0".utf8CString)
    guard let made = mkdtemp(&template) else { throw Failure("no directory: \(errnoText)") }
    directory = String(cString: made)
    let lines =
      [
        "tickTime=200", "dataDir=\(directory)/data", "clientPort=\(port)", "clientPortAddress=\(host)",
        "admin.enableServer=false", "minSessionTimeout=\(Self.shortestSessionMs)", "maxSessionTimeout=60000",
        "initLimit=50", "syncLimit=20", "maxClientCnxns=0", "4lw.commands.whitelist=srvr,cons",
      ] + members
    guard mkdir("\(directory)/data", 0o755) == 0 else { throw Failure("\(directory)/data: \(errnoText)") }
    try lines.map { $0 + "\n" }.joined().write(toFile: "\(directory)/zoo.cfg")
    if !members.isEmpty { try "\(number)\n".write(toFile: "\(directory)/data/myid") }
  }

  deinit {
    if !end(keepingFiles: false) { remove() }
  }

  package var address: String { "\(host):\(port)" }

  // MARK: Ends, and what may follow them

  /// Ends it as a crash would.
  package func kill() {
    send(SIGKILL)
    end(keepingFiles: true)
  }

  /// Starts it again from what it has written, and returns when it serves clients.
  package func restart() throws {
    try launch()
    try waitUntilServing()
  }

  /// Stops it from running, as a machine that hangs: connections stay open, and nothing is answered.
  package func pause() { send(SIGSTOP) }
  package func resume() { send(SIGCONT) }

  private func send(_ signal: Int32) {
    running.withLock { running in
      if let running { _ = Glibc.kill(running.server, signal) }
    }
  }

  package func logText() throws -> String { try String(readingFile: "\(directory)/log") }

  /// The shell kills the server, and removes the files unless it is told to keep them. Returns false when there is none.
  @discardableResult
  private func end(keepingFiles: Bool) -> Bool {
    let ended = running.withLock { running in
      defer { running = nil }
      return running
    }
    guard let ended else { return false }
    if keepingFiles { _ = write(ended.lifeline, "keep\n", 5) }
    close(ended.lifeline)
    var status: Int32 = 0
    waitpid(ended.shell, &status, 0)
    return true
  }

  private func remove() {
    let words: [String] = ["/bin/rm", "-rf", directory]
    let arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    guard posix_spawn(&pid, "/bin/rm", nil, nil, arguments, environ) == 0 else { return }
    var status: Int32 = 0
    waitpid(pid, &status, 0)
  }

  // MARK: Starting

  private static let script = """
    directory=$1; shift
    "$@" >>"$directory/log" 2>&1 &
    echo $! >"$directory/pid.new"; mv "$directory/pid.new" "$directory/pid"
    read -r word
    kill -9 $!; wait $!
    [ "$word" = keep ] || rm -rf "$directory"
    """

  private func launch() throws {
    guard running.withLock({ $0 == nil }), let java = Self.java else {
      throw Failure(Self.obstacle ?? "the server runs already")
    }
    unlink("\(directory)/pid")
    // Not a pipe: these are not inherited by what other threads start meanwhile.
    var ends: [Int32] = [0, 0]
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw Failure("no socket pair: \(errnoText)") }
    defer { close(ends[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
    let words: [String] =
      [
        "/bin/sh", "-c", Self.script, "sh", directory, java, "-Xshare:auto", "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC", "-Xmx256m", "-Dzookeeper.forceSync=no", "-Dzookeeper.jmx.log4j.disable=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", Self.classPath,
        "org.apache.zookeeper.server.quorum.QuorumPeerMain", "\(directory)/zoo.cfg",
      ]
    let arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var shell: pid_t = 0
    let code = posix_spawn(&shell, "/bin/sh", &actions, nil, arguments, environ)
    guard code == 0 else {
      close(ends[1])
      throw Failure("/bin/sh does not start: \(String(cString: strerror(code)))")
    }
    let lifeline = ends[1]
    for _ in 0..<2000 {
      if access("\(directory)/pid", R_OK) == 0 { break }
      usleep(5_000)
    }
    guard let pid = pid_t(try String(readingFile: "\(directory)/pid").prefix { $0.isNumber }) else {
      close(lifeline)
      throw Failure("no process id of a ZooKeeper server in \(directory)/pid")
    }
    running.withLock { $0 = Running(server: pid, shell: shell, lifeline: lifeline) }
  }

  private func waitUntilServing() throws {
    for _ in 0..<1500 {
      if mode != nil { return }
      usleep(20_000)
    }
    throw Failure("no ZooKeeper server serves at \(address) after 30 s: \((try? logText()) ?? "")")
  }

  /// What it says it is: `standalone`, `leader` or `follower`; nil while it serves no client.
  package var mode: String? {
    guard let socket = try? RawSocket(host: host, port: port, patienceSeconds: 5) else { return nil }
    guard Array("srvr".utf8).withUnsafeBytes({ socket.send($0) }) == 4 else { return nil }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while case let count = chunk.withUnsafeMutableBytes({ socket.receive($0) }), count > 0 { text += chunk[..<count] }
    let line = String(decoding: text, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("Mode: ") }
    return line.map { String($0.dropFirst("Mode: ".count)) }
  }

  private static var temporaryDirectory: String { getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp" }
}
