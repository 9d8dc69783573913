import Foundation
import Model

@testable import Cluster

/// A group driven by the lines of a script, and what it has done as text.
///
///     group delay=3000          a new group, with rules other than the usual ones
///     at 1000                   the time, in milliseconds; deadlines that have passed are taken in
///     join 1 new=a              request 1: a client without id, which would get the id a
///     join 2 a known            request 2: the member a, by a client of JoinGroup version 4 or later
///     ----
///     joined 1 ...              the trace of them all, and how the group is then
///
/// Values of a request that a command does not give: session=10000 rebalance=60000 type=consumer protocols=range:s. The bytes of
/// metadata and assignments are those of their text; a subscription's topics are its letters.
struct GroupScript {
  private(set) var group: Group
  private var rules: Group.Rules
  private var now = Group.Instant(ms: 0, wallMs: 0)

  init() {
    rules = Self.rules([:])
    group = Group("g", rules: rules, at: now)
  }

  static func rules(_ values: [String: String]) -> Group.Rules {
    Group.Rules(
      sessionTimeoutMsMin: 6000, sessionTimeoutMsMax: 300_000,
      initialRebalanceDelayMs: values["delay"].flatMap { Int64($0) } ?? 0,
      sizeMax: values["max"].flatMap { Int($0) } ?? 1000,
      topics: { $0 == Array("?".utf8) ? nil : $0.map { String(UnicodeScalar($0)) } })
  }

  mutating func trace(of commands: [String]) throws -> [String] {
    var lines: [String] = []
    for command in commands where !command.isEmpty && !command.hasPrefix("#") {
      lines += try trace(of: Line(command))
    }
    return lines + [description]
  }

  private mutating func trace(of line: Line) throws -> [String] {
    switch line.words[0] {
    case "group":
      rules = Self.rules(line.values)
      now = Group.Instant(ms: 0, wallMs: 0)
      group = Group("g", rules: rules, at: now)
    case "at":
      let ms: Int64 = try line.number(1)
      now = Group.Instant(ms: ms, wallMs: ms)
      return step(.tick)
    case "clock":
      // The time without a tick: what passes while nobody coordinates the group.
      let ms: Int64 = try line.number(1)
      now = Group.Instant(ms: ms, wallMs: ms)
    case "join": return step(.join(try line.number(1), line.join))
    case "sync": return step(.sync(try line.number(1), try line.sync))
    case "heartbeat": return step(.heartbeat(try line.number(1), try line.membership(2)))
    case "leave":
      let leavers = line.words.dropFirst(2).map { word in
        // `/i` names the instance i alone, `a/i` the member a with that instance.
        let parts = word.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        return Group.Leaver(parts[0], instanceID: parts.count > 1 ? parts[1] : nil)
      }
      return step(.leave(try line.number(1), leavers))
    case "stored": return step(.stored(try line.number(1), line.words.count > 2 ? code(line.words[2]) : .none))
    case "unload": return step(.unloaded(code(try line.word(1))))
    case "restart":
      // Another coordinator reads the record.
      group = Group("g", reading: group.record, rules: rules, at: now)
      return step(.loaded)
    case "rules": rules = Self.rules(line.values)
    case "commit":
      let error = group.admit(try line.membership(1), isTransactional: line.has("txn"), at: now)
      return ["commit \(error)"]
    case "delete": return ["delete \(group.deletionError)"]
    case "subscribed":
      let topic = try line.word(1)
      return ["deletion \(group.offsetDeletionError), subscribed to \(topic): \(group.isSubscribed(to: topic))"]
    case "expiry": return ["expiry \(Self.text(group.offsetExpiry))"]
    default: throw ControllerScript.Malformed(description: "\(line.words[0]) is no command")
    }
    return []
  }

  private mutating func step(_ event: Group.Event) -> [String] { group.step(event, at: now).map(Self.text) }

  private func code(_ name: String) -> ErrorCode {
    (-1...128).lazy.map { ErrorCode(rawValue: $0) }.first { $0.name == name } ?? .unknownServerError
  }

  // MARK: Text

  private var description: String {
    let members = group.membersInOrder.map { member in
      member.id + (member.instanceID.map { "/\($0)" } ?? "") + (member.isAwaitingJoin ? "*" : "")
    }
    var parts = ["= \(group.state.rawValue) \(group.generation)"]
    if let name = group.protocolName { parts.append(name) }
    if let leader = group.leader { parts.append("leader \(leader)") }
    parts.append("members [\(members.joined(separator: " "))]")
    if group.pendingMemberCount > 0 { parts.append("pending \(group.pendingMemberCount)") }
    if let deadline = group.nextDeadlineMs { parts.append("next \(deadline)") }
    return parts.joined(separator: ", ")
  }

  static func text(_ effect: Group.Effect) -> String {
    switch effect {
    case .joined(let request, let answer): "joined \(request) " + text(answer)
    case .synced(let request, let answer):
      answer.error == .none
        ? "synced \(request) \(answer.protocolName ?? "-") \(text(answer.assignment))"
        : "synced \(request) \(answer.error)"
    case .heartbeat(let request, let error): "heartbeat \(request) \(error)"
    case .left(let request, let answer): "left \(request) \(answer.error) \(answer.errors.map(\.name))"
    case .store(let store, let record):
      "store \(store) generation \(record.generation) \(record.protocolName ?? "-") leader \(record.leader ?? "-") "
        + "\(record.members.map { "\($0.id)=\(text($0.subscription)):\(text($0.assignment))" })"
    case .rebalance(let reason): "rebalance: \(reason)"
    }
  }

  private static func text(_ expiry: GroupOffsets.Expiry) -> String {
    switch expiry {
    case .never: "never"
    case .afterEmptied(let ms): "since it was emptied at \(ms.map { "\($0)" } ?? "an unknown time")"
    case .afterCommit(let except): "since each commit, except of \(except.sorted())"
    }
  }

  private static func text(_ answer: Group.JoinAnswer) -> String {
    let memberID = answer.memberID.isEmpty ? "-" : answer.memberID
    if answer.error != .none { return "\(answer.error) \(memberID)" }
    let members = answer.members.map { member in
      member.id + (member.instanceID.map { "/\($0)" } ?? "") + "=\(text(member.metadata))"
    }
    return
      "\(memberID) generation \(answer.generation) \(answer.protocolName ?? "-") leader \(answer.leader) \(members)"
      + (answer.skipsAssignment ? " skip" : "")
  }

  private static func text(_ bytes: [UInt8]) -> String { bytes.isEmpty ? "-" : String(decoding: bytes, as: UTF8.self) }
}

/// A command's words, and its `name=value`s.
private struct Line {
  let text: String
  var words: [String] = []
  var values: [String: String] = [:]

  init(_ text: String) {
    self.text = text
    for word in text.split(separator: " ").map(String.init) {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      if parts.count == 2 { values[parts[0]] = parts[1] } else { words.append(word) }
    }
  }

  func word(_ index: Int) throws -> String {
    guard index < words.count else { throw ControllerScript.Malformed(description: "\(text): too short") }
    return words[index]
  }

  func number<Number: FixedWidthInteger>(_ index: Int) throws -> Number {
    guard let number = Number(try word(index)) else {
      throw ControllerScript.Malformed(description: "\(text): no number")
    }
    return number
  }

  func has(_ flag: String) -> Bool { words.contains(flag) }

  /// `MEMBER GENERATION`; a dash is no member.
  func membership(_ index: Int) throws -> Group.Membership {
    let member = try word(index)
    return Group.Membership(
      member == "-" ? "" : member, generation: try number(index + 1), instanceID: values["instance"])
  }

  var join: Group.Join {
    var join = Group.Join()
    let flags = ["known", "skip"]
    join.memberID = words.dropFirst(2).first { !flags.contains($0) } ?? ""
    join.newMemberID = values["new"] ?? ""
    join.instanceID = values["instance"]
    join.clientID = "client"
    join.clientHost = "/host"
    join.sessionTimeoutMs = values["session"].flatMap { Int32($0) } ?? 10_000
    join.rebalanceTimeoutMs = values["rebalance"].flatMap { Int32($0) } ?? 60_000
    join.protocolType = values["type"] ?? "consumer"
    join.protocols = (values["protocols"] ?? "range:s").split(separator: ",").map { text in
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      return GroupProtocol(String(parts[0]), parts.count > 1 ? Array(parts[1].utf8) : [])
    }
    join.requiresKnownID = has("known") && join.instanceID == nil
    join.supportsSkippingAssignment = has("skip")
    join.reason = values["reason"] ?? ""
    return join
  }

  /// `sync REQUEST MEMBER GENERATION a:P b:Q`.
  var sync: Group.Sync {
    get throws {
      var sync = Group.Sync(try membership(2))
      sync.protocolType = values["type"]
      sync.protocolName = values["protocol"]
      for word in words.dropFirst(4) {
        let parts = word.split(separator: ":")
        if parts.count == 2 { sync.assignments[String(parts[0])] = Array(parts[1].utf8) }
      }
      return sync
    }
  }
}
