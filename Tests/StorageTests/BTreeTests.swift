import Testing

@testable import Storage
@testable import StorageArms

@Suite("The B-tree's file")
struct BTreeTests {
  let temporary: TemporaryDirectory
  var path: String { "\(temporary.path)/tree.mdb" }

  init() throws { temporary = try TemporaryDirectory() }

  private func put(_ tree: BTree, _ keys: [UInt64], bytes: Int = 8) throws {
    try tree.write { transaction throws(DiskError) in
      for key in keys { try transaction.put(key, in: .batches, [UInt8](repeating: UInt8(key & 0xFF), count: bytes)) }
    }
  }

  private func keys(_ tree: BTree) throws -> [UInt64] {
    try tree.read { transaction throws(DiskError) in
      try transaction.withCursor(.batches) { cursor throws(DiskError) in
        var keys: [UInt64] = []
        var next = try cursor.first()
        while let entry = next {
          keys.append(entry.key)
          next = try cursor.next()
        }
        return keys
      }
    }
  }

  @Test("finds the entry at a key, before it and after it, in the order of numbers")
  func order() throws {
    let tree = try BTree(path)
    try put(tree, [300, 2, 70_000, 255, 256])
    #expect(try keys(tree) == [2, 255, 256, 300, 70_000])
    let found = try tree.read { transaction throws(DiskError) in
      try transaction.withCursor(.batches) { cursor throws(DiskError) in
        [
          try cursor.floor(1)?.key, try cursor.floor(2)?.key, try cursor.floor(257)?.key, try cursor.floor(.max)?.key,
          try cursor.ceiling(0)?.key, try cursor.ceiling(256)?.key, try cursor.ceiling(301)?.key,
          try cursor.ceiling(70_001)?.key,
        ]
      }
    }
    #expect(found == [nil, 2, 256, 70_000, 2, 256, 70_000, nil])
  }

  @Test("a transaction that throws has changed nothing; one that returned is there when the file is opened again")
  func atomic() throws {
    let tree = try BTree(path)
    try put(tree, [1, 2])
    #expect(throws: DiskError.self) {
      try tree.write { transaction throws(DiskError) in
        try transaction.put(3, in: .batches, [3])
        try transaction.put(.logEnd, 4)
        throw DiskError("test", path, code: 5)
      }
    }
    #expect(try keys(tree) == [1, 2])
    // Opened beside the first, which was never closed: as after a kill.
    let again = try BTree(path)
    #expect(try keys(again) == [1, 2])
    #expect(try again.read { transaction throws(DiskError) in try transaction.value(.logEnd) == nil })
  }

  @Test("outgrows its mapping, many times, with reads between", arguments: [false, true])
  func growth(isDurable: Bool) throws {
    let tree = try BTree(path, mapBytes: 128 << 10)
    tree.isDurable = isDurable
    for key in 0..<UInt64(60) {
      try put(tree, [key], bytes: 20_000)
      let last = try tree.read { transaction throws(DiskError) in
        try transaction.value(key, in: .batches).map { Array($0) }
      }
      #expect(last == [UInt8](repeating: UInt8(key), count: 20_000))
    }
    #expect(try keys(tree) == Array(0..<60))
    #expect(try keys(BTree(path, mapBytes: 128 << 10)).count == 60)
  }

  @Test("a file that is none of LMDB's is refused, and left as it is")
  func foreign() throws {
    let disk = RealDisk()
    let bytes = [UInt8](repeating: 7, count: 20_000)
    try disk.open(path, creating: true).write(bytes, at: 0)
    #expect(throws: DiskError.self) { _ = try BTree(path) }
    #expect(try disk.contents(of: path) == bytes)
  }
}
