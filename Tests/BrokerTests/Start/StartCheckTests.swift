import Cluster
import Glibc
import Model
import Storage
import Testing

@testable import Broker

@Suite("StartCheck")
struct StartCheckTests {
  private static let mine = LogDirectory.Identity(brokerID: 1, clusterID: "c")

  private func id(_ number: UInt64) -> UUID128 { UUID128(high: number, low: number) }

  /// A directory as an earlier start left it, with partitions of `t`.
  private func used(
    _ path: String, _ number: UInt64, beside: [UInt64: String] = [:], holds: [Int32] = [], journal: Bool = false,
    clean: Bool = true
  ) -> DirectoryReport {
    var report = DirectoryReport(path: path)
    report.identity = Self.mine
    report.roster = DirectoryRoster(id: id(number), paths: [id(number): path])
    for (number, path) in beside { report.roster?.paths[id(number)] = path }
    for partition in holds { report.partitions.updateValue(id(9), forKey: TopicPartition("t", partition)) }
    report.journal = journal ? .present : .absent
    report.wasClean = clean
    return report
  }

  private func unusable(_ path: String, _ journal: DirectoryReport.JournalPresence = .unknown) -> DirectoryReport {
    DirectoryReport(path: path, failure: DiskError("open", path, code: EIO), journal: journal)
  }

  private func topic(_ partitions: Int, epoch: LeaderEpoch = 1, isBeingDeleted: Bool = false) -> TopicDescription {
    TopicDescription(
      name: "t", id: id(9),
      partitions: (0..<partitions).map { _ in
        PartitionDescription(replicas: [1], leader: 1, leaderEpoch: epoch, inSyncReplicas: [1])
      }, overrides: [:], isBeingDeleted: isBeingDeleted)
  }

  private func t(_ partitions: Int32...) -> [TopicPartition] { partitions.map { TopicPartition("t", $0) } }

  @Test("a new broker's journal goes to the first directory by path, in whatever order they are named")
  func newJournal() throws {
    let (a, b) = (DirectoryReport(path: "/a"), DirectoryReport(path: "/b"))
    for order in [[a, b], [b, a]] { #expect(try StartCheck(reports: order).journalDirectory() == "/a") }
    #expect(try StartCheck(reports: [unusable("/a", .absent), b]).journalDirectory() == "/b")
  }

  @Test("a new journal is not made while one may be out of sight")
  func hiddenJournal() {
    let cases: [(reports: [DirectoryReport], says: String)] = [
      ([unusable("/a"), DirectoryReport(path: "/b")], "the z-node journal may be in one that cannot be used"),
      ([unusable("/a"), used("/b", 2)], "open /a: Input/output error"),
      ([used("/b", 2)], "/b belongs to broker 1, but no log directory has the z-node journal"),
      ([used("/b", 2, holds: [0, 1])], "/b holds 2 partitions, but no log directory has the z-node journal"),
      ([unusable("/a"), unusable("/b")], "no log directory can be used: open /a: Input/output error; open /b: "),
    ]
    for (reports, says) in cases {
      let error = #expect(throws: StartRefusal.self) { try StartCheck(reports: reports).journalDirectory() }
      #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
    }
  }

  @Test("what is nowhere else is offline while a directory cannot be used")
  func unusableDirectory() throws {
    let a = used("/a", 1, beside: [2: "/b"], holds: [0, 2], journal: true)
    let plan = try StartCheck(reports: [a, unusable("/b")]).plan([topic(4)], brokerID: 1)
    #expect(plan.offline == t(1, 3))
    #expect(plan.removed == [])
    #expect(plan.absent == [id(2): "/b"], "the roster goes on to name it")
    // It may be at another path now, where its id cannot be read.
    let moved = try StartCheck(reports: [a, unusable("/elsewhere")]).plan([topic(4)], brokerID: 1)
    #expect(moved.offline == t(1, 3))
    #expect(moved.absent == [id(2): "/b"])
  }

  @Test("one directory that cannot be used excuses one that is missing, not two")
  func unusableAndGone() {
    let a = used("/a", 1, beside: [2: "/b", 3: "/c"], holds: [0], journal: true)
    let error = #expect(throws: StartRefusal.self) {
      try StartCheck(reports: [a, unusable("/b")]).plan([topic(2)], brokerID: 1)
    }
    #expect(error?.description.contains("(/c)") == true, "\(error?.description ?? "")")
  }

  @Test("a partition that is nowhere was removed when the stop was orderly, or when it was checkpointed and led before")
  func removed() throws {
    let clean = used("/a", 1, holds: [0], journal: true)
    #expect(try StartCheck(reports: [clean]).plan([topic(2)], brokerID: 1).removed == t(1))
    var crashed = used("/a", 1, holds: [0], journal: true, clean: false)
    #expect(try StartCheck(reports: [crashed]).plan([topic(2, epoch: 5)], brokerID: 1).offline == [])
    crashed.checkpointed = [TopicPartition("t", 1)]
    #expect(try StartCheck(reports: [crashed]).plan([topic(2, epoch: 5)], brokerID: 1).removed == t(1))
    #expect(try StartCheck(reports: [crashed]).plan([topic(2, epoch: 1)], brokerID: 1).offline == [], "made since")
    crashed.checkpointedWithRecords = crashed.checkpointed
    #expect(try StartCheck(reports: [crashed]).plan([topic(2, epoch: 1)], brokerID: 1).removed == t(1))
    // Another broker's replicas are not missed here.
    #expect(try StartCheck(reports: [clean]).plan([topic(2)], brokerID: 7).offline == [])
  }

  @Test(
    "the files of a topic that is being deleted go on to be deleted; those of another topic of its name are refused")
  func deletions() throws {
    let a = used("/a", 1, holds: [0, 1], journal: true)
    let plan = try StartCheck(reports: [a]).plan([topic(3, isBeingDeleted: true)], brokerID: 1)
    #expect(plan.deletions.map(\.partition) == t(0, 1))
    var other = topic(2)
    other.id = id(8)
    #expect(throws: StartRefusal.self) { try StartCheck(reports: [a]).plan([other], brokerID: 1) }
    #expect(throws: StartRefusal.self) { try StartCheck(reports: [a]).plan([topic(1)], brokerID: 1) }
  }
}
