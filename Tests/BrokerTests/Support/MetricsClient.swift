import Glibc
import TestSupport
import Testing

@testable import Broker

/// One connection to a broker's metrics listener, and what it answers.
struct MetricsClient {
  private let socket: RawSocket

  init(port: UInt16?) throws { socket = try RawSocket(port: try #require(port), patienceSeconds: 10) }

  struct Answer {
    var status: Int
    var head: String
    var body: String
  }

  func send(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { socket.send($0) } }

  func get(_ path: String, method: String = "GET") throws -> Answer {
    send("\(method) \(path) HTTP/1.1\r\nhost: x\r\n\r\n")
    return try receive(hasBody: method != "HEAD")
  }

  /// Reads one response by its content-length.
  func receive(hasBody: Bool = true) throws -> Answer {
    var bytes: [UInt8] = []
    while true {
      let text = String(decoding: bytes, as: UTF8.self)
      if let end = text.firstRange(of: "\r\n\r\n") {
        let head = String(text[..<end.lowerBound])
        let status = try #require(head.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        let length = head.lowercased().split(separator: "\r\n").first { $0.hasPrefix("content-length: ") }
        let count = hasBody ? try #require(length.flatMap { Int($0.dropFirst(16)) }) : 0
        let body = text.utf8.count - text[..<end.upperBound].utf8.count
        if body >= count { return Answer(status: status, head: head, body: String(text[end.upperBound...])) }
      }
      var room = [UInt8](repeating: 0, count: 65_536)
      let received = room.withUnsafeMutableBytes { socket.receive($0) }
      try #require(received > 0, "the connection ended within a response: \(text)")
      bytes += room[..<received]
    }
  }

  /// Whether the broker closes the connection without a further word.
  func isClosed() -> Bool {
    var room = [UInt8](repeating: 0, count: 65_536)
    while true {
      let received = room.withUnsafeMutableBytes { socket.receive($0) }
      if received <= 0 { return received == 0 || errno == ECONNRESET }
    }
  }
}

extension TestBroker {
  /// What makes a broker serve `scrape`.
  static let metricsListener = ["millrace.metrics.listener": "127.0.0.1:0"]

  /// What a scrape tells. It is given to all who ask within `Limits.scrapeSpacingMs`: the first of a broker is of now.
  func scrape() throws -> Samples {
    let answer = try MetricsClient(port: running.metricsPort).get("/metrics")
    #expect(answer.status == 200 && answer.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"))
    return try Samples(answer.body)
  }
}

/// The samples of a scrape.
struct Samples {
  /// By name and labels, as they are written.
  private(set) var values: [String: Double] = [:]
  /// The families, with their types.
  private(set) var families: [String: String] = [:]

  /// Reads the text format strictly: every sample belongs to the family whose TYPE line stands before it.
  init(_ text: String) throws {
    var family = ""
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if line.hasPrefix("# HELP ") { continue }
      if line.hasPrefix("# TYPE ") {
        family = String(words[2])
        #expect(families.updateValue(String(words[3]), forKey: family) == nil, "\(family) is there twice")
        continue
      }
      let name = line.prefix { $0 != "{" && $0 != " " }
      let suffix = String(name.dropFirst(family.count))
      #expect(name.hasPrefix(family) && ["", "_sum", "_count", "_bucket"].contains(suffix), "\(line)")
      let value = try #require(words.last.flatMap { Double($0) }, "\(line)")
      let key = String(line.dropLast(words.last!.count + 1))
      #expect(values.updateValue(value, forKey: key) == nil, "\(key) is there twice")
    }
  }

  subscript(name: String) -> Double? { values[name] }
}
