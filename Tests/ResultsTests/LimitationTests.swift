import Testing

@testable import Measure
@testable import Results

@Suite("Limitations in rows")
struct LimitationTests {
  @Test("every bottleneck reads back as written, with figures to four digits", arguments: Bottleneck.allCases)
  func cells(bottleneck: Bottleneck) {
    var figures: [Limitation.Figure: Double?] = [:]
    for (place, figure) in Limitation.Figure.allCases.enumerated() { figures[figure] = 12_345.678 / Double(place + 1) }
    for side in Limitation.Side.allCases {
      for limitation in [Limitation(bottleneck, of: side, figures), Limitation(bottleneck, of: side)] {
        #expect(Limitation(cell: limitation.cell) == limitation, "\(limitation.cell)")
      }
    }
    #expect(
      Limitation(.link, of: .broker, [.rate: 113.04, .ceiling: 125, .mbitPerSecond: 1000]).cell
        == "link side=broker rate=113 ceiling=125 mbit_per_s=1000")
  }

  @Test("a sentence of an older result keeps its words and gets its bottleneck")
  func told() {
    let sentences: [(String, Bottleneck, Limitation.Side)] = [
      ("CPU of the mechanism: 99 % of a core", .mechanism, .mechanism),
      (
        "no CPU: broker 39 % of a core, load generator 46 % of a core; waiting for disk, wake-ups or each other",
        .waiting,
        .broker
      ),
      ("the load generator: 93 % of a core", .generator, .broker),
      ("the link: 118 of the 125 MB/s that a link of 1000 Mb/s carries at the most", .link, .mechanism),
      ("the disk: a thread of the broker waited for it in 60 % of 10 looks", .disk, .broker),
      ("its pace: it was asked for no more (mechanism 12 % of a core, receiver unknown)", .pace, .mechanism),
    ]
    for (sentence, bottleneck, side) in sentences {
      let found = Limitation(cell: sentence)
      #expect(found?.bottleneck == bottleneck && found?.side == side && found?.cell == sentence, "\(sentence)")
    }
  }

  @Test(
    "a cell that is neither is refused",
    arguments: ["CPU", "link", "link side=nobody", "link side=broker speed=3", "link side=broker rate=fast"])
  func refused(cell: String) {
    #expect(Limitation(cell: cell) == nil)
  }
}
