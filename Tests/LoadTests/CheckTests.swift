import Base
import Histories
import Model
import NIOCore
import Testing
import Wire

@testable import Client
@testable import Load

@Suite("The check of a cluster's promises")
struct CheckTests {
  // MARK: The plan

  @Test("has defaults, and takes its flags")
  func plan() throws {
    let plan = try CheckPlan(arguments: ["--bootstrap-server", "h:9092"])
    #expect((plan.producers, plan.transactional, plan.members, plan.readers) == (2, 2, 3, 2))
    // Four producers with 10.5 records a batch on average: 1000 records/s are 95 batches/s, 23.8 of each.
    #expect(plan.batchIntervalMs == 42)
    let other = try CheckPlan(arguments: [
      "--bootstrap-server=h:1,i:2", "--duration", "2.5", "--transactional", "0", "--throughput=20000", "--json",
    ])
    #expect(other.bootstrapServers == [Endpoint(host: "h", port: 1), Endpoint(host: "i", port: 2)])
    #expect((other.durationSeconds, other.transactional, other.printsJSON) == (2.5, 0, true))
    #expect(other.batchIntervalMs == 1)
    #expect(try CheckPlan(arguments: ["--from-history", "f"]).storedHistory == "f")
  }

  @Test(
    "is refused with a reason",
    arguments: [
      ([], "--bootstrap-server is missing"),
      (["--bootstrap-server", "nowhere"], "--bootstrap-server"),
      (["--bootstrap-server", "h:1", "--produces", "2"], "unknown setting '--produces': do you mean --producers?"),
      (["--bootstrap-server", "h:1", "--producers", "65"], "a number from 0.0 to 64.0"),
      (["--bootstrap-server", "h:1", "--producers", "0", "--transactional", "0"], "nobody sends"),
      (["--bootstrap-server", "h:1", "--record-size", "15"], "a number from 16.0 to 65536.0"),
      (["--bootstrap-server", "h:1", "--from-history", "f"], "--from-history needs no cluster"),
      (["--from-history"], "--from-history needs a value"),
    ])
  func refused(arguments: [String], reason: String) {
    let error = #expect(throws: PlanError.self) { try CheckPlan(arguments: arguments) }
    #expect(error?.description.contains(reason) == true, "\(error?.description ?? "accepted")")
  }

  // MARK: Values

  @Test("names each record in its value, and tells records of others apart")
  func values() {
    let record = RecordID(process: 3, number: 70_000)
    var bytes = [UInt8](repeating: 1, count: 20)
    bytes.withUnsafeMutableBytes { CheckValue.write(record, mark: 9, to: $0) }
    #expect(bytes == [0, 0, 3, 0, 0, 1, 0x11, 0x70, 0, 0, 0, 0, 0, 0, 0, 9, 1, 1, 1, 1])
    bytes.withUnsafeBytes { bytes in
      #expect(CheckValue.read(bytes, mark: 9) == record)
      #expect(CheckValue.read(bytes, mark: 8) == nil)
      #expect(CheckValue.read(UnsafeRawBufferPointer(rebasing: bytes[..<15]), mark: 9) == nil)
    }
    #expect(CheckValue.read(nil, mark: 9) == nil)
  }

  private func batch(_ numbers: [Int], at base: Offset, mark: UInt64) throws -> RecordBatch {
    var builder = RecordBatchBuilder(capacity: 1000)
    var value = [UInt8](repeating: 0, count: 16)
    for number in numbers {
      value.withUnsafeMutableBytes { CheckValue.write(RecordID(process: 3, number: number), mark: mark, to: $0) }
      value.withUnsafeBytes { builder.append(timestamp: 1, key: nil, value: $0) }
    }
    return try RecordBatch(viewing: try builder.finish(baseOffset: base))
  }

  @Test("notes the records of a batch from where reading began, in runs, and counts those of others")
  func polled() throws {
    let recorder = HistoryRecorder(mark: 9, startNs: 0)
    recorder.note(5, polled: try batch([7, 8, 9, 20], at: 100, mark: 9), of: 2, from: 101)
    #expect(
      recorder.history.events.map(\.action) == [
        .poll(
          2,
          [
            RecordRun(offset: 101, first: RecordID(process: 3, number: 8), count: 2),
            RecordRun(offset: 103, first: RecordID(process: 3, number: 20), count: 1),
          ])
      ])
    recorder.note(5, polled: try batch([7, 8], at: 100, mark: 8), of: 2, from: 101)
    recorder.note(5, polled: try batch([7, 8], at: 100, mark: 9), of: 2, from: 102)
    #expect(recorder.history.events.count == 1)
    #expect((recorder.foreignRecords, recorder.damagedBatches) == (1, 0))
    #expect((recorder.newProcess(), recorder.newProcess()) == (1, 2))
  }

  // MARK: Outcomes

  private func delivery(_ attempts: Int, _ result: Result<Offset, ClientError>) -> Delivery {
    Delivery(
      number: 0, partition: 0, records: 1, payloadBytes: 1, plainBytes: 1, sentBytes: 1, intendedNs: [], sentNs: 1,
      doneNs: 2, attempts: attempts, result: result)
  }

  private func refusal(_ code: ErrorCode) -> Result<Offset, ClientError> {
    .failure(.refused(Endpoint(host: "h", port: 1), what: "w", code: code, message: nil))
  }

  @Test("takes a batch for refused only when no attempt of it can have been appended")
  func outcomes() {
    let closed = Result<Offset, ClientError>.failure(.closed(Endpoint(host: "h", port: 1), reason: "gone"))
    #expect(RecordedProducer.outcome(delivery(1, .success(7))) == .ok(7))
    #expect(RecordedProducer.outcome(delivery(2, .success(.unknown))) == .ok(nil))
    #expect(RecordedProducer.outcome(delivery(0, closed)) == .failed)
    #expect(RecordedProducer.outcome(delivery(1, closed)) == .unknown)
    #expect(RecordedProducer.outcome(delivery(1, refusal(.invalidProducerEpoch))) == .failed)
    #expect(RecordedProducer.outcome(delivery(2, refusal(.invalidProducerEpoch))) == .unknown)
    #expect(RecordedProducer.outcome(delivery(1, refusal(.notEnoughReplicasAfterAppend))) == .unknown)
    #expect(RecordedProducer.outcome(delivery(1, refusal(.requestTimedOut))) == .unknown)
  }

  // MARK: The report

  private static let lost = """
    0.000001 1 send 0+2 partition 0
    0.000002 1 sent 0 ok 10
    0.000003 2 assign 0@11
    0.000004 2 poll 0 11=1.1+1
    """

  @Test("reports findings with the events that show them, as text and as JSON")
  func report() throws {
    let report = CheckReport(try History(text: Self.lost))
    #expect(!report.isGood)
    #expect(
      report.summary == """
        lost-write: record 1.0 was acknowledged at offset 10 of partition 0 and nobody has read it, but offset 11
            0.000001 1 send 0+2 partition 0
            0.000002 1 sent 0 ok 10
            0.000004 2 poll 0 11=1.1+1
        history        4 events
        records        2 sent in 1 batches, 2 acknowledged, 1 read
        transactions   0, 0 committed, 0 aborted
        groups         0 assignments, 0 commits
        ANOMALIES: lost-write 1
        """)
    #expect(report.json["good"] == .bool(false))
    #expect(report.json["anomalies"]?.text == #"{"lost-write":1}"#)
    let finding = try #require(report.json["findings"]?.asArray?.first)
    #expect(finding["anomaly"]?.asString == "lost-write")
    #expect(finding["events"]?.asArray?.count == 3)
  }

  @Test("reports a partition that was not read to its end, and is good without findings")
  func unread() throws {
    var report = CheckReport(
      try History(text: Self.lost.replacing("0@11", with: "0@10").replacing("11=1.1+1", with: "10=1.0+2")))
    #expect(report.isGood)
    #expect(report.summary.hasSuffix("no anomaly"))
    report.unfinished = ["a reader"]
    #expect(!report.isGood)
    #expect(report.summary.hasPrefix("a reader was not answered until the patience was over\n"))
    report.unfinished = []
    report.unread = [CheckReport.Unread(partition: 0, to: 12, end: 14)]
    #expect(!report.isGood)
    #expect(
      report.summary.hasPrefix(
        "partition 0 was not read to its end: committed records were read to offset 12 of 14: does a transaction hang?")
    )
    #expect(report.summary.hasSuffix("ANOMALIES: unread partitions 1"))
    #expect(report.json["unread"]?.text == #"[{"partition":0,"read_to":12,"end":14}]"#)
  }
}
