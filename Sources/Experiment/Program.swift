extension Arm {
  /// A mechanism alone: a subprocess whose last line of output is one JSON object.
  package enum Mechanism: String, Sendable, CaseIterable {
    case rawAppend = "raw-append"
    case receiveAppend = "receive-append"
    case copyPath = "copy-path"
    case codec
    case blockIO = "block-io"
    case memoryAccess = "memory-access"
    case cacheModel = "cache-model"
    case logVsTree = "log-vs-tree"
    case partitionRead = "partition-read"
    case tailRead = "tail-read"
    case messageBatches = "message-batches"
    /// A/A comparisons of synthetic or measured rows: how many are called differences.
    case falsePositives = "false-positives"
  }

  /// A load that runs until it has done what it was asked for, or is stopped.
  package enum Flow: String, Sendable, CaseIterable {
    case produce, consume
    case endToEnd = "end-to-end"
  }

  /// What the load generator is asked for while measuring.
  package enum Load: Sendable, Equatable {
    case flow(Flow)
    /// The highest rate under a latency objective, and the latency below it.
    case sustain

    package static let all = Flow.allCases.map(Load.flow) + [.sustain]

    /// The generator's own word for it.
    package var verb: String {
      switch self {
      case .flow(let flow): flow.rawValue
      case .sustain: "sustain"
      }
    }

    package static let produce = Load.flow(.produce)
    package static let consume = Load.flow(.consume)
    package static let endToEnd = Load.flow(.endToEnd)
  }

  /// What measures, by the name that a definition has for it: `mechanism raw-append`, `load produce`.
  package enum Program: Sendable, Equatable {
    case mechanism(Mechanism)
    case load(Load)

    package static let all = Mechanism.allCases.map(Program.mechanism) + Load.all.map(Program.load)

    package init?(name: String) {
      guard let found = Program.all.first(where: { $0.name == name }) else { return nil }
      self = found
    }

    package var name: String {
      switch self {
      case .mechanism(let mechanism): "mechanism \(mechanism.rawValue)"
      case .load(let load): "load \(load.verb)"
      }
    }
  }
}
