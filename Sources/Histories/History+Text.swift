import Model

/// The text of a history: a line for each event, which is also how findings show the events they rest on.
///
/// ```
/// 0.000123 3 send 17+8 partition 2 transaction 4     process 3 sends 3.17 to 3.24 to partition 2, in its transaction 4
/// 0.004501 3 sent 17 ok 2001                         the first of them is at offset 2001 (`ok ?`: not known; failed; unknown)
/// 0.004600 3 commit 0 group g 5@10..18 transaction 4 what it consumed of partition 5, with the transaction
/// 0.005002 3 committed 0 ok                          (failed; unknown)
/// 0.005100 3 end 4 commit                            (abort)
/// 0.007311 3 ended 4 committed                       (aborted; unknown)
/// 0.008000 9 look group g 2 5                        the committed offsets of partitions 2 and 5 are asked for
/// 0.008300 9 found group g 5@18                      partition 2 has none
/// 0.008400 9 assign 2@0 5@18 group g generation 7    a member reads from there on; without a group a seek
/// 0.010200 9 poll 2 2001=3.17+8 2010=4.0+1           partition 2: records 3.17 to 3.24 from offset 2001 on, and 4.0 at 2010
/// 0.020000 9 revoke 2
/// ```
///
/// The time is in seconds, with six digits after the point; a group's name has no spaces. Lines that begin with `#` are comments.
extension History {
  /// The first line of a file.
  package static let heading = "# a history of millrace-load check, version 1"

  package var text: String {
    var text = Self.heading + "\n"
    for event in events { text += "\(event)\n" }
    return text
  }
}

extension History.Event: CustomStringConvertible {
  package var description: String {
    let micros = timeNs / 1000
    let fraction = String(micros % 1_000_000)
    let padding = String(repeating: "0", count: 6 - fraction.count)
    return "\(micros / 1_000_000).\(padding)\(fraction) \(process) \(action)"
  }
}

extension History.Action: CustomStringConvertible {
  package var description: String {
    switch self {
    case .send(let numbers, let partition, let transaction):
      "send \(numbers.lowerBound)+\(numbers.count) partition \(partition)" + Self.suffix(transaction)
    case .sent(let number, let outcome): "sent \(number) \(outcome)"
    case .end(let transaction, let commits): "end \(transaction) \(commits ? "commit" : "abort")"
    case .ended(let transaction, let outcome): "ended \(transaction) \(outcome.rawValue)"
    case .look(let group, let partitions): "look group \(group)" + Self.list(partitions)
    case .found(let group, let positions): "found group \(group)" + Self.list(positions)
    case .assign(let positions, let membership):
      "assign" + Self.list(positions)
        + (membership.map { " group \($0.group) generation \($0.generation)" } ?? "")
    case .revoke(let partitions): "revoke" + Self.list(partitions)
    case .poll(let partition, let runs): "poll \(partition)" + Self.list(runs)
    case .commit(let number, let group, let positions, let transaction):
      "commit \(number) group \(group)" + Self.list(positions) + Self.suffix(transaction)
    case .committed(let number, let outcome): "committed \(number) \(outcome.rawValue)"
    }
  }

  private static func suffix(_ transaction: Int?) -> String { transaction.map { " transaction \($0)" } ?? "" }

  private static func list<Item: CustomStringConvertible>(_ items: [Item]) -> String {
    items.map { " \($0)" }.joined()
  }
}

extension History.SendOutcome: CustomStringConvertible {
  package var description: String {
    switch self {
    case .ok(let offset): "ok \(offset.map { "\($0)" } ?? "?")"
    case .failed: "failed"
    case .unknown: "unknown"
    }
  }
}

extension History.Position: CustomStringConvertible {
  package var description: String { "\(partition)@" + (from.map { "\($0).." } ?? "") + "\(offset)" }
}

extension RecordRun: CustomStringConvertible {
  package var description: String { "\(offset)=\(first)+\(count)" }
}
