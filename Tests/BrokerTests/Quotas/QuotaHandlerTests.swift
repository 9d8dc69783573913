import Base
import Model
import NIOCore
import Security
import Testing
import Wire

@testable import Broker

extension TestClient {
  /// Sets quotas; nil removes one. Returns the error of the one entity.
  @discardableResult
  func alterQuotas(_ entity: [String: String?], _ values: [String: Double?]) throws -> ErrorCode {
    var request = AlterClientQuotasRequest()
    request.entries = [
      .with {
        $0.entity = entity.sorted { $0.key < $1.key }.map { type, name in
          .with {
            $0.entityType = type
            $0.entityName = name
          }
        }
        $0.ops = values.map { key, value in
          .with {
            $0.key = key
            $0.value = value ?? 0
            $0.remove = value == nil
          }
        }
      }
    ]
    return try #require(try ask(request, version: 1).entries.first).errorCode
  }

  /// The quotas of all entities: `user=u,client-id=<default>: producer_byte_rate=10`.
  func describeQuotas(_ components: [(String, Int8, String?)] = [], isStrict: Bool = false) throws -> [String] {
    var request = DescribeClientQuotasRequest()
    request.strict = isStrict
    request.components = components.map { type, match, name in
      .with { ($0.entityType, $0.matchType, $0.match) = (type, match, name) }
    }
    let answer = try ask(request, version: 1)
    #expect(answer.errorCode == .none)
    return (answer.entries ?? []).map { entry in
      entry.entity.map { "\($0.entityType)=\($0.entityName ?? "<default>")" }.joined(separator: ",") + ": "
        + entry.values.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }
  }
}

@Suite struct QuotaHandlerTests {
  private func withQuotas(_ body: (TestBroker) throws -> Void) throws {
    try withBroker(["quota.window.num": "2"], body)
  }

  @Test func `quotas are described as they were set, by user, client id, both and address`() throws {
    try withQuotas { broker in
      let client = try broker.connect()
      #expect(try client.alterQuotas(["user": "u"], ["producer_byte_rate": 1e9]) == .none)
      #expect(try client.alterQuotas(["user": "u", "client-id": nil], ["request_percentage": 12.5]) == .none)
      #expect(try client.alterQuotas(["client-id": "c"], ["consumer_byte_rate": 1e9]) == .none)
      #expect(try client.alterQuotas(["ip": "127.0.0.9"], ["connection_creation_rate": 5]) == .none)
      #expect(
        try client.describeQuotas() == [
          "client-id=c: consumer_byte_rate=1000000000.0", "ip=127.0.0.9: connection_creation_rate=5.0",
          "user=u: producer_byte_rate=1000000000.0", "user=u,client-id=<default>: request_percentage=12.5",
        ])
      #expect(try client.describeQuotas([("user", 0, "u")]).count == 2)
      #expect(try client.describeQuotas([("user", 0, "u")], isStrict: true).count == 1)
      #expect(try client.describeQuotas([("client-id", 1, nil)]).count == 1)
      #expect(try client.describeQuotas([("client-id", 2, nil)]).count == 2)
      #expect(try client.alterQuotas(["user": "u"], ["producer_byte_rate": nil]) == .none)
      #expect(try client.describeQuotas([("user", 0, "u")], isStrict: true).isEmpty)
    }
  }

  @Test func `quotas that make no sense are refused, and change nothing`() throws {
    try withQuotas { broker in
      let client = try broker.connect()
      #expect(try client.alterQuotas(["user": "u"], ["producer_byte_rate": -1]) == .invalidRequest)
      #expect(try client.alterQuotas(["user": "u"], ["producer_byte_rate": .nan]) == .invalidRequest)
      #expect(try client.alterQuotas(["user": "u"], ["producer_byte_rate": 1.5]) == .invalidRequest)
      #expect(try client.alterQuotas(["user": "u"], ["fly_rate": 1]) == .invalidRequest)
      #expect(try client.alterQuotas(["user": "u"], ["connection_creation_rate": 1]) == .invalidRequest)
      #expect(try client.alterQuotas(["ip": "not an address"], ["connection_creation_rate": 1]) == .invalidRequest)
      #expect(try client.alterQuotas(["ip": "::1", "user": "u"], ["connection_creation_rate": 1]) == .invalidRequest)
      #expect(try client.alterQuotas(["planet": "x"], ["producer_byte_rate": 1]) == .invalidRequest)
      #expect(try client.alterQuotas(["user": ""], ["producer_byte_rate": 1]) == .invalidRequest)
      #expect(try client.alterQuotas([:], ["producer_byte_rate": 1]) == .invalidRequest)
      #expect(try client.describeQuotas().isEmpty)
    }
  }

  @Test func `a producer above its quota is told how long it is muted, and is muted`() throws {
    try withQuotas { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let batch = try Batches.of([String(repeating: "x", count: 4_000)])
      let request = ProduceRequest.producing(batch, to: "t", 0, acks: 1)
      #expect(try client.ask(request, version: 9).throttleTimeMs == 0)
      // Within the window of a second that the two samples make, 8 KB a second are one batch and a half.
      #expect(try client.alterQuotas(["client-id": "test"], ["producer_byte_rate": 3_000]) == .none)
      let throttled = try client.ask(request, version: 9)
      #expect(throttled.responses[0].partitionResponses[0].errorCode == .none)
      #expect(throttled.throttleTimeMs > 100 && throttled.throttleTimeMs < 3_000, "\(throttled.throttleTimeMs)")
      let began = Clocks.monotonicNs()
      _ = try client.ask(ApiVersionsRequest(), version: 2)
      let waitedMs = Int((Clocks.monotonicNs() - began) / 1_000_000)
      #expect(waitedMs >= Int(throttled.throttleTimeMs) - 50, "waited \(waitedMs) of \(throttled.throttleTimeMs) ms")
    }
  }

  @Test func `a consumer above its quota is muted, and another client id is not`() throws {
    try withQuotas { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(try Batches.of([String(repeating: "x", count: 4_000)]), to: "t")
      #expect(try client.alterQuotas(["client-id": "test"], ["consumer_byte_rate": 2_000]) == .none)
      let id = try client.send(FetchRequest.from("t", 0, 0), version: 11, clientID: "other")
      let other = try client.receive(FetchRequest.self, version: 11, correlationID: id)
      #expect(other.throttleTimeMs == 0)
      let throttled = try client.ask(FetchRequest.from("t", 0, 0), version: 11)
      #expect(throttled.throttleTimeMs > 0)
      #expect(throttled.responses[0].partitions[0].records.byteCount > 4_000)
    }
  }

  @Test func `a consumer above its quota is answered at once, without records, and gets them later`() throws {
    try withBroker(["quota.window.num": "2", "quota.window.size.seconds": "30"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      _ = try client.produce(try Batches.of([String(repeating: "x", count: 4_000)]), to: "t")
      #expect(try client.alterQuotas(["client-id": "test"], ["consumer_byte_rate": 100]) == .none)
      // A batch that is larger than all that is allowed in a window is sent where there was none before: nobody waits for ever.
      let first = try client.ask(FetchRequest.from("t", 0, 0), version: 11)
      #expect(first.responses[0].partitions[0].records.byteCount > 4_000 && first.throttleTimeMs > 0)
      // Over a connection that is not muted.
      let second = try broker.connect().ask(FetchRequest.from("t", 0, 0), version: 11)
      #expect(second.responses.isEmpty && second.errorCode == .none && second.throttleTimeMs > 0)
      #expect(try client.alterQuotas(["client-id": "test"], ["consumer_byte_rate": nil]) == .none)
    }
  }

  @Test func `a session whose fetch had to wait goes on with the next`() throws {
    try withBroker(["quota.window.num": "2", "quota.window.size.seconds": "30"]) { broker in
      let admin = try broker.connect()
      try admin.createTopic("t")
      let client = try broker.connect()
      var fetch = FetchRequest.from("t", 0, 0)
      fetch.sessionEpoch = 0
      let begun = try client.ask(fetch, version: 11)
      #expect(begun.sessionID > 0)
      _ = try admin.produce(try Batches.of([String(repeating: "x", count: 4_000)]), to: "t")
      #expect(try admin.alterQuotas(["client-id": "test"], ["consumer_byte_rate": 100]) == .none)
      _ = try broker.connect().ask(FetchRequest.from("t", 0, 0), version: 11)
      fetch.topics = []
      (fetch.sessionID, fetch.sessionEpoch) = (begun.sessionID, 1)
      let withheld = try client.ask(fetch, version: 11)
      #expect(withheld.sessionID == begun.sessionID && withheld.responses.isEmpty && withheld.throttleTimeMs > 0)
      #expect(try broker.connect().alterQuotas(["client-id": "test"], ["consumer_byte_rate": nil]) == .none)
    }
  }

  @Test func `producers within their quotas are served together, and counted`() throws {
    try withBroker(["quota.window.num": "2", "quota.window.size.seconds": "30"]) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      #expect(try client.alterQuotas(["client-id": "test"], ["producer_byte_rate": 1_000]) == .none)
      let batch = try Batches.of([String(repeating: "x", count: 4_000)])
      var isThrottled = false
      for sent in 1...20 {
        let answer = try broker.connect().ask(ProduceRequest.producing(batch, to: "t", 0, acks: -1), version: 9)
        #expect(answer.responses[0].partitionResponses[0].errorCode == .none)
        // Thirty seconds' worth is let through.
        if answer.throttleTimeMs > 0 {
          isThrottled = true
          #expect(sent >= 7, "\(sent) requests of 4,000 bytes were too many")
          break
        }
      }
      #expect(isThrottled, "80,000 bytes were not counted against a quota of 30,000")
    }
  }

  @Test func `who makes too many partitions is refused in new versions, and muted in old ones`() throws {
    try withBroker(["controller.quota.window.num": "1"]) { broker in
      let client = try broker.connect()
      #expect(try client.alterQuotas(["user": nil], ["controller_mutation_rate": 1]) == .none)
      func create(_ name: String, version: Int16) throws -> (ErrorCode, Int32) {
        let answer = try client.ask(
          CreateTopicsRequest.with {
            $0.topics = [
              .with {
                $0.name = name
                $0.numPartitions = 2
                $0.replicationFactor = 1
              }
            ]
          }, version: version)
        return (answer.topics[0].errorCode, answer.throttleTimeMs)
      }
      let first = try create("a", version: 6)
      #expect(first.0 == .none && first.1 > 0 && first.1 <= 1_000)
      // Another connection, which is not muted.
      let second = try broker.connect()
      let refused = try second.ask(
        CreateTopicsRequest.with {
          $0.topics = [.with { ($0.name, $0.numPartitions, $0.replicationFactor) = ("b", 1, 1) }]
        },
        version: 6)
      #expect(refused.topics[0].errorCode == .throttlingQuotaExceeded)
      let old = try broker.connect()
      let muted = try old.ask(
        CreateTopicsRequest.with {
          $0.topics = [.with { ($0.name, $0.numPartitions, $0.replicationFactor) = ("c", 1, 1) }]
        },
        version: 5)
      #expect(muted.topics[0].errorCode == .none && muted.throttleTimeMs > 0)
    }
  }

  @Test func `an address that connects too often is refused`() throws {
    try withBroker(["quota.window.num": "2"]) { broker in
      let client = try broker.connect()
      #expect(try client.alterQuotas(["ip": "127.0.0.1"], ["connection_creation_rate": 2]) == .none)
      // All at once: one that comes too soon is kept for a while before it is closed.
      let all = try (0..<10).map { _ in try broker.connect() }
      let accepted = all.count { another in
        guard (try? another.send(ApiVersionsRequest(), version: 2)) != nil else { return false }
        return (try? another.receiveFrame()) ?? nil != nil
      }
      #expect(accepted >= 1 && accepted <= 5, "\(accepted)")
    }
  }

  @Test func `quotas are there after a restart`() throws {
    try withDirectory { directory in
      var broker = try TestBroker.start(in: directory)
      try broker.connect().alterQuotas(["user": "ä b", "client-id": nil], ["producer_byte_rate": 7e6])
      broker.running.stop()
      broker = try TestBroker.start(in: directory)
      defer { broker.running.stop() }
      #expect(try broker.connect().describeQuotas() == ["user=ä b,client-id=<default>: producer_byte_rate=7000000.0"])
    }
  }
}
