import Synchronization
import Testing

@testable import Coordination

@Suite("SharedTree")
struct SharedTreeTests {
  @Test("a session that expires loses its ephemeral nodes, is told, and can do nothing more")
  func expiry() throws {
    let server = SharedTree { 5 }
    let first = server.connect(), second = server.connect()
    let seen = Seen()
    try first.create("/e", mode: .ephemeral)
    _ = try first.get("/e", watch: { seen.note("first: \($0.kind) \($0.path)") })
    _ = try second.get("/e", watch: seen.note)
    first.whenSessionEnds { seen.note("first ended") }
    server.expire(first)
    server.expire(first)
    #expect(Set(seen.all) == ["deleted /e", "first ended"] && seen.all.count == 2)
    #expect(code { _ = try first.get("/") } == .sessionExpired)
    #expect(code { try first.create("/x") } == .sessionExpired)
    #expect(try second.exists("/e") == nil)
    #expect(server.livingSessions == [second.sessionID])
    first.close()
    #expect(code { _ = try first.get("/") } == .sessionExpired)
  }

  @Test("a cut session hears nothing until it is mended, and then what it missed", arguments: [false, true])
  func cut(isExpired: Bool) throws {
    let server = SharedTree { 5 }
    let first = server.connect(), second = server.connect()
    let seen = Seen()
    try first.multi([
      .create(path: "/changed", data: []), .create(path: "/deleted", data: []), .create(path: "/same", data: []),
      .create(path: "/e", data: [], mode: .ephemeral),
    ])
    for path in ["/changed", "/deleted", "/same"] { _ = try first.get(path, watch: seen.note) }
    _ = try first.exists("/created", watch: seen.note)
    _ = try first.exists("/never", watch: seen.note)
    _ = try first.exists("/briefly", watch: seen.note)
    _ = try first.children(of: "/", watch: seen.note)
    first.whenSessionEnds { seen.note("ended") }
    server.cut(first)
    #expect(code { _ = try first.get("/same") } == .connectionLost)
    #expect(code { try first.create("/lost") } == .connectionLost)
    try second.set("/changed", [1])
    try second.set("/changed", [2])
    try second.delete("/deleted")
    try second.create("/created")
    try second.create("/briefly")
    try second.delete("/briefly")
    if isExpired { server.expire(first) }
    #expect(seen.all == [])
    #expect((try second.exists("/e") == nil) == isExpired)
    #expect(try second.exists("/lost") == nil)
    server.mend(first)
    if isExpired {
      #expect(seen.all == ["ended"])
      #expect(code { _ = try first.get("/same") } == .sessionExpired)
    } else {
      #expect(seen.all == ["dataChanged /changed", "deleted /deleted", "created /created", "childrenChanged /"])
      try second.set("/same", [1])
      try second.create("/never")
      #expect(seen.all.suffix(2) == ["dataChanged /same", "created /never"])
    }
  }

  @Test("of the writes of a cut session the first was made or not, as was said, and the others were not")
  func writeInFlight() throws {
    for flight in [SharedTree.WriteInFlight.made, .lost] {
      let server = SharedTree { 5 }
      let first = server.connect(), second = server.connect()
      let seen = Seen()
      _ = try second.exists("/a", watch: seen.note)
      server.cut(first, writeInFlight: flight)
      #expect(code { try first.create("/a", mode: .ephemeral) } == .connectionLost)
      #expect(code { try first.create("/b") } == .connectionLost)
      #expect(try second.exists("/a")?.ephemeralOwner == (flight == .made ? first.sessionID : nil))
      #expect(seen.all.isEmpty == (flight == .lost))
      #expect(try second.exists("/b") == nil)
      server.mend(first)
      try first.create("/b")
      // Closed while it is cut: the ensemble learns of it when it has not heard of it for too long.
      server.cut(first)
      first.close()
      #expect(code { _ = try first.get("/") } == .closed)
      #expect((try second.exists("/a") != nil) == (flight == .made))
      server.expire(first)
      #expect(try second.exists("/a") == nil)
    }
  }

  @Test("events that the owner delays are told in order, and before a call of the session returns")
  func delayed() throws {
    let waiting = Mutex<[@Sendable () -> Void]>([])
    let server = SharedTree(now: { 5 }) { _, body in waiting.withLock { $0.append(body) } }
    let first = server.connect(), second = server.connect()
    let seen = Seen()
    _ = try first.exists("/a", watch: seen.note)
    _ = try first.children(of: "/", watch: seen.note)
    try second.create("/a")
    #expect(seen.all == [])
    #expect(try first.exists("/a") != nil)
    #expect(seen.all == ["created /a", "childrenChanged /"])
    _ = try first.get("/a", watch: seen.note)
    try second.set("/a", [1])
    server.expire(first)
    first.whenSessionEnds { seen.note("ended already") }
    #expect(seen.all.count == 3)
    for body in waiting.withLock({ $0 }) { body() }
    #expect(seen.all == ["created /a", "childrenChanged /", "ended already", "dataChanged /a"])
  }

  @Test("the same calls have the same outcome: numbers of sessions, zxids, events")
  func determinism() throws {
    func run() throws -> [String] {
      let server = SharedTree { 5 }
      let seen = Seen()
      let sessions = (0..<5).map { _ in server.connect() }
      for session in sessions {
        _ = try session.children(of: "/", watch: { seen.note("\(session.sessionID) \($0.path)") })
        _ = try session.exists("/a", watch: { seen.note("\(session.sessionID) \($0.path)") })
      }
      for index in 0..<20 { try sessions[index % 5].create("/\(index)", mode: .ephemeral) }
      try sessions[0].create("/a")
      server.expire(sessions[2])
      return seen.all + ["\(try sessions[0].get("/a").stat)", "\(try sessions[0].children(of: "/"))"]
    }
    #expect(try run() == run())
  }
}
