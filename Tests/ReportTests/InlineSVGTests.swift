import Foundation
import Testing

@testable import Experiment
@testable import LabFixtures
@testable import Report
@testable import Results

@Suite("Charts within the page")
struct InlineSVGTests {
  private static let drawn = """
    <?xml version="1.0" encoding="utf-8"  standalone="no"?>
    <svg
     viewBox="0 0 960 564"
     xmlns="http://www.w3.org/2000/svg"
     xmlns:xlink="http://www.w3.org/1999/xlink"
    >
    <title>Gnuplot</title>
    <desc>Produced by GNUPLOT</desc>
    <g id="gnuplot_canvas">
    <rect x="0" y="0" width="960" height="564" fill="#ffffff"/>
    <defs>
    	<circle id='gpDot' r='0.5' stroke-width='0.5' stroke='currentColor'/>
    	<circle id='gpPt5' stroke-width='0.190' stroke='currentColor' cx='0' cy='0' r='1'/>
    	<use xlink:href='#gpPt5' id='gpPt6' fill='currentColor' stroke='none'/>
    </defs>
    <g fill="none" color="black" stroke="currentColor" stroke-width="1.00" stroke-linecap="butt" stroke-linejoin="miter">
    </g>
    <g fill="none" color="black" stroke="currentColor" stroke-width="1.00" stroke-linecap="butt" stroke-linejoin="miter">
    	<path stroke='rgb( 68,  68,  68)'  d='M88.39,396.01 L82.09,0.50  '/>	<g transform="translate(72.30,400.56)" stroke="none" fill="rgb(34,34,34)" font-family="DejaVu Sans" font-size="14.00"  text-anchor="end">
    		<text>12.34 &amp; more</text>
    	</g>
    </g>
    	<g id="gnuplot_plot_1a" ><title>gnuplot_plot_1a</title>
    <g fill="none" color="black" stroke="currentColor" stroke-width="2.20" stroke-linecap="butt" stroke-linejoin="miter">
    	<polygon fill = 'rgb(0, 114, 178)' points = '132.44,396.01 200,396.01 200,12.99'/>
    	<use xlink:href='#gpPt6' transform='translate(182.34,241.64) scale(3.94)' color='rgb(213,  94,   0)'/>
    	<g><title>a, 1: 1.538 [1.471, 2.144], n = 7</title>
    	<use xlink:href='#gpPt5' transform='translate(169.82,356.67) scale(6.30)' color='rgb(204, 121, 167)' opacity='0.00'/></g>
    </g>
    	</g>
    </g>
    </svg>
    """

  @Test("what every group says is said once, and numbers of texts are kept to the letter")
  func small() {
    #expect(
      InlineSVG.embed(Self.drawn, title: "A \"chart\" <1>", prefix: "w3-")
        == #"<svg role="img" aria-label="A &quot;chart&quot; &lt;1>" viewBox="0 0 960 564" fill="none" color="black" "#
        + #"stroke="currentColor"><defs><circle id="w3-1" stroke-width="0.19" stroke="currentColor" cx="0" cy="0" r="1"/>"#
        + ##"<use href="#w3-1" id="w3-0" fill="currentColor" stroke="none"/></defs>"##
        + ##"<path stroke="#444444" d="M88.4,396 L82.1,0.5"/>"##
        + ##"<text x="72.3" y="400.6" fill="#222222" text-anchor="end">12.34 &amp; more"##
        + "</text>"
        + ##"<g stroke-width="2.2"><polygon fill="#0072b2" points="132.4,396 200,396 200,13"/>"##
        + ##"<use href="#w3-0" transform="translate(182.3,241.6) scale(3.9)" color="#d55e00"/>"##
        + #"<g><title>a, 1: 1.538 [1.471, 2.144], n = 7</title><circle class="h" cx="169.8" cy="356.7" r="6.3"/></g>"#
        + "</g></svg>")
    #expect(InlineSVG.embed("no chart", title: "", prefix: "") == "")
  }

  /// Three filled circles of a radius, in one group.
  private func circles(radius: Double) -> String {
    let circle =
      "<use xlink:href='#gpPt6' transform='translate(182.34,241.64) scale(3.94)' color='rgb(213,  94,   0)'/>"
    let many = [(10.2, 20.7), (11.4, 30.1), (12.0, 40.0)].map { x, y in
      "<use xlink:href='#gpPt6' transform='translate(\(x),\(y)) scale(\(radius))' color='rgb(0,114,178)' opacity='0.56'/>"
    }
    return Self.drawn.replacing(circle, with: many.joined(separator: "\n"))
  }

  @Test("single runs are one path of round dots, and are left out where there is no room; medians' marks stay")
  func dots() {
    let runs = circles(radius: 1.8)
    let path =
      ##"<path stroke="#0072b2" stroke-width="3.6" stroke-linecap="round" opacity="0.56" "##
      + ##"d="M10,21h0M11,30h0M12,40h0"/>"##
    let wide = InlineSVG.embed(runs, title: "", prefix: "w")
    #expect(wide.contains(path) && !wide.contains("<use"), "\(wide)")
    let narrow = InlineSVG.embed(runs, title: "", prefix: "n", runs: false)
    #expect(!narrow.contains("h0") && !narrow.contains("<use") && narrow.contains("12.34 &amp; more"), "\(narrow)")
    let medians = InlineSVG.embed(circles(radius: 4), title: "", prefix: "n", runs: false)
    #expect(medians.contains("M10.2,20.7h0M11.4,30.1h0M12,40h0"), "\(medians)")
    #expect(InlineSVG.embed("<svg><g>", title: "", prefix: "") == "", "cut off")
  }

  @Test(
    "every chart of a definition keeps its hover values, texts and marks in half of its size, and every reference its target",
    arguments: Synthetic.stems)
  func kept(stem: String) throws {
    let scratch = try ScratchDirectory("kept")
    let result = try Synthetic.store(stem, .standard, in: scratch.path)
    let charts = try Chart.draw(result, into: "\(scratch.path)/plots")
    try #require(!charts.isEmpty)
    var (before, after) = (0, 0)
    for name in charts.flatMap({ ["\($0.stem).svg", "\($0.stem)-narrow.svg"] }) {
      let svg = try #require(SmallFile.read("\(scratch.path)/plots/\(name)"))
      let page = InlineSVG.embed(svg, title: "A chart", prefix: "p-")
      before += svg.utf8.count
      after += page.utf8.count
      checkTexts(page, svg, name)
      checkMarks(page, svg, name)
      let phone = InlineSVG.embed(svg, title: "A chart", prefix: "p-", runs: false)
      checkTexts(phone, svg, "\(name), without runs")
      #expect(phone.utf8.count <= page.utf8.count)
    }
    #expect(after * 2 <= before, "\(after) of \(before) bytes")
  }

  private func checkTexts(_ page: String, _ svg: String, _ name: String) {
    func titles(_ text: String) -> [Substring] { text.matches(of: #/<g><title>([^<]*)</#).map(\.output.1) }
    func texts(_ text: String) -> [Substring] {
      text.matches(of: #/<text[^>]*>([^<]*)</#).map(\.output.1).filter { !$0.isEmpty }
    }
    #expect(titles(page) == titles(svg) && !page.contains("gnuplot"), "\(name)")
    #expect(page.ranges(of: "<title>").count == titles(svg).count, "\(name): a title that is no value")
    #expect(texts(page) == texts(svg), "\(name)")
    #expect(
      page.ranges(of: ") rotate(270").count == svg.matches(of: #/\) rotate\(270(?:.0+)?/#).count,
      "\(name): titles of axes")
    // Without a mark under the pointer a hover text has no place.
    #expect(page.ranges(of: "<circle class=\"h\"").count == page.ranges(of: "<g><title>").count, "\(name)")
    #expect(!page.contains("=\"'"), "\(name): quotes within quotes")
    let ids = Set(page.matches(of: #/ id="([^"]*)"/#).map(\.output.1))
    let wanted = Set(page.matches(of: #/(?:href="#|url\(#)([^")]*)/#).map(\.output.1))
    #expect(ids == wanted, "\(name)")
  }

  private func checkMarks(_ page: String, _ svg: String, _ name: String) {
    func marks(_ shape: String, _ text: String) -> Int {
      text.split(separator: "<\(shape) ").dropFirst().count { !$0.prefix { $0 != ">" }.contains("id=") }
    }
    let dots = page.matches(of: #/ d="(?:M[0-9.,]+h0)+"/#)
    #expect(marks("polygon", page) == marks("polygon", svg), "\(name)")
    #expect(marks("path", page) - dots.count == marks("path", svg), "\(name)")
    // What has a hover text is a circle, and runs of dots are one path.
    let joined = page.ranges(of: "h0").count + page.ranges(of: "<circle class=\"h\"").count
    #expect(marks("use", page) + joined == marks("use", svg), "\(name)")
  }
}
