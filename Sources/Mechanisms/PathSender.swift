internal import CMillrace
import Glibc

/// One way of moving a file into a socket. Owns the open file, and the buffer or pipe the way needs.
struct PathSender {
  struct Tally {
    /// Of the file.
    var bytes = 0
    /// As they were sent: sealed records are longer.
    var wireBytes = 0
    /// System calls that moved bytes or mapped them.
    var calls = 0
    /// Whole passes over the file.
    var passes = 0
  }

  private(set) var tally = Tally()
  private let path: CopyPath.Path
  private let byteCount: Int
  private let file: Int32
  private let sockets: [Int32]
  /// Which of them gets the next chunk.
  private var turn = 0
  private var socket: Int32 { sockets[turn] }
  private let bufferBytes: Int
  private var buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var pipe: [Int32] = []
  /// Of each socket, and the records of one chunk; empty but for sealed records.
  private var sealers: [SealedRecords.Sealer] = []
  private var sealed = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  /// The clock is read each time this much has been sent, so that a small buffer does not pay for it.
  private static let clockBytes = 1 << 20

  init(_ path: CopyPath.Path, data: DataFile, sockets: [Int32], bufferBytes: Int) throws(MechanismError) {
    self.path = path
    self.sockets = sockets
    self.bufferBytes = bufferBytes
    byteCount = data.byteCount
    file = try check("open \(data.path)") { open(data.path, O_RDONLY | O_CLOEXEC) }
    switch path {
    case .readWrite: buffer = alignedBuffer(byteCount: bufferBytes)
    case .readSealWrite:
      buffer = alignedBuffer(byteCount: bufferBytes + SealedRecords.typeBytes)
      sealed = alignedBuffer(byteCount: SealedRecords.sealedBytes(bufferBytes))
      sealers = sockets.indices.map { SealedRecords.Sealer(stream: $0) }
    case .splice:
      var ends: [Int32] = [-1, -1]
      try check("pipe of \(bufferBytes) bytes") { millrace_pipe(&ends, Int32(bufferBytes)) }
      pipe = ends
    case .mmapWrite, .sendfile: break
    }
  }

  func close() {
    Glibc.close(file)
    for end in pipe { Glibc.close(end) }
    if buffer.baseAddress != nil { buffer.deallocate() }
    if sealed.baseAddress != nil { sealed.deallocate() }
  }

  /// One pass, or as much of it as the deadline (of `nowNanoseconds`) allows.
  mutating func sendFile(until deadline: Int64) throws(MechanismError) {
    var map: UnsafeMutableRawPointer?
    if path == .mmapWrite { map = try mapFile() }
    defer { if let map { munmap(map, byteCount) } }
    var place = 0
    var nextClock = Self.clockBytes
    var told = 0
    while place < byteCount {
      let count = min(bufferBytes, byteCount - place)
      switch path {
      case .readWrite: place += try readAndSend(at: place, count: count)
      case .readSealWrite: place += try readSealAndSend(at: place, count: count)
      case .mmapWrite: place += try send(map.map { $0 + place }, count: count)
      case .sendfile: place += try sendFileRange(at: place, count: count)
      case .splice: place += try spliceRange(at: place, count: count)
      }
      turn = turn + 1 == sockets.count ? 0 : turn + 1
      if place >= nextClock {
        nextClock = place + Self.clockBytes
        Progress.shared.add(place - told)
        told = place
        if nowNanoseconds() >= deadline { break }
      }
    }
    Progress.shared.add(place - told)
    tally.bytes += place
    tally.wireBytes += place
    if place == byteCount { tally.passes += 1 }
  }

  private mutating func readAndSend(at place: Int, count: Int) throws(MechanismError) -> Int {
    tally.calls += 1
    let read = try check("pread") { pread(file, buffer.baseAddress, count, place) }
    guard read > 0 else { throw .corrupted("the file ended at \(place) of \(byteCount) bytes") }
    return try send(buffer.baseAddress, count: read)
  }

  private mutating func readSealAndSend(at place: Int, count: Int) throws(MechanismError) -> Int {
    tally.calls += 1
    let read = try check("pread") { pread(file, buffer.baseAddress, count, place) }
    guard read > 0 else { throw .corrupted("the file ended at \(place) of \(byteCount) bytes") }
    let records = try sealers[turn].seal(read, of: buffer, into: sealed)
    tally.wireBytes += try send(sealed.baseAddress, count: records) - read
    return read
  }

  /// All of `count` bytes.
  private mutating func send(_ bytes: UnsafeMutableRawPointer?, count: Int) throws(MechanismError) -> Int {
    var done = 0
    while done < count {
      tally.calls += 1
      done += try check("send") {
        Glibc.send(socket, bytes.map { $0 + done }, count - done, Int32(MSG_NOSIGNAL))
      }
    }
    return count
  }

  private mutating func sendFileRange(at place: Int, count: Int) throws(MechanismError) -> Int {
    tally.calls += 1
    var offset = off_t(place)
    let sent = try check("sendfile") { sendfile(socket, file, &offset, count) }
    guard sent > 0 else { throw .corrupted("the file ended at \(place) of \(byteCount) bytes") }
    return sent
  }

  private mutating func spliceRange(at place: Int, count: Int) throws(MechanismError) -> Int {
    tally.calls += 1
    var offset = off_t(place)
    let filled = try check("splice from the file") { millrace_splice(file, &offset, pipe[1], count) }
    guard filled > 0 else { throw .corrupted("the file ended at \(place) of \(byteCount) bytes") }
    var drained = 0
    while drained < filled {
      tally.calls += 1
      drained += try check("splice to the socket") { millrace_splice(pipe[0], nil, socket, filled - drained) }
    }
    return filled
  }

  private mutating func mapFile() throws(MechanismError) -> UnsafeMutableRawPointer {
    tally.calls += 1
    guard let map = mmap(nil, byteCount, PROT_READ, MAP_SHARED, file, 0), map != MAP_FAILED else {
      throw .call("mmap", errno: errno)
    }
    return map
  }
}
