import Testing

@testable import Measure
@testable import Report

@Suite("Limitations in words")
struct LimitationSentenceTests {
  @Test("each names what was at its end, and how far")
  func sentences() {
    func sentence(
      _ bottleneck: Bottleneck, _ figures: [Limitation.Figure: Double?], of side: Limitation.Side = .broker
    ) -> String {
      Limitation(bottleneck, of: side, figures).sentence
    }
    #expect(sentence(.broker, [.cpu: 0.95]) == "CPU of the broker: 95 % of a core")
    #expect(sentence(.generator, [.clientCPU: 0.97]) == "the load generator: 97 % of a core")
    #expect(sentence(.receiver, [.clientCPU: 0.97], of: .mechanism) == "the receiver: 97 % of a core")
    #expect(
      sentence(.disk, [.rate: 460, .ceiling: 500]) == "the disk: 460 of the 500 MB/s that it does at the most")
    #expect(
      sentence(.disk, [.share: 0.6, .looks: 10])
        == "the disk: a thread of the broker waited for it in 60 % of 10 looks")
    #expect(
      sentence(.lock, [.share: 0.8, .looks: 10])
        == "a lock: a working thread of the broker waited for another in 80 % of 10 looks")
    #expect(
      sentence(.link, [.rate: 5500, .ceiling: 6000])
        == "the link: 5500 of the 6000 MB/s that loopback carries at the most")
    #expect(
      sentence(.link, [.rate: 113, .ceiling: 125, .mbitPerSecond: 1000])
        == "the link: 113 of the 125 MB/s that a link of 1000 Mb/s carries at the most")
    #expect(sentence(.link, [.rate: 4040, .ceiling: 3510]) == "the link: 4040 MB/s, more than was probed of loopback")
    #expect(sentence(.disk, [.rate: 510, .ceiling: 500]) == "the disk: 510 MB/s, more than was probed of it")
    #expect(
      sentence(.processors, [.idle: 0.02, .cpu: 0.6, .clientCPU: 0.6])
        == "the machine's CPU: 2 % idle (broker 60 % of a core, load generator 60 % of a core)")
    #expect(
      sentence(.waiting, [.cpu: 0.3], of: .mechanism)
        == "no CPU: mechanism 30 % of a core, receiver unknown; waiting for disk, wake-ups or each other")
    #expect(sentence(.waiting, [.roundTripMs: 10]).hasSuffix("; waiting for answers that are 10 ms away"))
    #expect(sentence(.pace, [:]).hasPrefix("its pace: it was asked for no more"))
    #expect(sentence(.target, [.clientCPU: 0.4]).hasPrefix("not the load generator (40 % of a core)"))
    #expect(Limitation(.disk, of: .broker, told: "as it was told").sentence == "as it was told")
  }
}
