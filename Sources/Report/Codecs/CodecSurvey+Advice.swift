import Experiment
import Verdict

/// What a survey comes to: three lines for whoever has to choose.
extension CodecSurvey {
  package struct Advice: Sendable, Equatable {
    /// Most bytes saved.
    package var smallest: Line
    /// Fewest CPU seconds among those that save anything worth it; nil where none does.
    package var fastest: Line?
    /// Most bytes saved among those that take no more than the budget to compress a gigabyte; nil where none does.
    package var withinBudget: Line?
    /// CPU seconds a gigabyte.
    package var budget: Double
    /// Records compressed together in all three.
    package var batch: Int
  }

  package enum AdviceLimits {
    /// A codec that saves less than a twentieth is not worth its calls.
    package static let ratioMin = 1.05
    /// CPU seconds to compress a gigabyte, where nobody says otherwise: 250 MB/s of one core.
    package static let budget = 4.0
  }

  /// Of one corpus, in the largest batches measured; nil where nothing was.
  package func advice(_ corpus: String, budget: Double) -> Advice? {
    guard let batch = batches.max() else { return nil }
    let here = lines(corpus, batch)
    let saving = here.filter { $0.ratio >= AdviceLimits.ratioMin && $0.subject.codec != "none" }
    guard let smallest = saving.max(by: { $0.ratio < $1.ratio }) ?? here.max(by: { $0.ratio < $1.ratio }) else {
      return nil
    }
    return Advice(
      smallest: smallest, fastest: saving.min { $0.compressCPU.value < $1.compressCPU.value },
      withinBudget: saving.filter { $0.compressCPU.value <= budget }.max { $0.ratio < $1.ratio }, budget: budget,
      batch: batch)
  }
}

extension CodecSurvey.Advice {
  /// Three lines.
  package var text: [String] {
    func words(_ line: CodecSurvey.Line) -> String {
      "\(line.subject.label): \(Figures.times(line.ratio)), "
        + "\(Figures.text(line.compressCPU.value)) CPU-s to compress a GB, \(Figures.text(line.decompressCPU.value)) to unpack it"
    }
    let none = "none: nothing saves a twentieth"
    return [
      "smallest: \(words(smallest))", "fastest: \(fastest.map(words) ?? none)",
      "best within \(Figures.text(budget)) CPU-s a GB: "
        + (withinBudget.map(words) ?? (fastest == nil ? none : "none: nothing is that fast (--cpu-budget)")),
    ]
  }
}
