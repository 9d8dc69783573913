package import Model

/// Where `groups reset-offsets` moves a group's offsets, as kafka-consumer-groups names it.
package enum ResetTarget: Equatable, Sendable {
  case earliest
  case latest
  case offset(Int64)
  /// Forward, or back when negative.
  case shiftedBy(Int64)
  /// The first record at or after a time, in milliseconds since 1970.
  case datetime(Int64)
  /// The first record of the last so many milliseconds.
  case duration(Int64)
  /// The committed offset, or the end where none is committed: as `--to-current`.
  case current
  /// Offsets of single partitions, from a file.
  case offsets([TopicPartition: Offset])
}

/// Decides which offsets a reset commits, from what the cluster says of the partitions. Pure.
struct OffsetReset: Sendable {
  struct Plan: Equatable, Sendable {
    var offsets: [TopicPartition: Offset] = [:]
    var warnings: [String] = []
  }

  private let target: ResetTarget
  private let nowMs: Int64
  private let earliest: [TopicPartition: Offset]
  private let latest: [TopicPartition: Offset]
  private let committed: [TopicPartition: Offset]
  /// The offsets at `timestampMs`; partitions that end before it are left out.
  var byTime: [TopicPartition: Offset] = [:]

  init(
    _ target: ResetTarget, nowMs: Int64, earliest: [TopicPartition: Offset], latest: [TopicPartition: Offset],
    committed: [TopicPartition: Offset]
  ) {
    self.target = target
    self.nowMs = nowMs
    self.earliest = earliest
    self.latest = latest
    self.committed = committed
  }

  /// The time to look offsets up by; nil where the target has none.
  var timestampMs: Int64? {
    switch target {
    case .datetime(let ms): ms
    case .duration(let ms): max(0, nowMs - min(ms, nowMs))
    case .earliest, .latest, .offset, .shiftedBy, .current, .offsets: nil
    }
  }

  /// - Throws: where a partition has no leader to ask, or no committed offset to shift.
  func plan(for partitions: [TopicPartition]) throws(AdministrationError) -> Plan {
    var plan = Plan()
    for partition in partitions {
      guard let earliest = earliest[partition], let latest = latest[partition] else {
        throw AdministrationError("\(partition) has no leader: its first and last offsets are unknown")
      }
      guard let wanted = try wanted(partition, earliest: earliest, latest: latest) else { continue }
      let offset = min(max(wanted, earliest), latest)
      if offset != wanted {
        plan.warnings.append(
          "\(partition): offset \(wanted) is outside \(earliest) to \(latest), so \(offset) is taken")
      }
      plan.offsets[partition] = offset
    }
    return plan
  }

  /// Nil where the file of offsets does not name the partition.
  private func wanted(
    _ partition: TopicPartition, earliest: Offset, latest: Offset
  ) throws(AdministrationError) -> Offset? {
    switch target {
    case .earliest: return earliest
    case .latest: return latest
    case .offset(let offset): return Offset(offset)
    case .datetime, .duration: return byTime[partition] ?? latest
    case .current: return committed[partition] ?? latest
    case .offsets(let offsets): return offsets[partition]
    case .shiftedBy(let count):
      guard let committed = committed[partition] else {
        throw AdministrationError("\(partition) has no committed offset to shift: give --topic for those that have one")
      }
      let (sum, isOverflow) = committed.rawValue.addingReportingOverflow(count)
      return isOverflow ? (count < 0 ? earliest : latest) : Offset(sum)
    }
  }
}

extension ResetTarget {
  /// Reads what `--from-file` names: lines of `topic,partition,offset`, as `isExported` writes them.
  package init(csv text: String) throws {
    var offsets: [TopicPartition: Offset] = [:]
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let line = line.filter { !$0.isWhitespace }
      guard !line.isEmpty else { continue }
      let cells = line.split(separator: ",", omittingEmptySubsequences: false).map { $0.filter { $0 != "\"" } }
      guard cells.count == 3, !cells[0].isEmpty, let partition = Int32(cells[1]), partition >= 0,
        let offset = Int64(cells[2]), offset >= 0
      else { throw AdministrationError.argument("line \(index + 1): topic,partition,offset is needed, not '\(line)'") }
      offsets[TopicPartition(cells[0], partition)] = Offset(offset)
    }
    guard !offsets.isEmpty else { throw AdministrationError.argument("the file names no offsets") }
    self = .offsets(offsets)
  }

  /// The topics and partitions of a file of offsets; nil for other targets.
  package var scope: OffsetScope? {
    guard case .offsets(let offsets) = self else { return nil }
    return .topics(PartitionsByTopic(offsets.keys).topics.map { .init(topic: $0.name, partitions: $0.partitions) })
  }
}
