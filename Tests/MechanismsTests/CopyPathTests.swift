import Glibc
import Testing

@testable import Mechanisms

/// A directory of its own for each test, removed afterwards.
struct Scratch: ~Copyable {
  let path: String

  init() throws {
    var template = Array("/var/tmp/millrace-mechanisms-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  func file(byteCount: Int, seed: UInt64 = 1) throws -> DataFile {
    try DataFile.make(path: path + "/data", byteCount: byteCount, seed: seed)
  }

  /// Names left in it.
  var entries: [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  deinit {
    removeTree(path)
  }
}

@Suite("Copy paths", .serialized)
struct CopyPathTests {
  @Test(
    "every path delivers every byte, with any buffer, and the sums agree",
    arguments: CopyPath.Path.allCases, [4096, 65_536, 1 << 20])
  func delivers(path: CopyPath.Path, bufferBytes: Int) throws {
    let scratch = try Scratch()
    // Not a multiple of any buffer or page: the tail must come too.
    let data = try scratch.file(byteCount: 1_200_001)
    let plan = CopyPath(file: data.path, path: path, bufferBytes: bufferBytes, seconds: 0.02)
    let result = try plan.run()
    #expect(result.bytes >= data.byteCount && result.passes >= 1)
    #expect(result.checksum == (try data.checksum()))
    #expect(result.fileBytes == 1_200_001 && result.senderCopies == path.senderCopies)
    #expect(result.congestionControl == "cubic")
    #expect(result.systemCalls >= result.bytes / (path == .mmapWrite ? 1 << 20 : bufferBytes))
    #expect(result.senderCPUSeconds > 0 && result.receiverCPUSeconds > 0 && result.seconds > 0)
  }

  @Test("over several connections every byte arrives too, at one receiver")
  func connections() throws {
    let scratch = try Scratch()
    let data = try scratch.file(byteCount: 1_200_001)
    for path in CopyPath.Path.allCases {
      var plan = CopyPath(file: data.path, path: path, bufferBytes: 65_536, seconds: 0.02)
      plan.connections = 8
      let result = try plan.run()
      let expected = try data.checksum()
      #expect(result.bytes >= data.byteCount && result.checksum == expected, "\(path)")
    }
  }

  @Test("read and write with 4 KiB needs two calls for each 4 KiB; sendfile one for each chunk")
  func calls() throws {
    let scratch = try Scratch()
    let data = try scratch.file(byteCount: 8 << 20)
    var plan = CopyPath(file: data.path, path: .readWrite, bufferBytes: 4096, seconds: 0.001)
    let copied = try plan.run()
    #expect(Double(copied.systemCalls) >= 2 * Double(copied.bytes) / 4096)
    plan.path = .sendfile
    plan.bufferBytes = 1 << 20
    let handed = try plan.run()
    #expect(handed.systemCalls * 10 < copied.systemCalls * handed.bytes / copied.bytes)
  }

  @Test("hot and cold are proved: each is what mincore says")
  func residency() throws {
    let scratch = try Scratch()
    let data = try scratch.file(byteCount: 4 << 20)
    var plan = CopyPath(file: data.path, path: .sendfile, bufferBytes: 1 << 20, seconds: 0.01)
    plan.cache = .hot
    #expect(try plan.run().residentBefore >= 0.99)
    plan.cache = .cold
    plan.verifies = false
    let cold = try plan.run()
    #expect(cold.residentBefore <= 0.01 && cold.passes == 1 && cold.bytes == data.byteCount)
    #expect(cold.residentAfter > 0.99, "sending it read it in")
    #expect(cold.checksum == nil)
  }

  @Test("a file that cannot be evicted is not called cold")
  func notCold() throws {
    let scratch = try Scratch()
    let data = try scratch.file(byteCount: 4 << 20)
    // A locked mapping keeps its pages whatever posix_fadvise asks.
    let file = open(data.path, O_RDONLY)
    let map = try #require(mmap(nil, data.byteCount, PROT_READ, MAP_SHARED | MAP_LOCKED, file, 0))
    defer {
      munmap(map, data.byteCount)
      close(file)
    }
    try #require(try data.residentShare() > 0.99)
    var plan = CopyPath(file: data.path, path: .sendfile, bufferBytes: 1 << 20, seconds: 0.01)
    plan.cache = .cold
    #expect {
      try plan.run()
    } throws: {
      ("\($0)").contains("not cold")
    }
  }

  @Test("a file that changes under the verify pass is reported, not passed over")
  func truncated() throws {
    let scratch = try Scratch()
    let data = try scratch.file(byteCount: 1 << 20)
    try #require(truncate(data.path, 4096) == 0)
    let pair = try Loopback(congestionControl: nil)
    defer { pair.closeBoth() }
    var sender = try PathSender(.readWrite, data: data, sockets: [pair.sender], bufferBytes: 4096)
    defer { sender.close() }
    #expect(throws: MechanismError.corrupted("the file ended at 4096 of 1048576 bytes")) {
      try sender.sendFile(until: .max)
    }
  }

  @Test("plans that cannot run say why")
  func badPlans() throws {
    let scratch = try Scratch()
    let data = try scratch.file(byteCount: 4096)
    func run(_ change: (inout CopyPath) -> Void) throws {
      var plan = CopyPath(file: data.path, path: .sendfile, bufferBytes: 4096, seconds: 0.01)
      change(&plan)
      _ = try plan.run()
    }
    #expect(throws: MechanismError.self) { try run { $0.bufferBytes = 0 } }
    #expect(throws: MechanismError.self) { try run { $0.seconds = 0 } }
    #expect(throws: MechanismError.self) { try run { $0.file = "/nowhere" } }
    #expect(throws: MechanismError.call("setsockopt TCP_CONGESTION pigeon", errno: ENOENT)) {
      try run { $0.congestionControl = "pigeon" }
    }
  }
}
