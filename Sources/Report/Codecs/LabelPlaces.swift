import Glibc

/// Finds places for labels beside points on logarithmic axes, so that none overprints another or a point; a label for which there is no
/// place is left out. Pure geometry, in pixels of a panel.
struct LabelPlaces {
  struct Label: Equatable {
    var text: String
    /// In the axes' own values.
    var x: Double, y: Double
    /// gnuplot's word for where the label's text lies from there.
    var side: String
    /// Of the point it belongs to, among those given.
    var point: Int
  }

  /// Of the panel.
  let width: Double, height: Double
  let x: ClosedRange<Double>, y: ClosedRange<Double>

  private enum Font {
    /// A character of the labels' font, and a line of it.
    static let character = 6.2, line = 10.0
    /// From a point to its label, and what a point takes itself.
    static let gap = 6.0, point = 4.0
  }

  private struct Box {
    var left: Double, right: Double, bottom: Double, top: Double

    func meets(_ other: Box) -> Bool {
      left < other.right && other.left < right && bottom < other.top && other.bottom < top
    }
  }

  /// The first points have the first choice.
  func labels(_ points: [(text: String, x: Double, y: Double)]) -> [Label] {
    let places = points.map { (x: across($0.x), y: up($0.y)) }
    let marks = places.map {
      Box(left: $0.x - Font.point, right: $0.x + Font.point, bottom: $0.y - Font.point, top: $0.y + Font.point)
    }
    var taken: [Box] = []
    return points.indices.compactMap { index -> Label? in
      let (text, place) = (points[index].text, places[index])
      guard !text.isEmpty else { return nil }
      let wide = Font.character * Double(text.count)
      for (dx, dy, side) in choices {
        let (atX, atY) = (place.x + dx, place.y + dy)
        let left = side == "left" ? atX : side == "right" ? atX - wide : atX - wide / 2
        let box = Box(left: left, right: left + wide, bottom: atY - Font.line / 2, top: atY + Font.line / 2)
        let isFree =
          !taken.contains { $0.meets(box) } && !marks.indices.contains { $0 != index && marks[$0].meets(box) }
        guard isFree, box.left >= 0, box.right <= width, box.bottom >= 0, box.top <= height else { continue }
        taken.append(box)
        return Label(text: text, x: value(atX, width, x), y: value(atY, height, y), side: side, point: index)
      }
      return nil
    }
  }

  private var choices: [(Double, Double, String)] {
    let (near, far) = (Font.gap, Font.gap + Font.line)
    return [
      (near, 0, "left"), (near, near, "left"), (near, -near, "left"), (-near, 0, "right"), (-near, near, "right"),
      (-near, -near, "right"), (0, far, "center"), (0, -far, "center"), (near, far, "left"), (near, -far, "left"),
      (-near, far, "right"), (-near, -far, "right"),
    ]
  }

  private func across(_ value: Double) -> Double {
    width * log(value / x.lowerBound) / log(x.upperBound / x.lowerBound)
  }
  private func up(_ value: Double) -> Double { height * log(value / y.lowerBound) / log(y.upperBound / y.lowerBound) }

  private func value(_ pixels: Double, _ size: Double, _ range: ClosedRange<Double>) -> Double {
    range.lowerBound * pow(range.upperBound / range.lowerBound, pixels / size)
  }
}
