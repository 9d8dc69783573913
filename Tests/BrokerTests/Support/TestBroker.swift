import Coordination
import Dispatch
import Glibc
import Logging
import NIOCore
import Storage
import StorageArms
import Synchronization
import Testing

@testable import Broker

/// A broker in this process, on a free port and in a directory of its own.
final class TestBroker: Sendable {
  let running: Running
  let directory: String
  let lines: CapturedLog

  var port: UInt16 { running.listeners[0].port }
  var broker: LocalBroker { running.broker }
  var loop: any EventLoop { running.loop }

  /// A node in a real world, to be waited for.
  struct Running: Sendable {
    fileprivate let real: RealWorld
    fileprivate let node: Node
    private let started: RunningNode
    let requestLog = WrittenLines()

    fileprivate init(
      _ config: Config, disk: any Disk, pageCache: PageCache, log: Logger, connectTree: TreeConnector?
    ) throws {
      real = RealWorld(config, disk: disk, arms: .all, pageCache: pageCache, log: log)
      var world = real.world
      if let connectTree { world.connectTree = connectTree }
      let requestLog = requestLog
      world.writeRequestLog = { requestLog.write($0) }
      node = Node(world, config, log: log)
      do { started = try node.start().wait() } catch {
        real.shutdown()
        throw error
      }
    }

    /// Of the listener for metrics.
    var metricsPort: UInt16? { node.metricsPort }
    var broker: LocalBroker { started.broker }
    var loop: any EventLoop { real.world.loops.next() }
    var server: BrokerServer { started.server }
    var cleaner: LogCleaner { started.cleaner }
    var listeners: [any BoundListener] { started.listeners }

    fileprivate func closeTree() { started.broker.controller.withState { $0.tree.close() } }

    func stop() { end(node.stop()) }
    func abandon() { end(node.abandon()) }

    private func end(_ ended: EventLoopFuture<Void>) {
      do { try ended.wait() } catch { Issue.record("the broker did not stop in order: \(error)") }
      real.shutdown()
    }
  }

  private init(_ running: Running, directory: String, lines: CapturedLog) {
    self.running = running
    self.directory = directory
    self.lines = lines
  }

  /// Starts a broker in `directory`, which may have been another's before.
  ///
  /// - Parameter connectTree: what `zookeeper.connect` leads to.
  static func start(
    in directory: String, _ overrides: [String: String] = [:], disk: any Disk = RealDisk(),
    cache: PageCache = PageCache(), connectTree: TreeConnector? = nil
  ) throws -> TestBroker {
    var values = [
      "listeners": "PLAINTEXT://127.0.0.1:0", "log.dirs": "\(directory)/data", "broker.id": "1",
      "num.network.threads": "2", "num.partitions": "2",
      // Small, so that the tests that make these topics are quick.
      "transaction.state.log.num.partitions": "3", "offsets.topic.num.partitions": "3",
    ]
    values.merge(overrides) { $1 }
    let lines = CapturedLog()
    let log = Logger(label: "test") { _ in lines.handler }
    return TestBroker(
      try Running(
        try Config(overrides: values), disk: disk, pageCache: cache, log: log, connectTree: connectTree),
      directory: directory, lines: lines)
  }

  /// Ends the broker's session with its tree, as nothing but a stop does with an embedded one.
  func closeTree() { running.closeTree() }

  /// Returns when every compacted log that is due has been cleaned.
  func clean() {
    let done = DispatchSemaphore(value: 0)
    running.cleaner.cleanDue { done.signal() }
    done.wait()
  }

  func connect() throws -> TestClient { try TestClient(port: port) }

  /// Keeps all threads of an offload lane busy while `body` runs.
  func blocking(_ lane: OffloadLane, _ body: () throws -> Void) rethrows {
    let (began, mayEnd) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    for _ in 0..<lane.threads {
      broker.offload.submit(lane) {
        began.signal()
        mayEnd.wait()
      }
    }
    for _ in 0..<lane.threads { began.wait() }
    defer { for _ in 0..<lane.threads { mayEnd.signal() } }
    try body()
  }
}

/// What a broker's request log would be.
final class WrittenLines: Sendable {
  private let bytes = Mutex<[UInt8]>([])

  func write(_ lines: [UInt8]) { bytes.withLock { $0 += lines } }

  var lines: [String] {
    String(decoding: bytes.withLock { $0 }, as: UTF8.self).split(separator: "\n").map(String.init)
  }
}

/// Runs `body` with a fresh broker, which is stopped afterwards, and its files removed.
func withBroker(
  _ overrides: [String: String] = [:], disk: any Disk = RealDisk(), cache: PageCache = PageCache(),
  _ body: (TestBroker) throws -> Void
) throws {
  try withDirectory { directory in
    let broker = try TestBroker.start(in: directory, overrides, disk: disk, cache: cache)
    defer { broker.running.stop() }
    try body(broker)
  }
}

/// Lends a directory that is removed afterwards.
func withDirectory(_ body: (String) throws -> Void) throws {
  let place = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
  var template = Array("\(place)/millrace-broker-test-XXXXXX".utf8CString)
  let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
  try #require(made)
  let path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  defer { removeTree(path) }
  try body(path)
}

private func removeTree(_ path: String) {
  if let names = try? directoryNames(path) {
    for name in names { removeTree("\(path)/\(name)") }
    rmdir(path)
  } else {
    unlink(path)
  }
}

/// Names in a directory; throws when it is none.
func directoryNames(_ path: String) throws -> [String] {
  guard let open = opendir(path) else { throw POSIXFailure(code: errno) }
  defer { closedir(open) }
  var names: [String] = []
  while let entry = readdir(open) {
    let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    if name != ".", name != ".." { names.append(name) }
  }
  return names
}

struct POSIXFailure: Error { var code: Int32 }

/// What the broker logged.
final class CapturedLog: Sendable {
  private let captured = Mutex<[String]>([])

  var all: [String] { captured.withLock { $0 } }
  var handler: Handler { Handler(log: self) }

  struct Handler: LogHandler {
    let log: CapturedLog
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }
    func log(event: LogEvent) {
      log.captured.withLock { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
    }
  }
}
