import Base
import Model
import Testing

@testable import Load

/// A server of one queue: records come at random moments and each takes the same time (M/D/1), simulated by Lindley's
/// recursion; what the search would drive, with an answer that can be known.
struct SimulatedServer {
  /// Records a second it can do at the most.
  var capacity: Double
  var seed: UInt64

  /// The p99 of the response time at a rate, in ms.
  func p99(at rate: Double, records: Int = 8000) -> Double {
    var generator = SplitMix(seed: seed)
    let service = 1000 / capacity
    var wait = 0.0
    var responses: [Double] = []
    responses.reserveCapacity(records)
    for _ in 0..<records {
      responses.append(wait + service)
      let gap = -log(Double.random(in: .leastNonzeroMagnitude...1, using: &generator)) * 1000 / rate
      wait = max(0, wait + service - gap)
    }
    responses.sort()
    return responses[Int(0.99 * Double(records))]
  }

  private func log(_ value: Double) -> Double {
    // Natural logarithm by its series around the power of two: the tests need no more than this of mathematics.
    var mantissa = value
    var exponent = 0.0
    while mantissa < 0.75 {
      mantissa *= 2
      exponent -= 1
    }
    let x = (mantissa - 1) / (mantissa + 1)
    var power = x
    var sum = 0.0
    for term in stride(from: 1.0, through: 21, by: 2) {
      sum += power / term
      power *= x * x
    }
    return 2 * sum + exponent * 0.693147180559945309
  }
}

@Suite("The search for the highest sustainable rate")
struct RateSearchTests {
  /// As many service times for every server, so that all are alike but for their speed.
  static func objectiveMs(_ server: SimulatedServer) -> Double { 57 * 1000 / server.capacity }

  /// Drives a search against a server; `disturb` may turn a trial's outcome over, told its number.
  static func outcome(
    _ settings: RateSearch.Settings, server: SimulatedServer, disturb: (Int) -> RateSearch.Trial? = { _ in nil }
  ) -> RateSearch.Outcome {
    var search = RateSearch(settings)
    var trials = 0
    while case .attempt(let rate) = search.next {
      trials += 1
      let honest: RateSearch.Trial = server.p99(at: rate) <= objectiveMs(server) ? .held : .failed
      search.record(disturb(trials) ?? honest)
    }
    guard case .done(let outcome) = search.next else { preconditionFailure("the search did not end") }
    return outcome
  }

  /// Where the objective is really crossed: the same gaps, closer together, only wait longer, so halving finds it.
  static func truth(_ server: SimulatedServer, from low: Double) -> Double {
    var (good, bad) = (low, 2 * server.capacity)
    while bad / good > 1.001 {
      let between = (good * bad).squareRoot()
      if server.p99(at: between) <= objectiveMs(server) { good = between } else { bad = between }
    }
    return good
  }

  @Test("is within its precision of the truth, whatever the server's capacity", arguments: [12_000.0, 57_000, 810_000])
  func finds(capacity: Double) throws {
    let server = SimulatedServer(capacity: capacity, seed: 3)
    let truth = Self.truth(server, from: capacity / 4)
    let found = Self.outcome(.init(low: 1000, high: 10_000_000), server: server)
    let rate = try #require(found.rate)
    #expect(rate <= truth * 1.006 && rate >= truth / 1.06, "\(rate), truth \(truth)")
    #expect(found.confirmations == 2 && found.failedRate ?? 0 > rate)
    #expect(truth < capacity && truth > 0.3 * capacity, "the objective is crossed below the server's end")
  }

  @Test("a neighbour that spoils single trials does not lower the rate")
  func disturbed() throws {
    let server = SimulatedServer(capacity: 57_000, seed: 3)
    let calm = try #require(Self.outcome(.init(low: 1000, high: 10_000_000), server: server).rate)
    for place in 1...12 {
      let found = Self.outcome(.init(low: 1000, high: 10_000_000), server: server) { $0 == place ? .failed : nil }
      #expect(found.rate == calm, "spoilt trial \(place)")
    }
  }

  @Test("a rate that held once by luck is taken back when it does not hold again")
  func luck() throws {
    let server = SimulatedServer(capacity: 57_000, seed: 3)
    let truth = Self.truth(server, from: 10_000)
    var search = RateSearch(.init(low: 1000, high: 10_000_000))
    var luck = true
    while case .attempt(let rate) = search.next {
      // The first trial above the truth holds by luck; no later one does.
      if rate > truth, luck {
        luck = false
        search.record(.held)
      } else {
        search.record(server.p99(at: rate) <= Self.objectiveMs(server) ? .held : .failed)
      }
    }
    guard case .done(let outcome) = search.next else { return }
    let rate = try #require(outcome.rate)
    #expect(!luck && rate <= truth * 1.006 && rate >= truth / 1.3, "\(rate), truth \(truth)")
    #expect(outcome.confirmations == 2)
  }

  @Test("its ends are told: not even the lowest, the upper end, the generator, too many trials")
  func ends() {
    let slow = SimulatedServer(capacity: 300, seed: 1)
    let none = Self.outcome(.init(low: 1000, high: 10_000), server: slow)
    #expect(none.rate == nil && none.reason.contains("lowest") && none.trials == 2)
    let fast = SimulatedServer(capacity: 1e7, seed: 1)
    let all = Self.outcome(.init(low: 1000, high: 5000), server: fast)
    #expect(all.rate == 5000 && all.failedRate == nil && all.reason.contains("upper end"))

    var search = RateSearch(.init(low: 1000, high: 1e6))
    while case .attempt(let rate) = search.next { search.record(rate <= 8000 ? .held : .clientBound) }
    guard case .done(let bound) = search.next else { return }
    #expect(bound.reason.contains("generator") && (bound.rate ?? 0) >= 8000 / 1.05)

    var few = RateSearch.Settings(low: 1000, high: 1e7)
    few.trialsMax = 4
    let cut = Self.outcome(few, server: fast)
    #expect(cut.trials == 4 && cut.reason.contains("most allowed") && cut.confirmations == 0)
  }

  @Test("a trial holds only with records in time and the latency within the objective")
  func judges() throws {
    let plan = try SustainPlan(arguments: ["--null-sink", "--objective-ms", "10"])
    func judge(_ achieved: Double, _ latency: Double?, _ client: Double = 0.3) -> RateSearch.Trial {
      plan.judge(offered: 1000, achieved: achieved, latencyMs: latency, clientShare: client)
    }
    #expect(judge(1000, 9) == .held)
    #expect(judge(1000, 11) == .failed)
    #expect(judge(900, 9) == .failed, "a tenth of the records came too late to count")
    #expect(judge(1000, nil) == .failed, "too few samples for the percentile")
    #expect(judge(900, 50, 0.99) == .clientBound)
  }

  @Test(
    "what cannot be searched is said in words",
    arguments: [
      (["--null-sink"], "--objective-ms is missing"),
      (["--null-sink", "--objective-ms", "0"], "--objective-ms '0' is invalid"),
      (["--null-sink", "--objective-ms", "5", "--throughput", "3"], "set by the search"),
      (["--null-sink", "--objective-ms", "5", "--from", "10"], "fewer than ten records"),
      (["--null-sink", "--objective-ms", "5", "--from", "5000", "--to", "4000"], "is below --from"),
      (["--null-sink", "--objective-ms", "5", "--workload", "consume"], "produce or end-to-end"),
      (["--null-sink", "--objective-ms"], "needs a value"),
      (["--null-sink", "--objective-ms", "5", "--no-curve=false"], "--no-curve takes no value: leave out 'false'"),
      (["--objective-ms", "5"], "--topic is missing"),
    ] as [([String], String)])
  func refusals(arguments: [String], words: String) {
    do throws(PlanError) {
      _ = try SustainPlan(arguments: arguments)
      Issue.record("was accepted")
    } catch {
      #expect(error.description.contains(words), "\(error)")
    }
  }
}
