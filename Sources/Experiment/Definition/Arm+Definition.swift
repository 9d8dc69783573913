import Base
import Measure

/// Reading an arm. Its keys say what is done; where they do not fit together the arm cannot be made, and the key is named.
extension Arm {
  init(reading reader: inout DefinitionReader) throws(DefinitionError) {
    let name = try reader.text("name")
    guard let program = try reader.program("program") else {
      throw reader.error(nil, "program", "the key `program` is missing in arm `\(name)`")
    }
    let work =
      switch program {
      case .mechanism(let mechanism): Work.bare(try Bare(mechanism, reading: &reader))
      case .load(let load): Work.through(try Broker(load, reading: &reader))
      }
    self.init(
      name: name, label: try reader.text("label", default: name),
      role: try reader.choice("role", of: Role.self) ?? .test, repeats: try reader.level("repeats")?.text, work: work,
      cache: try reader.choice("cache", of: Cache.self) ?? .any, memory: try Memory(reading: &reader),
      paceOf: try reader.level("pace_of")?.text, only: try reader.factors("only"), ignores: try reader.texts("ignores"),
      durability: try reader.choice("durability", of: Durability.self) ?? .nothing,
      client: try reader.choice("client", of: Client.self) ?? .drives,
      replicatesMax: try reader.integer("replicates_max", in: Experiment.Bounds.replicates))
  }
}

extension Arm.Memory {
  /// Nil where neither key is there.
  fileprivate init?(reading reader: inout DefinitionReader) throws(DefinitionError) {
    let isFull = try reader.flag("memory_full", default: false)
    guard let mib = try reader.level("memory_mib") else {
      guard !isFull else {
        throw reader.error("memory_full", "fills a memory cgroup, and there is no `memory_mib`")
      }
      return nil
    }
    self.init(mib: mib, isFull: isFull)
  }
}

extension Arm.Bare {
  fileprivate init(_ mechanism: MechanismDescription, reading reader: inout DefinitionReader) throws(DefinitionError) {
    for (key, reason) in Self.foreignKeys where reader.node(key) != nil {
      if key == "restart", try !reader.flag(key, default: false) { continue }
      throw reader.error(key, reason)
    }
    let (mb, writeBytes) = (try reader.level("data_mb"), try reader.level("data_write_bytes"))
    if writeBytes != nil, mb == nil {
      throw reader.error("data_write_bytes", "says how a file is written, and there is no `data_mb`")
    }
    self.init(
      mechanism: mechanism, options: try reader.settings("options"),
      data: mb.map { Arm.DataFile(mb: $0, writeBytes: writeBytes) })
  }

  /// What only an arm with a broker may ask for.
  private static let foreignKeys = [
    ("broker", "a bare arm has no broker to configure"), ("prepare", "a bare arm has no broker to configure"),
    ("fill", "a bare arm has no broker to configure"), ("warm", "a bare arm has no broker to configure"),
    ("beside", "a bare arm has no broker for another load"),
    ("cluster", "a mechanism starts what it needs by itself"),
    ("restart", "a bare arm has no broker to start again"), ("stall_ms", "a bare arm has no broker to stop"),
    ("link_mbit_per_s", "a bare arm has no broker to be at the other end"),
    ("links", "a bare arm has no broker to be at the other end"),
    ("security", "a bare arm has no broker to be let in by"),
    ("round_trip_ms", "a bare arm has no broker to be at the other end"),
  ]
}

extension Arm.Broker {
  fileprivate init(_ load: Arm.Load, reading reader: inout DefinitionReader) throws(DefinitionError) {
    for key in ["data_mb", "data_write_bytes"] where reader.node(key) != nil {
      throw reader.error(key, "makes a file for a bare mechanism: a broker's data are its topics (`prepare`, `fill`)")
    }
    var phases = [Phase.measure(load, try reader.settings("options"))]
    let (prepare, fill) = (try reader.settings("prepare"), try reader.settings("fill"))
    let warm = try reader.settings("warm")
    if !prepare.isEmpty { phases.append(.prepare(prepare)) }
    if !fill.isEmpty { phases.append(.fill(fill)) }
    if !warm.isEmpty { phases.append(.warm(warm)) }
    let beside = try reader.section("beside") { (section) throws(DefinitionError) in
      Phase.beside(try section.flow("program"), try section.settings("options"))
    }
    phases += beside.map { [$0] } ?? []
    if let ms = try reader.level("stall_ms") { phases.append(.stall(ms: ms)) }
    if try reader.flag("restart", default: false) { phases.append(.restart) }
    self.init(
      settings: try reader.settings("broker"), network: try Self.network(reading: &reader),
      phases: try Self.checked(phases, reader), cluster: try reader.level("cluster"),
      security: try Self.security(reading: &reader))
    if cluster != nil { try Self.checkCluster(&reader) }
  }

  private static func security(reading reader: inout DefinitionReader) throws(DefinitionError) -> Arm.Security? {
    let security = try reader.section("security") { (section) throws(DefinitionError) in
      guard let securityProtocol = try section.level("protocol") else {
        throw section.error("protocol", "the key `protocol` is missing: what the load's listener speaks")
      }
      let security = Arm.Security(
        securityProtocol, acls: try section.level("acls"), quotas: try section.level("quotas"))
      // What placeholders come to is known when a profile has been chosen.
      guard security.values.allSatisfy({ Placeholder.names(in: $0.text).isEmpty }) else { return security }
      do throws(Arm.Security.Fault) { _ = try security.asked { $0 } } catch {
        throw section.error(error.key, error.reason)
      }
      return security
    }
    guard security != nil else { return nil }
    for (key, reason) in [
      ("cluster", "brokers of a cluster reach each other in plaintext"),
      ("link_mbit_per_s", "the listener and its certificate are of loopback"),
      ("round_trip_ms", "the relay stands before one listener, and a secured broker has two"),
    ] where reader.node(key) != nil {
      throw reader.error(key, "does not go together with `security`: \(reason)")
    }
    return security
  }

  /// What is done to one broker and its files, and has no meaning for several.
  private static func checkCluster(_ reader: inout DefinitionReader) throws(DefinitionError) {
    for (key, reason) in [
      ("prepare", "a cluster is fresh for each run: use `fill`"),
      ("stall_ms", "which of a cluster's brokers would stop?"),
      ("round_trip_ms", "brokers tell each other's addresses, which no relay can stand before"),
      ("memory_mib", "a cluster has no memory cgroup"),
    ] where reader.node(key) != nil {
      throw reader.error(key, "does not go together with `cluster`: \(reason)")
    }
    if try reader.flag("restart", default: false) {
      throw reader.error("restart", "does not go together with `cluster`: which of its brokers would start again?")
    }
  }

  private static func network(reading reader: inout DefinitionReader) throws(DefinitionError) -> Arm.Network {
    let network = Arm.Network(
      linkMbitPerS: try reader.level("link_mbit_per_s"),
      links: try reader.integer("links", in: Experiment.Bounds.links) ?? 1,
      roundTripMs: try reader.level("round_trip_ms"))
    guard network.links > 1 else { return network }
    guard network.linkMbitPerS != nil else {
      throw reader.error("links", "says how many, and there is no `link_mbit_per_s`")
    }
    guard network.roundTripMs == nil else {
      throw reader.error("links", "several links and a `round_trip_ms` do not go together: all would pass one relay")
    }
    return network
  }

  private static func checked(_ phases: [Phase], _ reader: DefinitionReader) throws(DefinitionError) -> Phases {
    do throws(Phases.Fault) {
      return try Phases(phases)
    } catch {
      var reader = reader
      throw reader.error(error.key, error.reason)
    }
  }
}

extension DefinitionReader {
  /// With the line of the key's value.
  fileprivate mutating func error(_ key: String, _ message: String) -> DefinitionError {
    error(node(key), key, message)
  }

  fileprivate mutating func program(_ key: String) throws(DefinitionError) -> Arm.Program? {
    guard let text = try level(key)?.text else { return nil }
    let programs = Arm.Program.all(mechanisms)
    if let program = programs.first(where: { $0.name == text }) { return program }
    let names = programs.map(\.name)
    var error = error(key, "`\(text)` is not one of \(names.joined(separator: ", "))")
    error.suggestion = Spelling.nearest(to: text, among: names)
    throw error
  }

  fileprivate mutating func flow(_ key: String) throws(DefinitionError) -> Arm.Flow {
    guard let program = try program(key) else {
      throw error(nil, key, "the key `program` is missing: the load that runs beside the arm's own")
    }
    guard case .load(.flow(let flow)) = program else {
      throw error(key, "`\(program.name)` is no load that runs until it is stopped")
    }
    return flow
  }
}
