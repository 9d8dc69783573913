import Model
import NIOCore
import TestSupport
import Testing
import Wire

@testable import Broker

/// What a scrape tells beside times and sizes: errors, throttling, and what the log cleaner has done.
@Suite("A scrape")
struct RequestErrorMetricsTests {
  @Test("counts each error code in a response, by the API, and no response without one")
  func errors() throws {
    try withBroker(TestBroker.metricsListener) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      let batch = try Batches.of(["a"])
      for _ in 0..<3 { #expect(try client.produce(batch, to: "t").errorCode == .none) }
      for _ in 0..<2 { #expect(try client.produce(batch, to: "t", 7).errorCode == .unknownTopicOrPartition) }
      #expect(try client.fetch("t", from: 99).errorCode == .offsetOutOfRange)
      // Refused by the partition: of requests that are served together.
      for sequence: Int32 in [0, 5, 9] {
        let idempotent = try Batches.of(["a"], producerID: 7, epoch: 0, sequence: sequence)
        #expect(
          try client.produce(idempotent, to: "t").errorCode == (sequence == 0 ? .none : .outOfOrderSequenceNumber))
      }
      // Two partitions of one request.
      var request = ListOffsetsRequest()
      request.replicaID = -1
      request.topics = [
        .with {
          $0.name = "t"
          $0.partitions = [8, 9].map { index in .with { $0.partitionIndex = index } }
        }
      ]
      _ = try client.ask(request, version: 4)
      let samples = try broker.scrape()
      let name = "kafka_network_requestmetrics_errors_total"
      let errors = samples.values.filter { $0.key.hasPrefix(name) }
      #expect(
        errors == [
          "\(name){request=\"Produce\",error=\"UNKNOWN_TOPIC_OR_PARTITION\"}": 2,
          "\(name){request=\"Produce\",error=\"OUT_OF_ORDER_SEQUENCE_NUMBER\"}": 2,
          "\(name){request=\"Fetch\",error=\"OFFSET_OUT_OF_RANGE\"}": 1,
          "\(name){request=\"ListOffsets\",error=\"UNKNOWN_TOPIC_OR_PARTITION\"}": 2,
        ])
      #expect(samples["kafka_network_requestmetrics_requests_total{request=\"Produce\"}"] == 8)
    }
  }

  @Test("tells for how long clients of an API were throttled")
  func throttled() throws {
    try withBroker(TestBroker.metricsListener.merging(["quota.window.num": "2"]) { $1 }) { broker in
      let client = try broker.connect()
      try client.createTopic("t")
      #expect(try client.alterQuotas(["client-id": "test"], ["producer_byte_rate": 1000]) == .none)
      let batch = try Batches.of([String(repeating: "x", count: 2_000)])
      let answer = try client.ask(ProduceRequest.producing(batch, to: "t", 0, acks: -1), version: 9)
      #expect(answer.throttleTimeMs > 0)
      let samples = try broker.scrape()
      let name = "kafka_network_requestmetrics_throttletimems"
      #expect(samples["\(name)_sum{request=\"Produce\"}"] == Double(answer.throttleTimeMs))
      #expect(samples["\(name)_count{request=\"Produce\"}"] == 1)
      #expect(samples["\(name)_sum{request=\"CreateTopics\"}"] == 0)
    }
  }

  @Test("tells how dirty the dirtiest log is, and what the last cleaning did")
  func cleaner() throws {
    try withBroker(TestBroker.metricsListener) { broker in
      let client = try broker.connect()
      try client.createTopic(
        "c", ["cleanup.policy": "compact", "segment.bytes": "1000", "min.cleanable.dirty.ratio": "0.01"])
      for _ in 0..<10 {
        let batch = try Batches.of([String(repeating: ".", count: 200)], key: "k")
        #expect(try client.produce(batch, to: "c").errorCode == .none)
      }
      broker.clean()
      let path = try #require(broker.broker.directories.reports.first?.path)
      let samples = try broker.scrape()
      #expect(samples["kafka_log_logcleanermanager_max_dirty_percent"] == 0, "what is cleaned is not dirty")
      #expect(samples["kafka_log_logcleanermanager_uncleanable_partitions_count{logDirectory=\"\(path)\"}"] == 0)
      #expect(try #require(samples["kafka_log_logcleaner_max_clean_time_secs"]) > 0)
      let recopied = try #require(samples["kafka_log_logcleaner_cleaner_recopy_percent"])
      #expect(recopied > 0 && recopied < 50, "of nine batches of one key that may be cleaned one is kept: \(recopied)")
    }
  }

  @Test("has the longest of the last cleanings, and what all of them kept")
  func last() {
    var last = LastCleanings()
    #expect(last.maxSeconds == 0 && last.recopyPercent == 0)
    last.add(took: .seconds(9), read: 1_000, wrote: 900, most: 2)
    #expect(last.maxSeconds == 9 && last.recopyPercent == 90)
    last.add(took: .seconds(2), read: 100, wrote: 10, most: 2)
    last.add(took: .seconds(3), read: 100, wrote: 39, most: 2)
    #expect(last.maxSeconds == 3 && last.recopyPercent == 24)
    last.add(took: .seconds(1), read: 0, wrote: 0, most: 1)
    #expect(last.maxSeconds == 1 && last.recopyPercent == 0)
  }
}
