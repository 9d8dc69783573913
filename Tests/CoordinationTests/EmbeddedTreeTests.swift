import Base
import Synchronization
import Testing

@testable import Coordination

private func tree(_ journal: MemoryJournal = MemoryJournal(), compactAt: Int = 1 << 30) throws(ZNodeError)
  -> EmbeddedTree
{
  try EmbeddedTree(store: journal, compaction: .init(changeBytes: compactAt)) { 1000 }
}

@Suite("EmbeddedTree")
struct EmbeddedTreeTests {
  @Test("a node is created, read, changed and deleted, and its stat counts as ZooKeeper's")
  func lifecycle() throws {
    let tree = try tree()
    try tree.create("/a", Array("one".utf8))
    let created = try tree.get("/a")
    #expect(text(created) == "one")
    #expect(created.stat.version == 0)
    #expect(created.stat.czxid == created.stat.mzxid)
    #expect(created.stat.ctime == 1000)
    #expect(created.stat.dataLength == 3)
    try tree.create("/a/b")
    try tree.create("/a/c")
    try tree.delete("/a/b")
    let stat = try tree.set("/a", Array("two".utf8), version: 0)
    #expect(stat.version == 1)
    #expect(stat.mzxid == created.stat.czxid + 4)
    #expect(stat.czxid == created.stat.czxid)
    #expect(stat.pzxid == created.stat.czxid + 3)
    #expect(stat.cversion == 3)
    #expect(stat.numChildren == 1)
    #expect(try tree.children(of: "/a") == ["c"])
    #expect(try tree.exists("/a/b") == nil)
  }

  @Test("sequential names have ten digits and rise, also after a deletion and a restart")
  func sequential() throws {
    let journal = MemoryJournal()
    let first = try tree(journal)
    try first.create("/q")
    #expect(try first.create("/q/n_", mode: .persistentSequential) == "/q/n_0000000000")
    #expect(try first.create("/q/n_", mode: .ephemeralSequential) == "/q/n_0000000001")
    try first.delete("/q/n_0000000000")
    #expect(try tree(journal).create("/q/n_", mode: .persistentSequential) == "/q/n_0000000002")
  }

  @Test("ephemeral nodes go with their session, and children watches of the next one see nothing of it")
  func ephemerals() throws {
    let journal = MemoryJournal()
    let first = try tree(journal)
    try first.create("/ids")
    try first.create("/ids/1", mode: .ephemeral)
    #expect(try first.get("/ids/1").stat.ephemeralOwner == first.sessionID)
    let second = try tree(journal)
    #expect(second.sessionID > first.sessionID)
    #expect(try second.children(of: "/ids") == [])
  }

  @Test("changes from many threads are all there, each at its own zxid")
  func threads() async throws {
    let tree = try tree()
    await withTaskGroup(of: Void.self) { group in
      for thread in 0..<8 {
        group.addTask { for index in 0..<50 { _ = try? tree.create("/n\(thread)-\(index)") } }
      }
    }
    let names = try tree.children(of: "/")
    #expect(names.count == 400)
    #expect(Set(try names.map { try tree.get("/\($0)").stat.czxid }).count == 400)
  }
}

@Suite("EmbeddedTree and its journal")
struct EmbeddedTreeJournalTests {
  @Test("a write that fails changes nothing, and the tree goes on")
  func failedWrite() throws {
    let journal = MemoryJournal()
    let open = try tree(journal)
    try open.create("/a", [1])
    for kept in 0..<20 {
      journal.fault = .write(keeping: kept)
      #expect(throws: ZNodeError.self) { try open.multi([.set(path: "/a", data: [2]), .create(path: "/b", data: [])]) }
    }
    #expect(try open.get("/a").data == [1])
    #expect(try open.get("/a").stat.version == 0)
    journal.fault = .none
    try open.create("/c")
    #expect(try tree(journal).children(of: "/") == ["a", "c"])
  }

  @Test("after a flush that fails, or a torn end that cannot be cut, nothing more is written")
  func failedFlush() throws {
    for fault in [MemoryJournal.Fault.flush, .truncate] {
      let journal = MemoryJournal()
      let open = try tree(journal)
      try open.create("/a")
      journal.fault = fault
      #expect(throws: ZNodeError.self) { try open.create("/b") }
      journal.fault = .none
      let error = #expect(throws: ZNodeError.self) { try open.create("/c") }
      #expect(error?.code == .disk)
      #expect(try open.children(of: "/") == ["a"])
    }
  }

  @Test("a journal cut at any byte, or with sectors that were never written, is what it was after some of its changes")
  func crashAtAnyByte() throws {
    let journal = MemoryJournal()
    let original = try tree(journal)
    var states: [(bytes: Int, nodes: [String: ZNodeState.Node])] = []
    func note() throws {
      states.append((journal.bytes.count, try ZNodeJournal.replay(journal.bytes).state.nodes))
    }
    try note()
    try original.create("/a", Array("first".utf8))
    try note()
    try original.multi([
      .set(path: "/a", data: [UInt8](repeating: 0, count: 600)), .create(path: "/a/b", data: []),
      .create(path: "/c", data: []),
    ])
    try note()
    try original.delete("/a/b")
    try note()
    for cut in 0...journal.bytes.count {
      let expected = states.last { $0.bytes <= cut }?.nodes ?? ZNodeState().nodes
      var zeros = Array(journal.bytes[..<cut])
      for variant in 0...1 {
        if variant == 1 {
          // Only one record is ever not flushed; its sectors are written or not.
          guard cut > 0, cut % ZNodeJournal.sectorBytes == 0 || states.contains(where: { $0.bytes == cut }) else {
            continue
          }
          let end = states.first { $0.bytes > cut }?.bytes ?? cut
          zeros += [UInt8](repeating: 0, count: end - cut)
        }
        let replayed = try ZNodeJournal.replay(zeros)
        #expect(replayed.state.nodes == expected, "cut at \(cut), zeros \(variant)")
        // What is left can be written on.
        guard cut % 5 == 0 else { continue }
        let reopened = MemoryJournal(zeros)
        try tree(reopened).create("/after")
        #expect(try tree(reopened).exists("/after") != nil, "cut at \(cut), zeros \(variant)")
      }
    }
  }

  @Test("a bit that flips before the last record is damage, never a shorter history")
  func flippedBits() throws {
    let journal = MemoryJournal()
    let open = try tree(journal)
    for index in 0..<5 { try open.create("/n\(index)", [UInt8](repeating: 7, count: 20)) }
    let whole = journal.bytes.count
    try open.create("/last")
    for position in 0..<whole {
      for bit in 0..<8 {
        var damaged = journal.bytes
        damaged[position] ^= 1 << bit
        let error = #expect(throws: ZNodeError.self, "bit \(bit) of byte \(position)") {
          try ZNodeJournal.replay(damaged)
        }
        #expect(error?.code == .disk)
      }
    }
  }

  @Test("compaction keeps every node and every stat, and the next changes", arguments: 1...5)
  func compaction(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let journal = MemoryJournal(), plain = MemoryJournal()
    let compacted = try tree(journal, compactAt: 500), reference = try tree(plain)
    for _ in 0..<300 {
      let operations = RandomTree.operations(using: &random)
      #expect((try? compacted.multi(operations)) == (try? reference.multi(operations)), "seed \(seed)")
    }
    #expect(journal.replacements > 0)
    let a = try ZNodeJournal.replay(journal.bytes).state, b = try ZNodeJournal.replay(plain.bytes).state
    #expect(a.nodes == b.nodes, "seed \(seed)")
    #expect(a.lastZxid == b.lastZxid)
  }

  @Test(
    "random operations do what a plain dictionary does, and a restart forgets only ephemeral nodes", arguments: 1...20)
  func model(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let journal = MemoryJournal()
    var open = try tree(journal, compactAt: 2000)
    var model = RandomTree()
    for step in 0..<400 {
      if Int.random(in: 0..<40, using: &random) == 0 {
        open = try tree(journal, compactAt: 2000)
        model.endSession()
      }
      let operations = RandomTree.operations(using: &random)
      let done = (try? open.multi(operations)) != nil
      #expect(done == model.apply(operations), "seed \(seed) step \(step): \(operations)")
      #expect(try open.allNodes() == model.contents, "seed \(seed) step \(step)")
    }
  }
}
