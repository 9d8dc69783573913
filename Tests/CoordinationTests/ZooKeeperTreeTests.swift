import Base
import Synchronization
import TestSupport
import Testing

@testable import Coordination

private func connect(
  _ address: String, timeoutMs: Int = 20_000, callTimeoutMs: Int? = nil, _ seen: Seen? = nil
) throws(ZNodeError) -> ZooKeeperTree {
  try ZooKeeperTree(
    connect: address, sessionTimeoutMs: timeoutMs, connectTimeoutMs: 20_000, callTimeoutMs: callTimeoutMs
  ) { seen?.note($0) }
}

private func elapsedMs(_ body: () throws -> Void) rethrows -> Int {
  let start = Clocks.monotonicNs()
  try body()
  return Int((Clocks.monotonicNs() - start) / 1_000_000)
}

@Suite(
  "ZooKeeperTree with a real server",
  .enabled(if: ZooKeeperServer.obstacle == nil, "\(ZooKeeperServer.obstacle ?? "")"))
struct ZooKeeperTreeTests {
  @Test("makes its chroot, and paths and events are those below it")
  func chroot() throws {
    let address = try commonServer.get().address
    let outside = try connect(address)
    let tree = try connect("\(address)/chroots/of/one")
    #expect(try outside.exists("/chroots/of/one") != nil)
    let again = try connect("\(address),\(address)/chroots/of/one")
    let seen = Seen()
    _ = try again.children(of: "/", watch: seen.note)
    _ = try again.exists("/a", watch: seen.note)
    #expect(try tree.multi([.create(path: "/a", data: [])]).first == .created(path: "/a", stat: try tree.exists("/a")))
    #expect(try tree.create("/a/n", mode: .persistentSequential) == "/a/n0000000000")
    #expect(Set(seen.wait(for: 2)) == ["created /a", "childrenChanged /"])
    #expect(try outside.children(of: "/chroots/of/one/a") == ["n0000000000"])
    // One who only looks makes nothing.
    let reader = try ZooKeeperTree(connect: "\(address)/not/there", sessionTimeoutMs: 20_000, makesChroot: false)
    #expect(try reader.exists("/") == nil)
    #expect(code { _ = try reader.get("/") } == .noNode)
  }

  @Test("the session's number and the timeout that the server granted are known")
  func session() throws {
    let tree = try connect(try commonServer.get().address, timeoutMs: 10)
    #expect(tree.sessionTimeoutMs == ZooKeeperServer.shortestSessionMs)
    #expect(tree.sessionID != 0)
  }

  @Test("10,000 children and 10,000 nodes are read whole, and so is the largest value")
  func large() throws {
    let tree = try connect("\(try commonServer.get().address)/large")
    let count = 10_000
    let name = String(repeating: "t", count: 40)
    for start in stride(from: 0, to: count, by: 5000) {
      try tree.multi((start..<start + 5000).map { .create(path: "/\(name)\($0)", data: Array("\($0)".utf8)) })
    }
    let children = try tree.children(of: "/")
    #expect(children.count == count)
    var nodes: [ZNode?] = []
    let takenMs = try elapsedMs { nodes = try tree.get(all: children.map { "/\($0)" }) }
    #expect(nodes.count == count)
    for (child, node) in zip(children, nodes) { #expect(node.map(text) == String(child.dropFirst(name.count))) }
    #expect(takenMs < 10_000, "one after the other they would take longer than \(takenMs) ms")
    let large = (0..<tree.largestMulti - 200).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    try tree.create("/large", large)
    #expect(try tree.get("/large").data == large)
    #expect(
      try tree.get(all: ["/large", "/none", "/large"]).map { $0?.data.count } == [large.count, nil, large.count])
  }

  @Test("what does not fit into a request is refused here, and the largest that is not refused is taken by the server")
  func requestSize() throws {
    let tree = try connect("\(try commonServer.get().address)/size")
    let session = tree.sessionID
    func operations(_ count: Int, last: Int) -> [ZNodeOperation] {
      (0..<count).map {
        .create(path: "/n\($0)-", data: [UInt8](repeating: 1, count: 100), mode: .persistentSequential)
      }
        + [.create(path: "/last", data: [UInt8](repeating: 2, count: last))]
    }
    let most = tree.largestMulti - operations(2000, last: 0).reduce(0) { $0 + $1.bytes }
    let error = #expect(throws: ZNodeError.self) { try tree.multi(operations(2000, last: most + 1)) }
    #expect(error?.code == .badArguments && error?.operation == 2000)
    try tree.multi(operations(2000, last: most))
    #expect(try tree.get("/last").data.count == most)
    #expect(tree.sessionID == session)
  }

  @Test("a server that is killed and comes back has the session still, its ephemeral nodes and its watches")
  func restart() throws {
    let server = try ZooKeeperServer.start()
    let told = Seen(), seen = Seen()
    let tree = try connect("\(server.address)/c", told)
    let session = tree.sessionID
    try tree.create("/e", mode: .ephemeral)
    try tree.create("/a", [1])
    _ = try tree.get("/a", watch: seen.note)
    _ = try tree.exists("/b", watch: seen.note)
    server.kill()
    try server.restart()
    // A read waits for the new connection; so does a write that was not sent.
    #expect(try tree.get("/a").data == [1])
    try tree.set("/a", [2])
    try tree.create("/b")
    #expect(seen.wait(for: 2) == ["dataChanged /a", "created /b"])
    #expect(tree.sessionID == session)
    #expect(try tree.exists("/e")?.ephemeralOwner == session)
    #expect(told.all.count { $0.hasPrefix("connected") } == 2, "\(told.all)")
  }

  @Test("calls to a server that is gone or hangs fail in the time they were given")
  func unreachable() throws {
    let server = try ZooKeeperServer.start()
    let tree = try connect("\(server.address)/c", callTimeoutMs: 600)
    try tree.create("/a")
    for isGone in [false, true] {
      if isGone { server.kill() } else { server.pause() }
      let calls: [() throws -> Void] = [
        { _ = try tree.get("/a") }, { _ = try tree.exists("/a") }, { _ = try tree.children(of: "/") },
        { _ = try tree.get(all: (0..<1000).map { "/\($0)" }) }, { try tree.create("/b\(isGone)") },
        { try tree.multi([.check(path: "/a", version: 0), .set(path: "/a", data: [])]) },
      ]
      for (index, call) in calls.enumerated() {
        let takenMs = elapsedMs { #expect(code(call) == .connectionLost, "call \(index), gone: \(isGone)") }
        #expect(takenMs < 5000, "call \(index) took \(takenMs) ms, gone: \(isGone)")
      }
      if !isGone {
        server.resume()
        #expect(eventually { (try? tree.get("/a")) != nil })
      }
    }
    let takenMs = elapsedMs {
      #expect(code { _ = try ZooKeeperTree(connect: server.address, sessionTimeoutMs: 500) } == .connectionLost)
    }
    #expect(takenMs < 5000)
    // Closing does not wait for the server to come back either.
    #expect(elapsedMs { tree.close() } < 5000)
  }

  @Test("a session that was away for too long has expired: that is told, and every call fails")
  func expiry() throws {
    let server = try commonServer.get()
    let relay = try CuttableRelay(to: server.port)
    defer { relay.stop() }
    let observer = try connect("\(server.address)/expiry")
    let told = Seen()
    let tree = try connect("127.0.0.1:\(relay.port)/expiry", timeoutMs: 1000, told)
    try tree.create("/e", mode: .ephemeral)
    let seen = Seen()
    _ = try observer.exists("/e", watch: seen.note)
    tree.whenSessionEnds { seen.note("ended") }
    relay.cut()
    #expect(eventually { seen.all == ["deleted /e"] })
    #expect(code { try tree.create("/late") } == .connectionLost)
    relay.mend()
    #expect(eventually { seen.all == ["deleted /e", "ended"] })
    let calls: [() throws -> Void] = [
      { _ = try tree.get("/") }, { _ = try tree.get(all: ["/"]) }, { try tree.create("/x") },
      {
        try tree.multi([.create(path: "/x", data: []), .create(path: "/y", data: []), .create(path: "/z", data: [])])
      },
    ]
    for call in calls { #expect(code(call) == .sessionExpired) }
    tree.whenSessionEnds { seen.note("ended before") }
    #expect(seen.all.last == "ended before")
    tree.close()
    #expect(code { _ = try tree.get("/") } == .sessionExpired)
    #expect(try observer.exists("/x") == nil)
    #expect(told.all.last == "the session with ZooKeeper has expired", "\(told.all)")
  }

  @Test("a connection that is cut for a moment costs no session, and a bulk read goes on where it was")
  func cuts() throws {
    let server = try commonServer.get()
    let relay = try CuttableRelay(to: server.port)
    defer { relay.stop() }
    // The C client waits for a sixtieth of the session's timeout before it connects again.
    let tree = try connect("127.0.0.1:\(relay.port)/cuts", timeoutMs: 6000, callTimeoutMs: 20_000)
    try tree.multi((0..<4000).map { .create(path: "/n\($0)", data: Array("\($0)".utf8)) })
    let session = tree.sessionID
    let isDone = Atomic(false)
    // Cuts while reads are under way: on a thread of its own, until they are done.
    let reads = Seen()
    try onThread {
      while !isDone.load(ordering: .relaxed) {
        relay.cut()
        relay.mend()
        Clocks.nap(milliseconds: 300)
      }
      reads.note("no more cuts")
    }
    for _ in 0..<5 {
      let nodes = try tree.get(all: (0..<4000).map { "/n\($0)" })
      #expect(nodes.enumerated().allSatisfy { $1.map(text) == "\($0)" })
    }
    isDone.store(true, ordering: .relaxed)
    #expect(reads.wait(for: 1).count == 1)
    #expect(tree.sessionID == session)
  }

  @Test("closing with watches set, calls under way and inside of a watch leaves nothing behind that could crash")
  func closing() throws {
    let address = "\(try commonServer.get().address)/closing"
    let writer = try connect(address)
    try writer.create("/a")
    for round in 0..<10 {
      let tree = try connect(address)
      let seen = Seen()
      for index in 0..<50 {
        _ = try tree.get("/a", watch: seen.note)
        _ = try tree.exists("/\(round)-\(index)", watch: seen.note)
        _ = try tree.children(of: "/", watch: seen.note)
      }
      if round % 3 == 0 { _ = try tree.get("/a", watch: { [weak tree] _ in tree?.close() }) }
      tree.whenSessionEnds { seen.note("ended") }
      for _ in 0..<4 {
        try onThread {
          while (try? tree.get(all: (0..<300).map { "/\($0)" })) != nil {}
          seen.note("reader done")
        }
      }
      try writer.set("/a", [UInt8(round)])
      if round % 3 != 0 { tree.close() }
      #expect(eventually { seen.all.count { $0 == "reader done" } == 4 && seen.all.contains("ended") })
    }
    // Without close: the last owner's end is the session's.
    var abandoned: ZooKeeperTree? = try connect(address)
    try abandoned?.create("/e", mode: .ephemeral)
    abandoned = nil
    #expect(try eventually { try writer.exists("/e") == nil })
  }

  @Test("an ensemble of three that loses one goes on with the same sessions; one that loses two does not")
  func ensemble() throws {
    let servers = try ZooKeeperServer.ensemble(of: 3)
    let address = servers.map(\.address).joined(separator: ",") + "/c"
    let trees = try (0..<3).map { _ in try connect(address, callTimeoutMs: 15_000) }
    let sessions = trees.map(\.sessionID)
    for (index, tree) in trees.enumerated() { try tree.create("/e\(index)", mode: .ephemeral) }
    let seen = Seen()
    for tree in trees { _ = try tree.exists("/after", watch: seen.note) }
    let leader = try #require(servers.first { $0.mode == "leader" })
    leader.kill()
    for (index, tree) in trees.enumerated() {
      // A write that was under way may have been made.
      #expect(eventually { (try? tree.create("/w\(index)")) != nil || (try? tree.exists("/w\(index)")) != nil })
    }
    #expect(eventually { (try? trees[0].create("/after")) != nil || (try? trees[0].exists("/after")) != nil })
    #expect(seen.wait(for: 3) == ["created /after", "created /after", "created /after"])
    for tree in trees { #expect(try tree.children(of: "/").count { $0.hasPrefix("e") } == 3) }
    #expect(trees.map(\.sessionID) == sessions)
    try #require(servers.first { $0.mode == "leader" }).kill()
    let alone = try ZooKeeperConnect(address)
    #expect(code { _ = try ZooKeeperTree(connect: alone.servers, sessionTimeoutMs: 1000) } == .connectionLost)
  }
}

@Suite("zookeeper.connect")
struct ZooKeeperConnectTests {
  @Test("names servers with or without ports, and a chroot")
  func parsing() throws {
    let cases: [(String, servers: String, chroot: String)] = [
      ("a", "a:2181", ""), ("a:1", "a:1", ""), ("a:1,b,c:3/k", "a:1,b:2181,c:3", "/k"), (" a:1 , b:2 ", "a:1,b:2", ""),
      ("a:1/", "a:1", ""), ("a:1/x/y", "a:1", "/x/y"), ("[::1]:9,[::2]", "[::1]:9,[::2]:2181", ""),
      ("a,,b,", "a:2181,b:2181", ""),
    ]
    for (text, servers, chroot) in cases {
      let connect = try ZooKeeperConnect(text)
      #expect(connect.servers == servers && connect.chroot == chroot, "\(text): \(connect)")
    }
    for text in ["", ",", "/x", "a:0", "a:x", "a:70000", ":1", "a b:1", "a:1/x/", "a:1//x", "a:1/x/..", "a\u{0}:1"] {
      #expect(code { _ = try ZooKeeperConnect(text) } == .badArguments, "\(text)")
    }
  }

  @Test("moves paths below the chroot and back")
  func paths() throws {
    let connect = try ZooKeeperConnect("a/k/l")
    for (inside, outside) in [("/", "/k/l"), ("/a", "/k/l/a"), ("/a/b", "/k/l/a/b")] {
      #expect(connect.outside(inside) == outside)
      #expect(connect.inside(outside) == inside)
    }
    let root = try ZooKeeperConnect("a")
    #expect(root.outside("/") == "/" && root.inside("/x") == "/x")
  }
}

/// A thread, because a task's would be one of few, and these wait.
private func onThread(_ body: @escaping @Sendable () -> Void) throws { try CuttableRelay.run(body) }
