package import Measure

/// One of the things compared.
package struct Arm: Sendable, Equatable {
  /// Whether the broker takes part. Every claim about the broker is tested on both.
  package enum Tier: String, Sendable, CaseIterable {
    /// System calls, files, a codec: no broker.
    case bare
    /// The load generator against a running broker.
    case endToEnd = "end-to-end"
  }

  package enum Role: String, Sendable, CaseIterable {
    /// What the claim says is better.
    case test
    /// What the claim says is worse.
    case baseline
    /// The ceiling or the machine's own behaviour, which the test arm is held against.
    case control
    /// A second, identical copy of another arm: their difference is the noise floor (A/A).
    case again
  }

  /// What the load generator is to the arm.
  package enum Client: String, Sendable, CaseIterable {
    /// It drives what is measured: a rate that it set does not count, nor a paced run whose pace it could not keep.
    case drives
    /// It is a part of what is measured (its codec, its copy of what it receives).
    case part
  }

  /// What the page cache holds of the data when measuring begins, and is proved to hold.
  package enum Cache: String, Sendable, CaseIterable {
    case any, hot, cold
  }

  /// A memory cgroup that the run has to itself, so that data exceed memory.
  package struct Memory: Sendable, Equatable {
    /// A number, or `{name}`.
    package var mib: Level
    /// The memory is full of another file's pages when the run begins, as a machine's is that has been in use for a while: what
    /// is new takes the place of something old from the first byte on.
    package var isFull: Bool
  }

  /// What the arm runs. A broker's settings, links and phases belong to arms that have a broker, and to no others.
  package enum Work: Sendable, Equatable {
    case bare(Bare)
    case through(Broker)
  }

  /// One mechanism alone, in a process of its own.
  package struct Bare: Sendable, Equatable {
    package var mechanism: MechanismDescription
    /// Options of the mechanism without their dashes; values may be `{factor}`, `{fixed}` or plain.
    package var options: [Setting]
    package var data: DataFile?
  }

  /// A file that the campaign makes; options use it as `{data_file}`.
  package struct DataFile: Sendable, Equatable {
    /// Decimal megabytes: a number, or `{name}`.
    package var mb: Level
    /// The file is written so many bytes at a time (a number, or `{name}`); nil: a MiB. What the page cache holds of it lies in
    /// pieces as large as the writes were, and reading from large pieces costs less.
    package var writeBytes: Level?
  }

  /// A broker of its own for each run, and the load generator against it.
  package struct Broker: Sendable, Equatable {
    /// `server.properties` beyond the campaign's own; values as in `options`.
    package var settings: [Setting]
    package var network: Network
    package var phases: Phases
    /// So many brokers with a ZooKeeper of their own, in place of one broker: a number, or `{name}`. Nil: one broker.
    package var cluster: Level?
    /// Nil: one plaintext listener for everybody.
    package var security: Security?

    package init(
      settings: [Setting], network: Network, phases: Phases, cluster: Level? = nil, security: Security? = nil
    ) {
      (self.settings, self.network, self.phases, self.cluster) = (settings, network, phases, cluster)
      self.security = security
    }
  }

  /// What lies between generator and broker; nothing of it: loopback as it is.
  package struct Network: Sendable, Equatable {
    /// Broker and generator in network namespaces of their own, with a link of so many Mb/s between them: a number, or
    /// `{name}`; 0 is loopback.
    package var linkMbitPerS: Level?
    /// How many such links, so that each of several clients has one of its own.
    package var links = 1
    /// What is sent arrives half of so many ms later, either way: a number, or `{name}`; 0 is at once.
    package var roundTripMs: Level?

    package var isLoopback: Bool { linkMbitPerS == nil && roundTripMs == nil }
  }

  package var name: String
  /// How charts and the report call it.
  package var label: String
  package var role: Role
  /// For `role: again`, the arm it repeats.
  package var repeats: String?
  package var work: Work
  package var cache: Cache
  package var memory: Memory?
  /// The arm whose median throughput, from one pilot run, is this arm's `{pace_mib_per_s}`; of a search what it finds, as
  /// `{pace_records_per_s}`.
  package var paceOf: String?
  /// The levels this arm runs at; a factor it does not name runs at every level.
  package var only: [Factor]
  /// Factors this arm does not depend on: it runs once for all their levels and its row leaves them empty.
  package var ignores: [String]
  /// On every row; rows of different durability are not compared.
  package var durability: Durability
  package var client = Client.drives
  /// The arm runs in the first of the replicates only, so many: what is shown and decides nothing need not be paid for each
  /// time. Nil: in all.
  package var replicatesMax: Int?
}

extension Arm {
  package init(
    name: String, label: String? = nil, role: Role, repeats: String? = nil, work: Work, cache: Cache = .any,
    memory: Memory? = nil, paceOf: String? = nil, only: [Factor] = [], ignores: [String] = [],
    durability: Durability = .nothing, client: Client = .drives, replicatesMax: Int? = nil
  ) {
    self.name = name
    self.label = label ?? name
    self.role = role
    self.repeats = repeats
    self.work = work
    self.cache = cache
    self.memory = memory
    self.paceOf = paceOf
    self.only = only
    self.ignores = ignores
    self.durability = durability
    self.client = client
    self.replicatesMax = replicatesMax
  }

  package var tier: Tier {
    switch work {
    case .bare(let bare): bare.mechanism.needsCluster ? .endToEnd : .bare
    case .through: .endToEnd
    }
  }

  /// Whether a run starts a cluster of its own.
  package var needsCluster: Bool {
    switch work {
    case .bare(let bare): bare.mechanism.needsCluster
    case .through(let broker): broker.cluster != nil
    }
  }

  package var program: Program {
    switch work {
    case .bare(let bare): .mechanism(bare.mechanism)
    case .through(let broker): .load(broker.phases.load)
    }
  }

  /// Options of what is measured, without their dashes.
  package var options: [Setting] {
    get {
      switch work {
      case .bare(let bare): bare.options
      case .through(let broker): broker.phases.options
      }
    }
    set {
      switch work {
      case .bare(var bare):
        bare.options = newValue
        work = .bare(bare)
      case .through(var broker):
        broker.phases.options = newValue
        work = .through(broker)
      }
    }
  }

  /// Nil of a bare arm.
  package var broker: Broker? {
    if case .through(let broker) = work { broker } else { nil }
  }

  package var data: DataFile? {
    if case .bare(let bare) = work { bare.data } else { nil }
  }

  /// Every setting in which a placeholder may stand.
  package var settings: [Setting] {
    switch work {
    case .bare(let bare): bare.options
    case .through(let broker): broker.settings + broker.phases.list.flatMap(\.settings)
    }
  }

  /// Every other value in which a placeholder may stand.
  package var numbers: [Level] {
    let own: [Level?] =
      switch work {
      case .bare(let bare): [bare.data?.mb, bare.data?.writeBytes]
      case .through(let broker):
        [broker.network.linkMbitPerS, broker.network.roundTripMs, broker.phases.stallMs, broker.cluster]
          + (broker.security?.values ?? [])
      }
    return ([memory?.mib] + own).compactMap(\.self)
  }
}
