import DiskSupport
import Dispatch
import Logging
import Model
import NIOEmbedded
import Storage
import Synchronization
import Testing
import Wire

@testable import Broker

/// The real disk, but for syncs of segments, which wait until they may.
private final class StagedDisk: ForwardingDisk {
  let real = RealDisk()
  let begun = DispatchSemaphore(value: 0)
  let gate = DispatchSemaphore(value: 0)

  final class File: ForwardingFile {
    let real: any DiskFile
    let disk: StagedDisk
    init(_ real: any DiskFile, _ disk: StagedDisk) {
      self.real = real
      self.disk = disk
    }
    func sync() throws(DiskError) {
      disk.begun.signal()
      disk.gate.wait()
      try real.sync()
    }
  }

  func open(_ path: String, creating: Bool) throws(DiskError) -> any DiskFile {
    let file = try real.open(path, creating: creating)
    return path.hasSuffix(".log") ? File(file, self) : file
  }
}

@Suite("A topic that is deleted while it is flushed")
struct FlushDeletionTests {
  @Test("is unknown to its producers, and nothing is wrong: no line above debug", arguments: [true, false])
  func deleted(isDeleted: Bool) throws {
    try withDirectory { directory in
      let disk = StagedDisk()
      let name = TopicPartition("t", 0)
      let log = try Log.create(
        disk: disk, directory: "\(directory)/t-0", partition: name, topicID: nil, config: LogConfig(), nowMs: 1)
      let partition = Partition(
        name, topicID: TopicID(high: 7, low: 9), log: log, directory: nil, brokerID: 1, replicas: [1],
        leaderEpoch: 0)
      _ = try partition.append(try RecordBatch(viewing: Batches.of(["a"])), forAllInSync: true, nowMs: 1)
      let lines = CapturedLog()
      let offload = RealOffload()
      defer { offload.stop() }
      let flusher = Flusher(
        offload: offload, log: Logger(label: "test") { _ in lines.handler }, nowMs: { 1 },
        loop: EmbeddedEventLoop())
      let answers = Mutex<[Flusher.Failures]>([])
      let done = DispatchSemaphore(value: 0)
      flusher.flush([partition]) { failures in
        answers.withLock { $0.append(failures) }
        done.signal()
      }
      try #require(disk.begun.wait(timeout: .now() + 60) == .success)
      _ = partition.retire(deleted: isDeleted)
      try RealDisk().rename("\(directory)/t-0", to: "\(directory)/t-0.gone")
      disk.gate.signal()
      try #require(done.wait(timeout: .now() + 60) == .success)
      #expect(
        answers.withLock { $0 } == [[name: isDeleted ? ErrorCode.unknownTopicOrPartition : .kafkaStorageError]])
      #expect(lines.all.count { $0.contains("error") } == (isDeleted ? 0 : 1), "\(lines.all)")
    }
  }

  @Test("answers every produce with success or an unknown topic, whenever the deletion comes")
  func race() throws {
    try withBroker(["millrace.flush.before.ack": "true", "auto.create.topics.enable": "false"]) { broker in
      let client = try broker.connect(), other = try broker.connect()
      var seen: Set<ErrorCode> = []
      for round in 0..<15 {
        try client.createTopic("t\(round)", partitions: 2)
        let ids = try (0..<24).map { index in
          try client.send(
            ProduceRequest.producing(Batches.of(["\(index)"]), to: "t\(round)", Int32(index % 2), acks: 1), version: 9)
        }
        var delete = DeleteTopicsRequest()
        delete.topicNames = ["t\(round)"]
        _ = try other.ask(delete, version: 4)
        for id in ids {
          let answer = try client.receive(ProduceRequest.self, version: 9, correlationID: id)
          seen.insert(answer.responses[0].partitionResponses[0].errorCode)
        }
      }
      #expect(seen.isSubset(of: [.none, .unknownTopicOrPartition]), "\(seen)")
      #expect(!broker.lines.all.contains { $0.contains("flush failed") }, "\(broker.lines.all)")
    }
  }
}
