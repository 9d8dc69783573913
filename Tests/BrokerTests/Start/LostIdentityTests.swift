import Glibc
import Model
import Storage
import Testing
import Wire

@testable import Broker

/// Directories without their meta.properties, or with another's: the z-node tree says whose they are.
@Suite("A log directory that does not say whose it is")
struct LostIdentityTests {
  private func keys(_ directory: String, id: BrokerID = -1) -> [String: String] {
    ["log.dirs": ["a", "b"].map { "\(directory)/\($0)" }.joined(separator: ","), "broker.id": "\(id)"]
  }

  /// Fills a broker with a generated id, which is 1001, and stops it; returns its cluster's id.
  private func fill(_ directory: String, orderly: Bool = true) throws -> String {
    let broker = try TestBroker.start(in: directory, keys(directory))
    let client = try broker.connect()
    try client.createTopic("t", partitions: 4)
    for partition: Int32 in 0..<4 { _ = try client.produce(Batches.of(["p\(partition)"]), to: "t", partition) }
    #expect(broker.broker.brokerID == 1001)
    if orderly { broker.running.stop() } else { broker.running.abandon() }
    return broker.broker.clusterID
  }

  private func expectEverything(_ keys: [String: String], _ directory: String) throws {
    let broker = try TestBroker.start(in: directory, keys)
    defer { broker.running.stop() }
    #expect(broker.broker.brokerID == 1001)
    let client = try broker.connect()
    for partition: Int32 in 0..<4 {
      #expect(try Batches.values(in: client.fetch("t", partition, from: 0).records).map(\.1) == ["p\(partition)"])
    }
  }

  private func refusal(_ keys: [String: String], _ directory: String) throws -> String {
    let before = try RealDisk().contents(of: "\(directory)/a/meta.properties")
    let error = #expect(throws: StartRefusal.self) { try TestBroker.start(in: directory, keys).running.stop() }
    #expect(try RealDisk().contents(of: "\(directory)/a/meta.properties") == before, "nothing is written")
    return error?.description ?? ""
  }

  @Test("in none of them: no start under a generated id, but one under the right one", arguments: [true, false])
  func noneLeft(orderly: Bool) throws {
    try withDirectory { directory in
      let cluster = try fill(directory, orderly: orderly)
      for name in ["a", "b"] { try RealDisk().remove("\(directory)/\(name)/meta.properties") }
      let held = try directoryNames("\(directory)/a").filter { $0.hasPrefix("t-") }.sorted()
      #expect(held.count == 2)
      let sentence =
        "\(directory)/a holds \(held[0]) and \(held[1]), which the z-node tree gives to broker 1001, but its meta.properties is missing"
      let remedy =
        ": put the file back, with the lines version=0, broker.id=1001 and cluster.id=\(cluster), or set broker.id=1001"
      // The second refusal finds what the first found.
      for _ in 0..<2 { #expect(try refusal(keys(directory), directory) == sentence + remedy) }
      #expect(try refusal(keys(directory, id: 5), directory) == sentence + ", and this broker is 5" + remedy)
      try expectEverything(keys(directory, id: 1001), directory)
      try expectEverything(keys(directory), directory)
    }
  }

  @Test("in one of several: the others say it, and it is written anew")
  func oneLeft() throws {
    try withDirectory { directory in
      _ = try fill(directory)
      let written = try RealDisk().contents(of: "\(directory)/a/meta.properties")
      try RealDisk().remove("\(directory)/a/meta.properties")
      try expectEverything(keys(directory), directory)
      #expect(try RealDisk().contents(of: "\(directory)/a/meta.properties") == written)
    }
  }

  @Test("another broker's id in the file: no start, whether broker.id agrees with it or is left out")
  func anothers() throws {
    try withDirectory { directory in
      let cluster = try fill(directory)
      for name in ["a", "b"] {
        _ = system("sed -i s/broker.id=1001/broker.id=1002/ '\(directory)/\(name)/meta.properties'")
      }
      for keys in [keys(directory), keys(directory, id: 1002)] {
        let sentence = try refusal(keys, directory)
        #expect(
          sentence.hasSuffix(
            ", which the z-node tree gives to broker 1001, but its meta.properties says broker.id=1002: start with the log.dirs of broker 1002, or correct the file to say broker.id=1001 and cluster.id=\(cluster)"
          ), "\(sentence)")
      }
    }
  }

  @Test("without partitions, too: a tree whose partitions are another broker's is not taken over")
  func treeAlone() throws {
    try withDirectory { directory in
      let cluster = try fill(directory)
      for name in ["a", "b"] { _ = system("cd '\(directory)/\(name)' && rm -rf t-* meta.properties log-directories") }
      #expect(
        try refusal(keys(directory), directory)
          == "every partition of the z-node tree is broker 1001's, and this broker has no id, for meta.properties is missing: set broker.id=1001, or put back the meta.properties of its log directories, with the lines version=0, broker.id=1001 and cluster.id=\(cluster)"
      )
    }
  }

  @Test("what lies beside the partitions and may hold records is named at the start, and does not end it")
  func strays() throws {
    try withDirectory { directory in
      _ = try fill(directory)
      _ = system(
        "cd '\(directory)/a' && mkdir old lost+found t-00 u-0.0123-stray u-1.0123-delete && : > u-0 && : > notes")
      let broker = try TestBroker.start(in: directory, keys(directory))
      let told = broker.lines.all.filter { $0.contains("not a partition's directory") }
      #expect(
        told
          == ["old", "t-00", "u-0", "u-0.0123-stray"].map {
            "warning not a partition's directory: what it may hold is kept and not served [\"path\": \(directory)/a/\($0)]"
          })
      #expect(broker.broker.topics.all.map(\.name) == ["t"])
      try broker.connect().createTopic("u")
      #expect(try broker.connect().produce(Batches.of(["a"]), to: "u").errorCode == .none)
      broker.broker.purgeDeleted()
      broker.running.stop()
      #expect(try directoryNames("\(directory)/a").filter { $0.hasPrefix("old") || $0.hasPrefix("t-00") }.count == 2)
      try expectEverything(keys(directory), directory)
    }
  }
}
