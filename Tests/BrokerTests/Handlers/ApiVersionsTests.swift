import Model
import NIOCore
import Testing
import Wire

@testable import Broker

struct ApiVersionsTests {
  @Test("an unknown version is answered with Kafka's own bytes, and the connection stays")
  func unknownVersion() throws {
    try withBroker { broker in
      let client = try broker.connect()
      // ApiVersions v99, correlation id 7, a header of v2 with client id "x" and no tags, and whatever.
      try client.send([0, 0, 0, 13, 0, 18, 0, 99, 0, 0, 0, 7, 0, 1, 0x78, 0, 0xAB])
      let answer = try #require(try client.receiveFrame())
      #expect(Array(answer.readableBytesView) == [0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4])
      #expect(try client.ask(ApiVersionsRequest.named("librdkafka"), version: 3).errorCode == .none)
    }
  }

  @Test("every version lists every API of the handler table, with the ranges clients look for", arguments: Int16(0)...4)
  func listed(version: Int16) throws {
    try withBroker { broker in
      let answer = try broker.connect().ask(ApiVersionsRequest.named("kcat"), version: version)
      let listed = Dictionary(uniqueKeysWithValues: answer.apiKeys.map { ($0.apiKey, $0.minVersion...$0.maxVersion) })
      #expect(listed.count == broker.broker.makeHandlerTable().handlers.count)
      #expect(listed[0] == 0...12, "librdkafka turns compression on by Produce 0")
      #expect(listed[1] == 0...17)
      #expect(listed[10]?.contains(0) == true, "librdkafka turns LZ4 on by FindCoordinator 0")
      #expect(listed[22]?.contains(0) == true, "librdkafka turns idempotence on by InitProducerId 0")
      #expect(listed[71] == nil, "telemetry is not served, and clients push as soon as it is listed")
    }
  }

  @Test(
    "client software names must be names", arguments: ["", "-kcat", "kcat ", "k/c", String(repeating: "x", count: 300)])
  func names(name: String) throws {
    try withBroker { broker in
      let client = try broker.connect()
      #expect(try client.ask(ApiVersionsRequest.named(name), version: 3).errorCode == .invalidRequest)
      #expect(
        try client.ask(ApiVersionsRequest.named("apache-kafka-java", version: "3.9.0"), version: 3).errorCode == .none)
    }
  }

  @Test("versions are in the docs as they are in the table")
  func documented() throws {
    try withBroker { broker in
      for handler in broker.broker.makeHandlerTable().handlers {
        #expect(handler.api.versions.contains(handler.served.upperBound))
        #expect(handler.offered.contains(handler.served.lowerBound))
      }
    }
  }
}
