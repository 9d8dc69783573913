package import ArgumentParser
import Base
import Foundation
package import Measure

/// A bare mechanism as it describes itself: name and options (`ParsableCommand`), cost, ceilings, and the run.
///
/// Each runs in a process of its own (`millrace mechanism NAME`), so that replicates share no heap, no warm branch and no
/// thread. Adding one is a file with a conforming type and a line in `MechanismList.all`; definitions then name it.
package protocol Mechanism: ParsableCommand {
  static var writesIntervals: Bool { get }

  /// Roughly what a run takes, start and end of the process left out.
  static func cost(of run: PricedRun) -> RunCost

  /// What the bytes pass through.
  static func ceilings(isCold: Bool, isSynced: Bool) -> [MachineCeiling]

  /// Runs once, by the options: figures by the names of their metrics, and what else is worth a line.
  func measure() throws -> [String: Any]
}

extension Mechanism {
  package static var writesIntervals: Bool { false }

  package static func ceilings(isCold: Bool, isSynced: Bool) -> [MachineCeiling] {
    [.memoryCopy] + (isCold ? [.sequentialRead] : []) + (isSynced ? [.sequentialWrite] : [])
  }

  package static var description: MechanismDescription {
    MechanismDescription(
      name: configuration.commandName ?? "\(Self.self)", writesIntervals: writesIntervals,
      cost: { cost(of: $0) }, ceilings: { ceilings(isCold: $0, isSynced: $1) })
  }

  /// Prints the figures as one JSON object, the last line of output; `moments` are the seconds and the bytes moved by then.
  package mutating func run() throws {
    var figures = try measure()
    let moments = Progress.shared.moments
    if !moments.isEmpty { figures["moments"] = moments.map { [$0.seconds, Double($0.bytes)] } }
    let data = try JSONSerialization.data(
      withJSONObject: figures, options: [.sortedKeys, .withoutEscapingSlashes])
    StandardStream.output.write(String(decoding: data, as: UTF8.self) + "\n")
  }
}

/// The mechanisms there are.
package enum MechanismList {
  package static let all: [any Mechanism.Type] = [
    RawAppendCommand.self, ReceiveAppendCommand.self, CopyPathCommand.self, CodecCommand.self,
    FalsePositivesCommand.self, BlockIOCommand.self, MessageBatchesCommand.self, LogVsTreeCommand.self,
    MemoryAccessCommand.self, CacheModelCommand.self, PartitionReadCommand.self, TailReadCommand.self,
    ReplicateStreamCommand.self,
  ]

  /// With the trials of a cluster, which definitions name as they name mechanisms.
  package static let descriptions: [MechanismDescription] =
    all.map { $0.description } + ClusterTrial.allCases.map(\.description)
}
