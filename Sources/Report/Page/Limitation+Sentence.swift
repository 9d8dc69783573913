import Experiment
package import Measure

extension Limitation {
  /// The bottleneck with its figures, in words: `the disk: 460 of the 500 MB/s that it does at the most`.
  package var sentence: String {
    if let told { return told }
    switch bottleneck {
    case .pace: return "its pace: it was asked for no more (\(processors))"
    case .generator, .receiver: return "the \(client): \(Self.core(self[.clientCPU]))"
    case .broker, .mechanism: return "CPU of the \(side.rawValue): \(Self.core(self[.cpu]))"
    case .link:
      let name = self[.mbitPerSecond].map { "a link of \(Figures.text($0)) Mb/s" } ?? "loopback"
      return isBeyond
        ? "the link: \(rate), more than was probed of \(name)" : "the link: \(rate) that \(name) carries at the most"
    case .disk:
      guard let looks = self[.looks] else {
        return isBeyond ? "the disk: \(rate), more than was probed of it" : "the disk: \(rate) that it does at the most"
      }
      return "the disk: a thread of the \(side.rawValue) waited for it in \(share) of \(Figures.text(looks)) looks"
    case .lock:
      return "a lock: a working thread of the \(side.rawValue) waited for another in \(share) of "
        + "\(self[.looks].map { Figures.text($0) } ?? "unknown") looks"
    case .processors:
      let idle = self[.idle].map { "\(Int(($0 * 100).rounded())) % idle" } ?? "hardly idle"
      return "the machine's CPU: \(idle) (\(processors))"
    case .waiting:
      let waiting = self[.roundTripMs].map { "answers that are \(Figures.text($0)) ms away" }
      return "no CPU: \(processors); waiting for \(waiting ?? "disk, wake-ups or each other")"
    case .target:
      return
        "not the load generator (\(Self.core(self[.clientCPU]))): the target or the way to it, which cannot be told "
        + "apart from here"
    }
  }

  private var client: String { side == .broker ? "load generator" : "receiver" }

  private var processors: String {
    "\(side.rawValue) \(Self.core(self[.cpu])), \(client) \(Self.core(self[.clientCPU]))"
  }

  private var rate: String {
    func text(_ figure: Figure) -> String { self[figure].map { Figures.text($0) } ?? "unknown" }
    return isBeyond ? "\(text(.rate)) MB/s" : "\(text(.rate)) of the \(text(.ceiling)) MB/s"
  }

  /// In results of before a passed probe was taken for no ceiling.
  private var isBeyond: Bool {
    guard let rate = self[.rate], let ceiling = self[.ceiling] else { return false }
    return rate > ceiling
  }

  private var share: String { self[.share].map { Figures.percent($0) } ?? "many" }

  private static func core(_ share: Double?) -> String {
    share.map { "\(Int(($0 * 100).rounded())) % of a core" } ?? "unknown"
  }
}
