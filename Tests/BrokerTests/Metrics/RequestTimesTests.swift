import NIOCore
import Testing

@testable import Broker

/// Where the time of requests goes.
@Suite("The times of a connection's requests")
struct RequestTimesTests {
  private static func at(_ ms: Int64) -> NIODeadline { .uptimeNanoseconds(UInt64(ms + 1) * 1_000_000) }
  private let head = RequestTimes.Head(
    ByteBuffer(bytes: [0, 1, 0, 13, 0, 0, 0, 7, 0, 2, 97, 98]), at: 0, withClientID: true)

  @Test("a head is read as far as it is there")
  func heads() {
    #expect(head.apiKey == 1 && head.version == 13 && head.correlationID == 7 && head.clientID == "ab")
    let short = RequestTimes.Head(ByteBuffer(bytes: [0, 3, 0]), at: 0, withClientID: true)
    #expect(short.apiKey == 3 && short.version == -1 && short.clientID == nil)
    let lying = RequestTimes.Head(
      ByteBuffer(bytes: [0, 3, 0, 1, 0, 0, 0, 7, 0x7F, 0xFF, 97]), at: 0, withClientID: true)
    #expect(lying.correlationID == 7 && lying.clientID == nil)
  }

  @Test("a response behind a fetch that waits is late in sending, and the fetch in waiting")
  func order() throws {
    var times = RequestTimes()
    times.began(4, head, requestBytes: 10, arrived: Self.at(0), now: Self.at(0))
    times.served(4, at: Self.at(1))
    times.began(5, head, requestBytes: 20, arrived: Self.at(0), now: Self.at(1))
    times.served(5, at: Self.at(2))
    times.finished(5, responseBytes: 6, at: Self.at(2))
    let none = times.left(before: 4, at: Self.at(3))
    #expect(none == nil)
    times.finished(4, responseBytes: 5, at: Self.at(90))
    let (one, two) = (times.left(before: 6, at: Self.at(91)), times.left(before: 6, at: Self.at(91)))
    let (first, second) = (try #require(one), try #require(two))
    func ms(_ ended: RequestTimes.Ended) -> [Int64] {
      [ended.queueNs, ended.localNs, ended.remoteNs, ended.sendNs, ended.totalNs].map { $0 / 1_000_000 }
    }
    #expect(ms(first) == [0, 1, 89, 1, 91] && first.requestBytes == 10 && first.responseBytes == 5)
    #expect(ms(second) == [1, 1, 0, 89, 91] && second.requestBytes == 20 && second.responseBytes == 6)
    #expect(times.isEmpty)
  }

  @Test("slots without an entry, of requests that were served together, are passed over")
  func gaps() {
    var times = RequestTimes()
    for slot: UInt64 in [3, 9, 12] {
      times.began(slot, head, requestBytes: Int(slot), arrived: Self.at(0), now: Self.at(0))
    }
    times.finished(9, responseBytes: 1, at: Self.at(1))
    times.finished(7, responseBytes: 2, at: Self.at(1))
    times.finished(99, responseBytes: 3, at: Self.at(1))
    let left = (0..<3).map { _ in times.left(before: 10, at: Self.at(2)) }
    #expect(left[0]?.requestBytes == 3 && left[1]?.responseBytes == 1 && left[2] == nil)
    times.drop()
    #expect(times.isEmpty)
  }
}
