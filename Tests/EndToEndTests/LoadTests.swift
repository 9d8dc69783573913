import Foundation
import TestSupport
import Testing

@Suite("millrace-load against millrace-broker", .serialized)
struct LoadAgainstBrokerTests {
  @Test("what is produced is consumed, every record once")
  func produceConsume() async throws {
    try await withBroker { broker in
      let produced = try await Programs.load([
        "produce", "--bootstrap-server", broker.address, "--topic", "t", "--partitions", "3", "--num-records", "30000",
        "--connections", "2", "--json", "--quiet",
      ])
      #expect(produced.status == 0, "\(produced.errors)")
      let sent = try produced.json()
      #expect(sent["records"] as? Int == 30000 && sent["bytes"] as? Int == 3_000_000 && sent["errors"] as? Int == 0)
      let consumed = try await Programs.load([
        "consume", "--bootstrap-server", broker.address, "--topic", "t", "--connections", "2", "--json", "--quiet",
      ])
      #expect(consumed.status == 0, "\(consumed.errors)")
      let got = try consumed.json()
      #expect(got["records"] as? Int == 30000 && got["verified"] as? Int == 30000)
      for fault in ["lost", "duplicated", "reordered", "corrupt"] { #expect(got[fault] as? Int == 0, "\(fault)") }
    }
  }

  @Test("three consumers get the whole topic each, over connections of their own")
  func fanOut() async throws {
    try await withBroker { broker in
      let place = ["--bootstrap-server", broker.address, "--topic", "t", "--json", "--quiet"]
      _ = try await Programs.load(["produce", "--partitions", "4", "--num-records", "9000"] + place)
      for counted in [[], ["--num-records", "27000"]] {
        let consumed = try await Programs.load(
          ["consume", "--fan-out", "3", "--connections", "2", "--threads", "3"] + counted + place)
        #expect(consumed.status == 0, "\(consumed.errors)")
        let got = try consumed.json()
        #expect(got["records"] as? Int == 27000 && got["verified"] as? Int == 27000)
        for fault in ["lost", "duplicated", "reordered", "corrupt"] { #expect(got[fault] as? Int == 0, "\(fault)") }
      }
    }
  }

  /// The scenario "order" of the claims: order is kept within a partition and not over several.
  @Test("records come in order within a partition, and over several partitions not in the order they were given")
  func order() async throws {
    try await withBroker { broker in
      for partitions in [1, 4] {
        let place = ["--bootstrap-server", broker.address, "--topic", "t\(partitions)", "--json", "--quiet"]
        // Small batches that go round the partitions, each given a moment after the one before.
        let produced = try await Programs.load(
          [
            "produce", "--partitions", "\(partitions)", "--num-records", "20000", "--batch-records", "10",
            "--in-flight", "1",
          ] + place)
        #expect(produced.status == 0, "\(produced.errors)")
        let consumed = try await Programs.load(["consume", "--global-order"] + place)
        #expect(consumed.status == 0, "order over partitions is told, not failed: \(consumed.errors)")
        let got = try consumed.json()
        #expect(got["verified"] as? Int == 20000 && got["reordered"] as? Int == 0)
        let outOfOrder = try #require(got["out_of_global_order"] as? Int)
        if partitions == 1 { #expect(outOfOrder == 0) } else { #expect(outOfOrder > 1000, "\(outOfOrder)") }
      }
    }
  }

  @Test("a consumer goes on when its broker is killed and comes back, and nothing in the log is told as lost")
  func endToEndCrash() async throws {
    try await withBroker { broker in
      let running = try Programs.started(load: [
        "end-to-end", "--bootstrap-server", broker.address, "--topic", "t", "--partitions", "3", "--num-records",
        "60000",
        "--throughput", "20000", "--idempotent", "--acks", "all", "--json", "--quiet", "--timeout", "60000",
      ])
      try await broker.waitUntilStored(bytes: 1 << 20, by: running)
      try broker.crashAndRestart()
      try await broker.waitUntilStored(bytes: 3 << 20, by: running)
      try broker.crashAndRestart()
      let outcome = try await running.outcome()
      let report = try outcome.json()
      #expect(outcome.status == 0, "\(report) \(outcome.errors)")
      #expect(report["ending"] as? String == "complete" && report["verified"] as? Int == 60000, "\(report)")
      for fault in ["lost", "unread", "duplicated", "corrupt", "errors"] {
        #expect(report[fault] as? Int == 0, "\(fault)")
      }
    }
  }

  @Test("what the consumer did not come to read is not told as lost")
  func unread() async throws {
    try await withBroker { broker in
      let running = try Programs.started(load: [
        "end-to-end", "--bootstrap-server", broker.address, "--topic", "t", "--partitions", "1", "--num-records",
        "60000",
        "--throughput", "20000", "--json", "--quiet", "--timeout", "1500", "--delivery-timeout-ms", "1500",
      ])
      try await broker.waitUntilStored(bytes: 1 << 20, by: running)
      try broker.end(by: SIGKILL)
      let outcome = try await running.outcome()
      let report = try outcome.json()
      let counts = ["verified", "lost", "corrupt", "unread"].map { report[$0] as? Int ?? -1 }
      #expect(outcome.status == 1 && report["ending"] as? String == "failed", "\(report)")
      #expect(counts[0] > 0 && counts[1] == 0 && counts[2] == 0, "\(report)")
      try broker.restart()
    }
  }

  @Test("a run too short to tell says so, and a paced one has the rate of its schedule")
  func figures() async throws {
    let short = try await Programs.load(["produce", "--null-sink", "--num-records", "3", "--json"])
    let report = try short.json()
    // On a machine that others keep busy even three records may take long enough.
    if try #require(report["seconds"] as? Double) < 0.09 {
      #expect(report["client_cpu_share"] is NSNull, "\(report)")
      #expect((report["limiter"] as? String)?.contains("too short to tell") == true, "\(report)")
      #expect(short.output.contains("busiest thread not measured: the run was too short"), "\(short.output)")
    } else {
      #expect((report["client_cpu_share"] as? Double ?? 0) <= 1, "\(report)")
    }
    let long = try await Programs.load(["produce", "--null-sink", "--duration", "0.5", "--json"]).json()
    // One core at least is the generator's.
    let busy = try #require(long["machine_busy_share"] as? Double)
    #expect((0.5 / Double(ProcessInfo.processInfo.activeProcessorCount)...1).contains(busy), "\(long)")
    let paced = try await Programs.load([
      "produce", "--null-sink", "--num-records", "10", "--throughput", "20", "--json", "--quiet",
    ])
    let rate = try #require(paced.json()["records_per_s"] as? Double)
    #expect(
      rate <= 20 && rate > 15, "10 records at 20/s are due over half a second, not over nine twentieths: \(rate)/s")
  }

  @Test("a consumer slower than its timeout loses nothing, and keeps its rate")
  func slowReader() async throws {
    try await withBroker { broker in
      let place = ["--bootstrap-server", broker.address, "--topic", "t", "--json", "--quiet"]
      _ = try await Programs.load(
        ["produce", "--partitions", "1", "--num-records", "200", "--batch-records", "50"] + place)
      for flags in [[], ["--fetch-max-bytes", "1"]] {
        let consumed = try await Programs.load(
          ["consume", "--num-records", "200", "--throughput", "100", "--timeout", "200"] + flags + place)
        let report = try consumed.json()
        #expect(consumed.status == 0, "\(flags): \(report) \(consumed.errors)")
        #expect(report["verified"] as? Int == 200 && report["lost"] as? Int == 0, "\(flags): \(report)")
        let rate = try #require(report["records_per_s"] as? Double)
        #expect(rate <= 101 && rate > 50, "\(flags): \(rate) records/s instead of 100")
      }
    }
  }

  @Test("a batch with a wrong checksum is corrupt, and what follows it is read")
  func damagedBatch() async throws {
    try await withBroker { broker in
      let place = ["--bootstrap-server", broker.address, "--topic", "t", "--json", "--quiet"]
      _ = try await Programs.load(
        ["produce", "--partitions", "1", "--num-records", "200", "--batch-records", "50"] + place)
      try broker.end(by: SIGTERM)
      let path = URL(fileURLWithPath: broker.directory).appendingPathComponent("data/t-0/00000000000000000000.log")
      var bytes = try Data(contentsOf: path)
      bytes[bytes.count / 4 + 1000] ^= 1
      try bytes.write(to: path)
      try broker.restart()
      for flags in [[], ["--num-records", "200"], ["--no-verify"]] {
        let consumed = try await Programs.load(["consume", "--timeout", "2000"] + flags + place)
        let report = try consumed.json()
        #expect(consumed.status == 1 && report["ending"] as? String == "complete", "\(flags): \(report)")
        #expect(report["records"] as? Int == 200 && report["corrupt"] as? Int == 50, "\(flags): \(report)")
        #expect(report["lost"] as? Int == 0 && report["errors"] as? Int == 0, "\(flags): \(report)")
        if flags != ["--no-verify"] { #expect(report["verified"] as? Int == 150, "\(flags): \(report)") }
      }
    }
  }

  @Test("records that never come are lost, and the exit code says so")
  func lost() async throws {
    try await withBroker { broker in
      let place = ["--bootstrap-server", broker.address, "--topic", "t", "--json", "--quiet"]
      _ = try await Programs.load(["produce", "--partitions", "1", "--num-records", "100"] + place)
      let consumed = try await Programs.load(["consume", "--num-records", "105", "--timeout", "700"] + place)
      #expect(consumed.status == 1)
      #expect(try consumed.json()["lost"] as? Int == 5)
    }
  }

  @Test(
    "end to end, with every codec, keys, corpora and both ways to compress",
    arguments: [
      ["--compression", "gzip:1", "--corpus", "access-log", "--record-size", "300"],
      ["--compression", "snappy", "--key", "random", "--partitions", "4"],
      ["--compression", "lz4", "--corpus", "random", "--batch-records", "10"],
      ["--compression", "zstd", "--key", "sequence", "--acks", "all", "--idempotent"],
      ["--compression", "zstd", "--per-message-compression", "--linger-ms", "5"],
      ["--compression", "none", "--throughput", "5000", "--threads", "2", "--corpus", "entropy:4"],
      ["--separate-consumers", "--threads", "2"],
      ["--compression", "gzip", "--compression-threads", "3", "--batch-records", "20", "--key", "random"],
      ["--compression", "lz4", "--compression-threads", "2", "--throughput", "5000", "--linger-ms", "5"],
    ])
  func endToEnd(flags: [String]) async throws {
    try await withBroker { broker in
      let partitions = flags.contains("--partitions") ? [] : ["--partitions", "2"]
      let outcome = try await Programs.load(
        [
          "end-to-end", "--bootstrap-server", broker.address, "--topic", "t", "--num-records", "4000", "--connections",
          "2", "--json", "--quiet",
        ] + partitions + flags)
      #expect(outcome.status == 0, "\(flags): \(outcome.output)\(outcome.errors)")
      let report = try outcome.json()
      #expect(report["records"] as? Int == 4000 && report["verified"] as? Int == 4000)
      let latency = try #require(report["end_to_end_latency_ms"] as? [String: Any])
      #expect(latency["samples"] as? Int == 4000)
    }
  }

  @Test("with one and with three compression threads every record arrives once, in order", arguments: [false, true])
  func compressionThreads(isIdempotent: Bool) async throws {
    try await withBroker { broker in
      for threads in ["1", "3"] {
        let place = ["--bootstrap-server", broker.address, "--topic", "t\(threads)", "--json", "--quiet"]
        let produced = try await Programs.load(
          ["produce", "--partitions", "2", "--num-records", "100000", "--batch-size", "4000", "--compression", "zstd"]
            + ["--compression-threads", threads, "--acks", "all"] + (isIdempotent ? ["--idempotent"] : []) + place)
        #expect(produced.status == 0, "\(produced.output)\(produced.errors)")
        let consumed = try await Programs.load(["consume"] + place)
        #expect(consumed.status == 0, "\(consumed.output)\(consumed.errors)")
        let report = try consumed.json()
        #expect(report["verified"] as? Int == 100_000 && report["reordered"] as? Int == 0)
      }
    }
  }

  @Test("a broker killed under load and started again has every acknowledged record once, in order")
  func crash() async throws {
    try await withBroker { broker in
      let place = ["--bootstrap-server", broker.address, "--topic", "t", "--json", "--quiet"]
      let producing = try Programs.started(
        load: [
          "produce", "--partitions", "3", "--num-records", "60000", "--throughput", "15000", "--idempotent", "--acks",
          "all",
        ] + place)
      // In the midst of it, whatever the machine's speed: after a third and after two thirds of the 6 MB of values.
      for megabytes in [2, 4] {
        try await broker.waitUntilStored(bytes: megabytes * 1_000_000, by: producing)
        try broker.crashAndRestart()
      }
      let produced = try await producing.outcome()
      #expect(produced.status == 0, "\(produced.output)\(produced.errors)")
      #expect(try produced.json()["records"] as? Int == 60000)
      let consumed = try await Programs.load(["consume"] + place)
      #expect(consumed.status == 0, "\(consumed.output)\(consumed.errors)")
      let report = try consumed.json()
      #expect(report["records"] as? Int == 60000)
      #expect(report["reordered"] as? Int == 0)
    }
  }

  @Test("consumers that each read everything, and keep behind the end, get as much as was produced meanwhile")
  func distance() async throws {
    try await withBroker { broker in
      let place = ["--bootstrap-server", broker.address, "--topic", "t", "--json", "--quiet"]
      _ = try await Programs.load(
        ["produce", "--partitions", "2", "--num-records", "20000", "--batch-records", "100"] + place)
      for lag in [0, 4000] {
        let outcome = try await Programs.load(
          [
            "end-to-end", "--num-records", "6000", "--throughput", "12000", "--fan-out", "3", "--lag-records", "\(lag)",
            "--batch-records", "100",
            "--fetch-max-partition-bytes", "20000",
          ] + place)
        #expect(outcome.status == 0, "lag \(lag): \(outcome.output)\(outcome.errors)")
        let report = try outcome.json()
        let records = try #require(report["records"] as? Int)
        #expect(records >= 18_000 && records <= 18_000 + 3 * 2 * 400, "lag \(lag): \(records), a few of an answer more")
        #expect(report["verified"] as? Int == records)
        for fault in ["lost", "duplicated", "reordered", "corrupt"] { #expect(report[fault] as? Int == 0, "\(fault)") }
        guard lag > 0 else {
          #expect(report["lag_least_records"] is NSNull)
          continue
        }
        // An answer holds some 200 records.
        #expect(try #require(report["lag_least_records"] as? Int) > lag - 400)
        #expect(try #require(report["lag_most_records"] as? Int) >= lag)
      }
    }
  }

  @Test("a topic shorter than the distance to be kept is refused, and the refusal says how many records it has")
  func tooShort() async throws {
    try await withBroker { broker in
      let place = ["--bootstrap-server", broker.address, "--topic", "t", "--json", "--quiet"]
      _ = try await Programs.load(
        ["produce", "--partitions", "1", "--num-records", "500", "--batch-records", "100"] + place)
      let lag = ["--num-records", "100", "--lag-records"]
      for command in ["end-to-end", "consume"] {
        let outcome = try await Programs.load([command] + place + lag + ["501"])
        #expect(outcome.status == 2, "\(outcome.output)\(outcome.errors)")
        #expect(outcome.errors.contains("t-0 has 500 records: give a distance of at most 500"), "\(outcome.errors)")
      }
      let just = try await Programs.load(["end-to-end"] + place + lag + ["500"])
      #expect(just.status == 0, "\(just.output)\(just.errors)")
    }
  }

  @Test("a consumer reads at a pace, and at random places without coming to an end")
  func paceAndPlaces() async throws {
    try await withBroker { broker in
      let place = ["--bootstrap-server", broker.address, "--topic", "t", "--json", "--quiet"]
      _ = try await Programs.load(
        ["produce", "--partitions", "1", "--num-records", "5000", "--batch-records", "50"] + place)
      let paced = try await Programs.load(
        ["consume", "--throughput", "10000", "--fetch-max-partition-bytes", "5000"] + place)
      #expect(paced.status == 0, "\(paced.errors)")
      #expect(try paced.json()["records"] as? Int == 5000)
      #expect(try #require(paced.json()["seconds"] as? Double) >= 0.48, "5,000 records at 10,000 a second")
      let random = try await Programs.load(
        [
          "consume", "--order", "random", "--no-verify", "--num-records", "20000", "--fetch-max-partition-bytes", "1",
          "--fetch-max-bytes", "1",
        ] + place)
      #expect(random.status == 0, "\(random.errors)")
      // A batch an answer: 50 records for each request.
      let report = try random.json()
      let records = try #require(report["records"] as? Int), requests = try #require(report["requests"] as? Int)
      #expect(records >= 20_000 && abs(records / 50 - requests) <= 2, "\(records) records in \(requests) requests")
    }
  }

  @Test("an interrupt gives a valid summary")
  func interrupt() async throws {
    let running = try Programs.started(load: ["produce", "--null-sink", "--duration", "600", "--json"])
    // The first progress line comes when the run is under way.
    try await running.wait { running.printed.contains("records/s") }
    running.send(SIGINT)
    let outcome = try await running.outcome()
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try outcome.json()
    #expect(report["ending"] as? String == "interrupted")
    #expect((report["records"] as? Int ?? 0) > 0)
  }

  @Test("a plan that cannot be run ends with 2 and says why")
  func usage() async throws {
    let outcome = try await Programs.load(["produce", "--topik", "t"])
    #expect(outcome.status == 2)
    #expect(outcome.errors.contains("did you mean 'topic'?"))
    let unreachable = try await Programs.load([
      "produce", "--topic", "t", "--num-records", "1", "--bootstrap-server", "127.0.0.1:1",
    ])
    #expect(unreachable.status == 1)
    #expect(unreachable.errors.contains("cannot connect to 127.0.0.1:1: connection refused"))
  }
}
