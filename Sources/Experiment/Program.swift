package import Measure

extension Arm {
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
    /// Step by step to a topic that grows, and the same step to a fresh one: what the stored volume does.
    case twin
    /// Connections, one after another, each of which is greeted, logged in and closed again.
    case connect

    package static let all = Flow.allCases.map(Load.flow) + [.sustain, .twin, .connect]

    /// The generator's own word for it.
    package var verb: String {
      switch self {
      case .flow(let flow): flow.rawValue
      case .sustain: "sustain"
      case .twin: "twin"
      case .connect: "connect"
      }
    }

    package static let produce = Load.flow(.produce)
    package static let consume = Load.flow(.consume)
    package static let endToEnd = Load.flow(.endToEnd)
  }

  /// What measures, by the name that a definition has for it: `mechanism raw-append`, `load produce`.
  package enum Program: Sendable, Equatable {
    case mechanism(MechanismDescription)
    case load(Load)

    /// All that a definition may name.
    package static func all(_ mechanisms: [MechanismDescription]) -> [Program] {
      mechanisms.map(Program.mechanism) + Load.all.map(Program.load)
    }

    package var name: String {
      switch self {
      case .mechanism(let mechanism): "mechanism \(mechanism.name)"
      case .load(let load): "load \(load.verb)"
      }
    }
  }
}
