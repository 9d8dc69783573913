import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Runner

@Suite("Progress of a campaign")
struct ProgressTests {
  private func moments() throws -> [Campaign.Progress.Moment] {
    let scratch = try Scratch()
    let experiment = try Sample.experiment()
    var moments: [Campaign.Progress.Moment] = []
    var campaign = Campaign(
      experiment: experiment, results: try CampaignTests.results(scratch.path + "/run", experiment),
      runner: FakeRunner(log: FakeRunner.Log()), world: CampaignTests.world(note: { moments.append($0.moment) }))
    _ = try campaign.run(CampaignTests.order(experiment))
    return moments
  }

  @Test("tells each cell's median and how wide its interval is, from its second run on")
  func width() throws {
    var told: [String: [String]] = [:]
    for case .finished(let cell, let figure) in try moments() { told[cell, default: []].append(figure) }
    #expect(!told.isEmpty)
    for (cell, figures) in told {
      #expect(figures.count > 1 && !figures[0].contains("median"), "\(cell): \(figures)")
      for (place, figure) in figures.enumerated().dropFirst() {
        #expect(
          figure.contains(", median ") && figure.contains("±") && figure.hasSuffix("of \(place + 1)"), "\(figure)")
      }
    }
  }

  @Test("tells a warning once, however many runs have it")
  func warnings() throws {
    var told: [String] = []
    for case .warned(_, let warning) in try moments() { told.append(warning) }
    #expect(told == ["one, with a comma", "two"])
  }
}
