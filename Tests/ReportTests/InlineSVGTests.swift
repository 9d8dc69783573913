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
        + ##"<path stroke="#444444" d="M88.4,396l-6.3-395.5"/>"##
        + ##"<text x="72.3" y="400.6" fill="#222222" text-anchor="end">12.34 &amp; more"##
        + "</text>"
        + ##"<g stroke-width="2.2"><polygon fill="#0072b2" points="132.4,396 200,396 200,13"/>"##
        + ##"<use href="#w3-0" transform="translate(182.3,241.6) scale(3.9)" color="#d55e00"/>"##
        + #"<circle class="h" cx="169.8" cy="356.7" r="6.3"><title>a, 1: 1.538 [1.471, 2.144], n = 7</title></circle>"#
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
      + ##"d="M10,21h0m1,9h0m1,10h0"/>"##
    let wide = InlineSVG.embed(runs, title: "", prefix: "w")
    #expect(wide.contains(path) && !wide.contains("<use"), "\(wide)")
    let narrow = InlineSVG.embed(runs, title: "", prefix: "n", runs: false)
    #expect(!narrow.contains("h0") && !narrow.contains("<use") && narrow.contains("12.34 &amp; more"), "\(narrow)")
    let medians = InlineSVG.embed(circles(radius: 4), title: "", prefix: "n", runs: false)
    #expect(medians.contains("M10.2,20.7h0m1.2,9.4h0m.6,9.9h0"), "\(medians)")
    #expect(InlineSVG.embed("<svg><g>", title: "", prefix: "") == "", "cut off")
    // A chart's file may have been altered: no number in it ends the program.
    for number in [String(repeating: "9", count: 400), "99999999999999999999.5", "-1", "1.1.1", "-"] {
      let altered = runs.replacing("10.2,", with: "\(number),").replacing("396.01", with: number)
      #expect(!InlineSVG.embed(altered, title: "", prefix: "w").isEmpty, "\(number)")
    }
  }

  @Test(
    "every chart of a definition keeps its hover values, texts, lines and marks in two fifths of its size, and every reference its target",
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
    #expect(after * 5 <= before * 2, "\(after) of \(before) bytes")
  }

  private func checkTexts(_ page: String, _ svg: String, _ name: String) {
    func titles(_ text: String) -> [Substring] { text.matches(of: #/<title>([^<]+)</#).map(\.output.1) }
    func texts(_ text: String) -> [Substring] {
      text.matches(of: #/<text[^>]*>([^<]*)</#).map(\.output.1).filter { !$0.isEmpty }
    }
    let values = svg.matches(of: #/<g><title>([^<]*)</#).map(\.output.1)
    #expect(titles(page) == values && !page.contains("gnuplot"), "\(name)")
    #expect(texts(page) == texts(svg), "\(name)")
    #expect(
      page.ranges(of: ") rotate(270").count == svg.matches(of: #/\) rotate\(270(?:.0+)?/#).count,
      "\(name): titles of axes")
    // Without a mark under the pointer a hover text has no place.
    #expect(page.matches(of: #/<circle [^>]*><title>/#).count == values.count, "\(name)")
    #expect(!page.contains("=\"'"), "\(name): quotes within quotes")
    let ids = Set(page.matches(of: #/ id="([^"]*)"/#).map(\.output.1))
    let wanted = Set(page.matches(of: #/(?:href="#|url\(#)([^")]*)/#).map(\.output.1))
    #expect(ids == wanted, "\(name)")
  }

  private func checkMarks(_ page: String, _ svg: String, _ name: String) {
    func marks(_ shape: String, _ text: String) -> Int {
      text.split(separator: "<\(shape) ").dropFirst().count { !$0.prefix { $0 != ">" }.contains("id=") }
    }
    #expect(marks("polygon", page) == marks("polygon", svg), "\(name)")
    // What has a hover text is a circle, and runs of dots are one path, in which equal ones are one.
    let joined = page.ranges(of: "h0").count + page.matches(of: #/<circle [^>]*><title>/#).count
    let places = svg.matches(of: #/<use xlink:href='#gpPt6'[^>]*translate\(([\d.]+),([\d.]+)\)/#).map { place in
      [place.output.1, place.output.2].map { Double($0)?.rounded() }
    }
    let twins = places.count - Set(places).count
    #expect((marks("use", svg) - twins...marks("use", svg)).contains(marks("use", page) + joined), "\(name)")
    let kept = lines(page).filter { $0.count > 1 }
    for line in lines(svg) where line.count > 1 {
      #expect(kept.contains { isDrawn(line, by: $0) }, "\(name): a line from \(line[0]) to \(line[line.count - 1])")
    }
  }

  private struct Place: Equatable {
    var x: Double, y: Double

    /// To the nearest point of a line.
    func distance(to line: [Place]) -> Double {
      zip(line, line.dropFirst()).map { a, b in
        let (dx, dy) = (b.x - a.x, b.y - a.y)
        let square = dx * dx + dy * dy
        let share = square > 0 ? min(max(((x - a.x) * dx + (y - a.y) * dy) / square, 0), 1) : 0
        let (px, py) = (x - a.x - share * dx, y - a.y - share * dy)
        return (px * px + py * py).squareRoot()
      }.min() ?? .infinity
    }
  }

  /// Ends at the same places, and no point of it more than half a pixel away.
  private func isDrawn(_ line: [Place], by other: [Place]) -> Bool {
    guard let first = line.first, let last = line.last, let begin = other.first, let end = other.last,
      abs(first.x - begin.x) < 0.11, abs(first.y - begin.y) < 0.11, abs(last.x - end.x) < 0.11,
      abs(last.y - end.y) < 0.11
    else { return false }
    return line.allSatisfy { $0.distance(to: other) < 0.5 }
  }

  /// The lines of all paths outside of definitions, from absolute and relative commands.
  private func lines(_ svg: String) -> [[Place]] {
    svg.replacing(#/(?s)<defs>.*?</defs>/#, with: "").matches(of: #/<path [^>]* d=["']([^"']*)/#).flatMap { path in
      var lines: [[Place]] = []
      var place = Place(x: 0, y: 0)
      for part in path.output.1.matches(of: #/([MLmlhv])([^MLmlhv]*)/#) {
        let command = part.output.1
        var numbers = part.output.2.matches(of: #/-?(?:\d+(?:\.\d+)?|\.\d+)/#).compactMap { Double($0.output) }[...]
        while let first = numbers.popFirst() {
          switch command {
          // The `h0` of a dot goes nowhere.
          case "h" where first == 0: continue
          case "h": place.x += first
          case "v": place.y += first
          case "m", "l": (place.x, place.y) = (place.x + first, place.y + (numbers.popFirst() ?? .nan))
          default: (place.x, place.y) = (first, numbers.popFirst() ?? .nan)
          }
          if command == "M" || command == "m" { lines.append([place]) } else { lines[lines.count - 1].append(place) }
        }
      }
      return lines
    }
  }
}
