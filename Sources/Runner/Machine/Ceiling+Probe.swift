import Load
import Mechanisms
package import Verdict

extension Ceiling {
  /// Probes now; `directory` is on the disk that the campaign uses.
  package static func probe(directory: String, seed: UInt64) -> Ceiling {
    let records = Corpus.json.sample(count: 640, recordSize: 400, seed: seed)
    let found = CeilingProbe(directory: directory, seed: seed, records: records).run()
    return Ceiling(
      figures: found.figures, obstacles: found.obstacles, congestionControl: found.congestionControl,
      seconds: found.seconds)
  }
}
