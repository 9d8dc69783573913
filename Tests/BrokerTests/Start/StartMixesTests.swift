import Cluster
import Coordination
import Glibc
import Model
import Storage
import Testing
import Wire

@testable import Broker

/// What may become of log directories between a stop and a start: every mix of it either starts with all acknowledged
/// records in reach, or says what is out of reach, or is refused; and put right again, everything is there.
struct StartMix: Sendable, CustomTestStringConvertible {
  enum Outcome: Sendable { case everything, offline, refused(String) }

  var name: String
  /// The directories that the start names.
  var named = ["a", "b", "c"]
  /// Changes the files below the given path.
  var change: @Sendable (String) throws -> Void = { _ in }
  /// Takes the change back.
  var undo: @Sendable (String) throws -> Void = { _ in }
  var afterOrderlyStop: Outcome
  /// Nil: as after an orderly stop.
  var afterCrash: Outcome?

  var testDescription: String { name }

  static func move(_ from: String, _ to: String) -> @Sendable (String) throws -> Void {
    { path in try RealDisk().rename("\(path)/\(from)", to: "\(path)/\(to)") }
  }

  static func swap(_ one: String, _ other: String) -> @Sendable (String) throws -> Void {
    { path in
      try move(one, "aside")(path)
      try move(other, one)(path)
      try move("aside", other)(path)
    }
  }

  static let orders = [
    ["a", "c", "b"], ["b", "a", "c"], ["b", "c", "a"], ["c", "a", "b"], ["c", "b", "a"],
  ].map { StartMix(name: "named in the order \($0.joined(separator: ", "))", named: $0, afterOrderlyStop: .everything) }

  static let missing = ["a", "b", "c"].map { left in
    StartMix(
      name: "without \(left)", named: ["a", "b", "c"].filter { $0 != left },
      afterOrderlyStop: .refused(left == "a" ? "no log directory has the z-node journal" : "name it in log.dirs again"))
  }

  static let emptied = ["a", "b", "c"].map { name in
    StartMix(
      name: "the disk of \(name) is not mounted",
      change: { path in
        try move(name, "unmounted")(path)
        try RealDisk().makeDirectory("\(path)/\(name)")
      },
      undo: { path in
        _ = system("rm -rf '\(path)/\(name)'")
        try move("unmounted", name)(path)
      },
      afterOrderlyStop: .refused(name == "a" ? "no log directory has the z-node journal" : "name it in log.dirs again"))
  }

  static let others: [StartMix] = [
    StartMix(name: "nothing was changed", afterOrderlyStop: .everything),
    StartMix(name: "one more", named: ["new", "a", "b", "c"], afterOrderlyStop: .everything),
    StartMix(name: "a and b have changed places", change: swap("a", "b"), afterOrderlyStop: .everything),
    StartMix(
      name: "b is at another path", named: ["moved", "c", "a"], change: move("b", "moved"), undo: move("moved", "b"),
      afterOrderlyStop: .everything),
    StartMix(
      name: "only b", named: ["b"], afterOrderlyStop: .refused("no log directory has the z-node journal")),
    StartMix(
      name: "the journal is gone", change: move("a/znodes.journal", "kept"), undo: move("kept", "a/znodes.journal"),
      afterOrderlyStop: .refused("no log directory has the z-node journal")),
    StartMix(
      name: "the journal is in another directory", change: move("a/znodes.journal", "b/znodes.journal"),
      afterOrderlyStop: .everything),
    StartMix(
      name: "the journal is empty",
      change: { path in _ = system("cd '\(path)' && mv a/znodes.journal kept && : > a/znodes.journal") },
      undo: move("kept", "a/znodes.journal"), afterOrderlyStop: .refused("the z-node tree is empty")),
    StartMix(
      name: "two journals", change: { path in _ = system("cp '\(path)/a/znodes.journal' '\(path)/b/znodes.journal'") },
      undo: { path in try RealDisk().remove("\(path)/b/znodes.journal") },
      afterOrderlyStop: .refused("each hold a z-node journal")),
    StartMix(
      name: "the journal is older than the topic",
      change: { path in _ = system("cd '\(path)' && mv a/znodes.journal kept && cp older a/znodes.journal") },
      undo: move("kept", "a/znodes.journal"), afterOrderlyStop: .refused("which the z-node tree does not know")),
    StartMix(
      name: "a copy of b beside b", named: ["a", "b", "c", "copy"],
      change: { path in _ = system("cp -r '\(path)/b' '\(path)/copy'") }, afterOrderlyStop: .refused("are copies")),
    StartMix(
      name: "a partition is in two directories",
      change: { path in _ = system("cp -r '\(path)'/b/t-* '\(path)/c'") },
      undo: { path in _ = system("cd '\(path)/b' && for d in t-*; do rm -rf ../c/$d; done") },
      afterOrderlyStop: .refused("move the one that is not this broker's away")),
    StartMix(
      name: "partitions were moved to another directory",
      change: { path in _ = system("mv '\(path)'/b/t-* '\(path)/c'") }, afterOrderlyStop: .everything),
    StartMix(
      name: "partitions of b were removed by hand",
      change: { path in _ = system("mkdir '\(path)/kept' && mv '\(path)'/b/t-* '\(path)/kept'") },
      undo: { path in _ = system("rm -rf '\(path)'/b/t-*; mv '\(path)'/kept/t-* '\(path)/b'") },
      // After a crash the files of a topic that was never led before may not have been made yet.
      afterOrderlyStop: .offline),
    StartMix(
      name: "b belongs to another broker",
      change: { path in _ = system("sed -i.kept s/broker.id=1/broker.id=2/ '\(path)/b/meta.properties'") },
      undo: move("b/meta.properties.kept", "b/meta.properties"), afterOrderlyStop: .refused("broker 2")),
    StartMix(
      name: "a directory of unknown partitions was added", named: ["a", "b", "c", "foreign"],
      change: { path in
        _ = system(
          "mkdir '\(path)/foreign' && cp -r '\(path)/b/'t-? '\(path)/foreign' && cd '\(path)/foreign' && for d in t-*; do mv $d other-$d; done"
        )
      },
      afterOrderlyStop: .refused("which the z-node tree does not know")),
  ]

  static let all = orders + missing + emptied + others
}

@Suite("A start on log directories that were changed meanwhile")
struct StartMixesTests {
  private func dirs(_ names: [String], in directory: String) -> [String: String] {
    ["log.dirs": names.map { "\(directory)/\($0)" }.joined(separator: ",")]
  }

  /// The value of each partition of `t`; nil where it is offline.
  private func values(_ broker: TestBroker) throws -> [String?] {
    let client = try broker.connect()
    return try (Int32(0)..<6).map { partition in
      let found = try client.fetch("t", partition, from: 0)
      if found.errorCode == .kafkaStorageError { return nil }
      #expect(found.errorCode == .none)
      return try Batches.values(in: found.records).first?.1
    }
  }

  @Test("hides no acknowledged record", arguments: StartMix.all, [true, false])
  func walk(_ mix: StartMix, orderly: Bool) throws {
    let everything = (0..<6).map { Optional("p\($0)") }
    let original = ["a", "b", "c"]
    try withDirectory { directory in
      do {
        let broker = try TestBroker.start(in: directory, dirs(original, in: directory))
        let client = try broker.connect()
        _ = system("cp '\(directory)/a/znodes.journal' '\(directory)/older'")
        try client.createTopic("t", partitions: 6)
        broker.running.stop()
      }
      do {
        let broker = try TestBroker.start(in: directory, dirs(original, in: directory))
        let client = try broker.connect()
        for partition: Int32 in 0..<6 { _ = try client.produce(Batches.of(["p\(partition)"]), to: "t", partition) }
        broker.broker.checkpoint()
        if orderly { broker.running.stop() } else { broker.running.abandon() }
      }
      let outcome = orderly ? mix.afterOrderlyStop : mix.afterCrash ?? mix.afterOrderlyStop
      try mix.change(directory)
      switch outcome {
      case .everything, .offline:
        let broker = try TestBroker.start(in: directory, dirs(mix.named, in: directory))
        let found = try values(broker)
        if case .everything = outcome { #expect(found == everything) }
        if case .offline = outcome { #expect(found.contains(nil)) }
        for (value, expected) in zip(found, everything) { #expect(value == nil || value == expected) }
        broker.running.stop()
      case .refused(let why):
        let before = try listing(directory)
        let error = #expect(throws: (any Error).self) {
          try TestBroker.start(in: directory, dirs(mix.named, in: directory))
        }
        #expect(error.map { "\($0)" }?.contains(why) == true, "\(error.map { "\($0)" } ?? "")")
        #expect(try listing(directory).filter { !$0.hasSuffix("/.lock") } == before.filter { !$0.hasSuffix("/.lock") })
        // It is refused again: the first refusal has left no trace that the second start would believe.
        #expect(throws: (any Error).self) { try TestBroker.start(in: directory, dirs(mix.named, in: directory)) }
      }
      try mix.undo(directory)
      let broker = try TestBroker.start(in: directory, dirs(original, in: directory))
      defer { broker.running.stop() }
      #expect(try values(broker) == everything, "put right again")
    }
  }

  /// Every path below `directory`, sorted; none of the refused starts adds or renames any.
  private func listing(_ directory: String) throws -> [String] {
    var paths: [String] = []
    func visit(_ path: String) {
      guard let names = try? directoryNames(path) else { return }
      for name in names {
        paths.append("\(path)/\(name)")
        visit("\(path)/\(name)")
      }
    }
    visit(directory)
    return paths.sorted()
  }

  @Test("a partition whose making a crash prevented is made at the start")
  func unmade() throws {
    try withDirectory { directory in
      let keys = dirs(["a", "b"], in: directory)
      let first = try TestBroker.start(in: directory, keys)
      first.running.abandon()
      // As a crash leaves it between the tree and the logs.
      let tree = try EmbeddedTree(disk: RealDisk(), directory: "\(directory)/a") { 0 }
      var elected = try ElectedController(
        tree: tree, config: Config(overrides: ["broker.id": "1"]), before: .init(), nowMs: 0,
        random: SystemRandomNumberGenerator())
      let topic = NewTopic(name: "t", partitionCount: 4, replicationFactor: 1)
      let creation = Controller.Creation(topic, id: UUID128(high: 1, low: 1))
      for case .write(let operations) in elected.controller.step(.asked(1, .create([creation], validateOnly: false))) {
        _ = tree.carryOut(operations)
      }
      tree.close()
      let second = try TestBroker.start(in: directory, keys)
      defer { second.running.stop() }
      let client = try second.connect()
      for partition: Int32 in 0..<4 {
        #expect(try client.produce(Batches.of(["a"]), to: "t", partition).errorCode == .none)
      }
    }
  }

  @Test("a directory that holds nothing that is missed may be taken out of log.dirs")
  func takenOut() throws {
    try withDirectory { directory in
      try TestBroker.start(in: directory, dirs(["a", "b"], in: directory)).running.stop()
      let one = try TestBroker.start(in: directory, dirs(["a"], in: directory))
      try one.connect().createTopic("t")
      one.running.stop()
      // And b, which knew nothing of the topic, may come back.
      let both = try TestBroker.start(in: directory, dirs(["b", "a"], in: directory))
      #expect(try both.connect().produce(Batches.of(["a"]), to: "t").errorCode == .none)
      both.running.stop()
    }
  }

  @Test("a topic whose partitions were removed by hand can be deleted and made again")
  func deleteRemoved() throws {
    try withDirectory { directory in
      let first = try TestBroker.start(in: directory)
      try first.connect().createTopic("t")
      first.running.stop()
      _ = system("rm -rf '\(directory)/data/t-0'")
      let second = try TestBroker.start(in: directory)
      defer { second.running.stop() }
      let client = try second.connect()
      #expect(try client.produce(Batches.of(["a"]), to: "t").errorCode == .kafkaStorageError)
      #expect(second.lines.all.contains { $0.contains("t-0") && $0.contains("removed") }, "\(second.lines.all)")
      var delete = DeleteTopicsRequest()
      delete.topicNames = ["t"]
      #expect(try client.ask(delete, version: 4).responses.first?.errorCode == ErrorCode.none)
      try client.createTopic("t")
      #expect(try client.produce(Batches.of(["a"]), to: "t").errorCode == .none)
    }
  }
}
