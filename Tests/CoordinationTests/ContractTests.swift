import Base
import Testing

@testable import Coordination

/// What every tree promises: the embedded one, the shared one, and a real server's.
@Suite("A tree of z-nodes, of any kind")
struct ContractTests {
  @Test("creates, reads, changes and deletes a node, and its stat counts as ZooKeeper's", arguments: TreeKind.all)
  func lifecycle(kind: TreeKind) throws {
    let tree = try kind.make().open()
    let path = try tree.create("/a", Array("one".utf8))
    #expect(path == "/a")
    let created = try tree.get("/a")
    #expect(text(created) == "one")
    #expect(created.stat.version == 0 && created.stat.cversion == 0 && created.stat.dataLength == 3)
    #expect(created.stat.czxid == created.stat.mzxid && created.stat.czxid == created.stat.pzxid)
    #expect(created.stat.ctime == created.stat.mtime && created.stat.ctime > 0)
    #expect(created.stat.ephemeralOwner == 0)
    try tree.create("/a/b")
    try tree.create("/a/c")
    try tree.delete("/a/b")
    let stat = try tree.set("/a", Array("two".utf8), version: 0)
    #expect(stat.version == 1 && stat.czxid == created.stat.czxid && stat.mzxid > stat.pzxid)
    #expect(stat.pzxid > created.stat.czxid && stat.cversion == 3 && stat.numChildren == 1)
    #expect(try tree.get("/a") == ZNode(data: Array("two".utf8), stat: stat))
    #expect(try tree.exists("/a") == stat)
    #expect(try tree.children(of: "/a") == ["c"])
    #expect(try tree.exists("/a/b") == nil)
    #expect(try tree.find("/a/b") == nil)
    #expect(try tree.get("/a/c").data == [])
    let results = try tree.multi([.create(path: "/d", data: [0, 255])])
    #expect(results == [.created(path: "/d", stat: try tree.exists("/d"))])
    #expect(try tree.get("/d").data == [0, 255])
  }

  @Test("refuses what cannot be done by its name and place, and nothing changes", arguments: TreeKind.all)
  func refusals(kind: TreeKind) throws {
    let tree = try kind.make().open()
    try tree.create("/a")
    try tree.create("/a/b")
    try tree.create("/e", mode: .ephemeral)
    let before = try tree.get("/a").stat
    let cases: [(ZNodeOperation, ZNodeError.Code)] = [
      (.create(path: "/a", data: []), .nodeExists),
      (.create(path: "/x/y", data: []), .noNode),
      (.create(path: "/x/y-", data: [], mode: .persistentSequential), .noNode),
      (.create(path: "/e/child", data: []), .noChildrenForEphemerals),
      (.create(path: "a", data: []), .badArguments),
      (.create(path: "/a/", data: []), .badArguments),
      (.create(path: "/a//b", data: []), .badArguments),
      (.create(path: "/a/..", data: []), .badArguments),
      (.create(path: "/a\u{0}", data: []), .badArguments),
      (.create(path: "/a\u{7}", data: []), .badArguments),
      (.create(path: "/big", data: [UInt8](repeating: 0, count: 1 << 20)), .badArguments),
      (.set(path: "/x", data: []), .noNode),
      (.set(path: "/a", data: [], version: 7), .badVersion),
      (.delete(path: "/x"), .noNode),
      (.delete(path: "/a"), .notEmpty),
      (.delete(path: "/a/b", version: 7), .badVersion),
      (.delete(path: "/"), .badArguments),
      (.check(path: "/a", version: 7), .badVersion),
      (.check(path: "/x", version: 0), .noNode),
    ]
    for (operation, expected) in cases {
      let alone = #expect(throws: ZNodeError.self, "\(operation)") { try tree.multi([operation]) }
      #expect(alone?.code == expected && alone?.path == operation.path, "\(operation): \(alone!)")
      let error = #expect(throws: ZNodeError.self, "\(operation)") {
        try tree.multi([
          .create(path: "/first", data: []), .set(path: "/a", data: [1]), .delete(path: "/a/b"),
          .create(path: "/a/b", data: []), operation, .create(path: "/last", data: []),
        ])
      }
      #expect(
        error?.code == expected && error?.operation == 4 && error?.path == operation.path, "\(operation): \(error!)")
    }
    #expect(try tree.get("/a").stat == before)
    #expect(try tree.children(of: "/") == ["a", "e"])
    #expect(code { _ = try tree.get("/x") } == .noNode)
    #expect(code { _ = try tree.children(of: "/x") } == .noNode)
    #expect(code { _ = try tree.get("x") } == .badArguments)
    #expect(code { _ = try tree.exists("/x/") } == .badArguments)
  }

  @Test("gives sequential names ten digits that rise, also after a deletion", arguments: TreeKind.all)
  func sequential(kind: TreeKind) throws {
    let tree = try kind.make().open()
    try tree.create("/q")
    #expect(try tree.create("/q/n_", mode: .persistentSequential) == "/q/n_0000000000")
    #expect(try tree.create("/q/n_", mode: .ephemeralSequential) == "/q/n_0000000001")
    try tree.delete("/q/n_0000000000")
    let results = try tree.multi([
      .create(path: "/q/n_", data: [1], mode: .persistentSequential), .create(path: "/q/plain", data: []),
      .create(path: "/q/m", data: [2], mode: .persistentSequential), .set(path: "/q", data: [3]),
      .check(path: "/q", version: 1), .delete(path: "/q/plain"),
    ])
    let created = results.compactMap { if case .created(let path, _) = $0 { path } else { nil } }
    #expect(created == ["/q/n_0000000002", "/q/plain", "/q/m0000000004"])
    #expect(results[3] == .set(try tree.get("/q").stat) || results[3] != .checked)
    #expect(results[4] == .checked && results[5] == .deleted)
    #expect(try tree.children(of: "/q") == ["m0000000004", "n_0000000001", "n_0000000002"])
  }

  @Test(
    "calls a watch once, after the change, in the order of changes, and it may use the tree", arguments: TreeKind.all)
  func watches(kind: TreeKind) throws {
    let tree = try kind.make().open()
    let seen = Seen()
    _ = try tree.exists("/a") { [weak tree] event in
      seen.note(event)
      _ = try? tree?.get("/a", watch: seen.note)
      _ = try? tree?.set("/a", [1])
    }
    _ = try tree.children(of: "/", watch: seen.note)
    try tree.create("/a")
    #expect(Set(seen.wait(for: 3)) == ["created /a", "childrenChanged /", "dataChanged /a"])
    #expect(seen.all.first == "created /a")
    try tree.set("/a", [2])
    #expect(seen.wait(for: 3).count == 3)
    _ = try tree.children(of: "/a", watch: seen.note)
    _ = try tree.get("/a", watch: seen.note)
    _ = try tree.exists("/a", watch: seen.note)
    try tree.delete("/a")
    #expect(seen.wait(for: 6).dropFirst(3) == ["deleted /a", "deleted /a", "deleted /a"])
    // A node that is not there has no data to watch.
    #expect(code { _ = try tree.get("/a", watch: seen.note) } == .noNode)
    #expect(code { _ = try tree.children(of: "/a", watch: seen.note) } == .noNode)
    try tree.create("/a")
    #expect(seen.wait(for: 6).count == 6)
  }

  @Test("sets off no watch by a multi that fails", arguments: TreeKind.all)
  func failedMulti(kind: TreeKind) throws {
    let tree = try kind.make().open()
    let seen = Seen()
    _ = try tree.exists("/a", watch: seen.note)
    #expect(code { try tree.multi([.create(path: "/a", data: []), .delete(path: "/b")]) } == .noNode)
    #expect(try tree.multi([]).isEmpty)
    try tree.create("/c")
    #expect(seen.all == [])
  }

  @Test("reads many nodes at once, in the order of their paths", arguments: TreeKind.all)
  func bulk(kind: TreeKind) throws {
    let tree = try kind.make().open()
    let count = 3000
    try tree.multi((0..<count).filter { $0 % 7 != 0 }.map { .create(path: "/n\($0)", data: Array("\($0)".utf8)) })
    let nodes = try tree.get(all: (0..<count).map { "/n\($0)" })
    #expect(nodes.count == count)
    for (index, node) in nodes.enumerated() {
      #expect(node.map(text) == (index % 7 == 0 ? nil : "\(index)"))
    }
    #expect(try tree.get(all: []).isEmpty)
    #expect(code { _ = try tree.get(all: ["/n1", "n2"]) } == .badArguments)
  }

  @Test("ends with close: that is told once, and every later call fails", arguments: TreeKind.all)
  func closing(kind: TreeKind) throws {
    let tree = try kind.make().open()
    let seen = Seen()
    try tree.create("/a")
    _ = try tree.get("/a", watch: seen.note)
    _ = try tree.children(of: "/", watch: seen.note)
    _ = try tree.exists("/b", watch: seen.note)
    tree.whenSessionEnds { seen.note("ended") }
    tree.close()
    tree.close()
    #expect(seen.all == ["ended"])
    tree.whenSessionEnds { seen.note("told late") }
    #expect(seen.all == ["ended", "told late"])
    let calls: [() throws -> Void] = [
      { _ = try tree.get("/a") }, { _ = try tree.exists("/a") }, { _ = try tree.children(of: "/") },
      { _ = try tree.get(all: ["/a"]) }, { try tree.create("/b") },
    ]
    for call in calls { #expect(code(call) == .closed) }
  }

  @Test("random multis have the same outcome in each kind of tree", arguments: 1...4)
  func lockstep(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let trees = try TreeKind.all.map { ($0, try $0.make().open()) }
    for step in 0..<150 {
      let operations = RandomTree.operations(using: &random)
      let outcomes = trees.map { kind, tree in outcome(of: operations, tree) }
      for (index, outcome) in outcomes.enumerated() {
        #expect(outcome == outcomes[0], "\(trees[index].0), seed \(seed) step \(step): \(operations)")
      }
    }
    let contents = try trees.map { try $0.1.allNodes() }
    for (index, nodes) in contents.enumerated() { #expect(nodes == contents[0], "\(trees[index].0), seed \(seed)") }
  }

  /// Without what differs from server to server: numbers of changes, and times.
  private func outcome(of operations: [ZNodeOperation], _ tree: any ZNodeTree) -> [String] {
    do {
      return try tree.multi(operations).map { result in
        switch result {
        case .created(let path, _): "created \(path)"
        case .set(let stat):
          "set version \(stat.version), \(stat.dataLength) bytes, \(stat.cversion) \(stat.numChildren)"
        case .deleted: "deleted"
        case .checked: "checked"
        }
      }
    } catch {
      return ["\(error.code) at \(error.operation): \(error.path)"]
    }
  }
}

/// What trees with several sessions promise.
@Suite("Sessions with a tree of z-nodes")
struct SessionContractTests {
  @Test("own ephemeral nodes, which go when they close", arguments: TreeKind.ofManySessions)
  func ephemerals(kind: TreeKind) throws {
    let cluster = try kind.make()
    let first = try cluster.open(), second = try cluster.open()
    #expect(first.sessionID != second.sessionID && first.sessionID != 0)
    try first.create("/ids")
    try first.multi([.create(path: "/ids/1", data: [1], mode: .ephemeral), .create(path: "/ids/2", data: [2])])
    try second.create("/ids/3", mode: .ephemeral)
    #expect(try second.get("/ids/1").stat.ephemeralOwner == first.sessionID)
    #expect(code { try second.create("/ids/1", mode: .ephemeral) } == .nodeExists)
    let seen = Seen()
    _ = try second.exists("/ids/1", watch: seen.note)
    _ = try second.children(of: "/ids", watch: seen.note)
    first.close()
    #expect(seen.wait(for: 2) == ["deleted /ids/1", "childrenChanged /ids"])
    #expect(try second.children(of: "/ids") == ["2", "3"])
    try second.create("/ids/1", mode: .ephemeral)
  }

  @Test("see a watch's event before they see the change", arguments: TreeKind.ofManySessions)
  func order(kind: TreeKind) throws {
    let cluster = try kind.make()
    let writer = try cluster.open(), reader = try cluster.open()
    try writer.create("/a", [0])
    for round in 1...50 {
      let seen = Seen()
      _ = try reader.get("/a", watch: seen.note)
      try writer.set("/a", [UInt8(round)])
      let isNew = try eventually {
        let isNew = try reader.get("/a").data == [UInt8(round)]
        if isNew { #expect(seen.all == ["dataChanged /a"], "round \(round)") }
        return isNew
      }
      #expect(isNew)
    }
  }

  @Test("see each other's changes, and a condition that no longer holds", arguments: TreeKind.ofManySessions)
  func conditions(kind: TreeKind) throws {
    let cluster = try kind.make()
    let first = try cluster.open(), second = try cluster.open()
    try first.create("/epoch", [1])
    let version = try first.get("/epoch").stat.version
    try second.set("/epoch", [2], version: version)
    let error = #expect(throws: ZNodeError.self) {
      try first.multi([.check(path: "/epoch", version: version), .create(path: "/topic", data: [])])
    }
    #expect(error?.code == .badVersion && error?.path == "/epoch" && error?.operation == 0)
    #expect(try second.exists("/topic") == nil)
  }
}
