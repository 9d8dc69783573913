import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Measure
@testable import Results
@testable import Verdict

@Suite("Brokers in a definition")
struct BrokersTests {
  private static let drivers = DriverFiles(experiments: Synthetic.directory)

  private func broker(_ name: String, _ version: String? = nil) throws -> BrokerUnderTest {
    BrokerUnderTest(driver: try Self.drivers.read(name), directory: "/opt/\(name)", version: version)
  }

  private func versus(_ brokers: [BrokerUnderTest]?) throws -> Experiment {
    try Synthetic.experiment("17-versus").changed(by: RunChanges(brokers: brokers))
  }

  @Test("without a broker named, a comparison runs Millrace alone, decides nothing, and says what to give")
  func alone() throws {
    let alone = try versus(nil)
    #expect(alone.factor(named: "broker")?.levels == ["millrace"] && alone.brokers == [.own])
    #expect(alone.verdicts.map(\.name) == ["starts"] && alone.verdicts.allSatisfy { !$0.decides })
    #expect(alone.caveats.last?.contains("--broker NAME=DIR") == true)
    #expect(Matrix(alone).cells.count == 6 + 2 + 2 + 2 + 2)
    #expect(!alone.isInAll, "it would run with all others")
  }

  @Test("each broker is a level with its version, and each rule is asked once for each that is not Millrace")
  func sides() throws {
    let both = try versus([try broker("kafka", "3.9.1"), .own, try broker("kafka-kraft", "4.1.0")])
    #expect(both.factor(named: "broker")?.levels == ["kafka 3.9.1", "millrace", "kafka-kraft 4.1.0"])
    let rates = both.verdicts.filter { $0.metric == "records_per_s" && $0.test.arms == ["produce"] }
    #expect(rates.map(\.name) == ["rate-kafka", "rate-kafka-kraft"])
    #expect(rates[0].test.levels == [Setting(name: "broker", value: "millrace")])
    #expect(rates[0].baseline.levels == [Setting(name: "broker", value: "kafka 3.9.1")])
    #expect(rates[0].meaning == "Millrace takes at least as many records a second as Apache Kafka 3.9.1")
    #expect(both.arm(named: "produce-again")?.only.first { $0.name == "broker" }?.levels == ["millrace"])
    let cell = try #require(Matrix(both).cells.first { $0.level(of: "broker") == "kafka 3.9.1" })
    #expect(both.broker(at: cell).directory == "/opt/kafka")
    #expect(both.foreignBroker == nil, "the result is of several")
  }

  @Test("without Millrace the first that was named is held against the others, with an A/A arm of its own")
  func others() throws {
    let pair = try versus([try broker("kafka", "3.9.1"), try broker("kafka-kraft", "4.1.0")])
    #expect(pair.verdicts.first?.test.levels.first?.value == "kafka 3.9.1")
    #expect(pair.verdicts.first?.name == "rate-kafka-kraft")
    #expect(pair.arm(named: "produce-again")?.only.first { $0.name == "broker" }?.levels == ["kafka 3.9.1"])
  }

  @Test("a broker in memory promises nothing, and says so")
  func inMemory() throws {
    let pair = try versus([try broker("tansu", "0.6.0"), .own])
    let produce = try #require(pair.arm(named: "produce"))
    func durability(_ level: Level) throws -> Durability {
      let cell = try #require(Matrix(pair).cells.first { $0.arm == "produce" && $0.level(of: "broker") == level })
      return pair.durability(of: produce, at: cell)
    }
    #expect(try durability("tansu 0.6.0") == .nothing)
    #expect(try durability("millrace") == .pageCache)
    #expect(pair.caveats.contains { $0.contains("Tansu (in memory) 0.6.0 keeps everything in memory") })
  }

  @Test(
    "any other experiment runs with one broker in Millrace's place, on rows that name it, and leaves out its switches")
  func replaced() throws {
    let kafka = try broker("kafka", "3.9.1")
    let definition = try Synthetic.experiment("11-zero-copy")
    func changed(_ brokers: [BrokerUnderTest]) throws -> Experiment {
      try definition.changed(by: RunChanges(brokers: brokers))
    }
    #expect(throws: RunChangesError.self) { try changed([kafka, .own]) }
    #expect(try changed([.own]) == definition, "Millrace runs anyway")
    let volume = try Synthetic.experiment("06-throughput-over-volume").changed(by: RunChanges(brokers: [kafka]))
    #expect(volume.factor(named: "broker")?.levels == ["kafka 3.9.1"] && volume.foreignBroker == kafka)
    for cell in Matrix(volume).cells {
      let isBare = volume.arm(named: cell.arm)?.tier == .bare
      #expect(cell.level(of: "broker") == (isBare ? nil : "kafka 3.9.1"), "\(cell)")
    }
    let left = definition.arms.filter { definition.obstacle(to: $0, with: kafka) != nil }
    #expect(
      !left.isEmpty
        && left.allSatisfy { arm in arm.broker?.settings.contains { $0.name.hasPrefix("millrace.") } == true })
    #expect(left.allSatisfy { definition.obstacle(to: $0, with: .own) == nil })
  }

  @Test("a stored result names its brokers, whatever lies in their directories now")
  func stored() throws {
    let changes = RunChanges(brokers: [try broker("kafka", "3.9.1"), .own])
    let data = try JSONEncoder().encode(changes)
    #expect(try JSONDecoder().decode(RunChanges.self, from: data) == changes)
    #expect(try JSONDecoder().decode(RunChanges.self, from: Data("{}".utf8)) == RunChanges())
  }

  @Test("a comparison of brokers cannot be aimed at a cluster that runs already")
  func target() throws {
    #expect {
      try Synthetic.experiment("17-versus").changed(
        by: RunChanges(target: Target(address: "127.0.0.1:9092", isLocal: true)))
    } throws: { "\($0)".contains("--broker") }
  }

  @Test("a verdict names the broker that it compares with, and the table has a line for each load and broker")
  func judged() throws {
    let both = try versus([try broker("kafka", "3.9.1"), .own]).under(.quick)
    var order = 0
    let rows = Matrix(both).cells.flatMap { cell -> [Row] in
      let isOwn = cell.level(of: "broker") == "millrace"
      return (1...5).map { replicate in
        defer { order += 1 }
        let levels = Dictionary(uniqueKeysWithValues: zip(cell.factors, cell.levels))
        return Row(
          order: order, replicate: replicate, arm: cell.arm, tier: .endToEnd,
          role: both.arm(named: cell.arm)?.role ?? .test, startedAt: "2026-01-01T00:00:00Z", levels: levels,
          metrics: [
            "records_per_s": (isOwn ? 200_000 : 100_000) + Double(replicate), "cpu_s_per_gb": isOwn ? 1 : 4,
            "rss_mib": isOwn ? 20 : 900, "start_ms": isOwn ? 30 : 4000, "end_to_end_p99_ms": isOwn ? 1 : 9,
          ])
      }
    }
    let verdict = Verdict.judge(both, rows: rows, under: Fixture.calm)
    let rate = try #require(verdict.findings.first { $0.rule == "rate-kafka" })
    #expect(rate.outcome == .supported && rate.sentence.contains("that of kafka 3.9.1"), "\(rate.sentence)")
    #expect(verdict.outcome == .supported)
  }
}
