import Model

/// A segment that a cleaning reads, as it was when the cleaning was planned.
package struct CleaningSource: Hashable, Sendable {
  var baseOffset: Offset
  /// The offset after its last, where the next segment begins.
  var endOffset: Offset
  /// Bytes of its `.log`.
  var bytes: Int
  var modifiedMs: Int64
  var offsetIndexBytes = 0
  var timeIndexBytes = 0

  /// Divides segments into groups, each of which becomes one segment: as many neighbours as fit it, were nothing removed, by the bytes of
  /// their batches and indexes, and by the range of offsets that an index can hold.
  static func groups(_ sources: [CleaningSource], segmentBytes: Int, indexBytes: Int) -> [Range<Int>] {
    var groups: [Range<Int>] = []
    var sum = sources.first ?? CleaningSource(baseOffset: 0, endOffset: 0, bytes: 0, modifiedMs: 0)
    for (index, source) in sources.enumerated() {
      if index > 0 {
        sum.bytes += source.bytes
        sum.offsetIndexBytes += source.offsetIndexBytes
        sum.timeIndexBytes += source.timeIndexBytes
      }
      let fits =
        sum.bytes <= segmentBytes && sum.offsetIndexBytes <= indexBytes && sum.timeIndexBytes <= indexBytes
        && source.endOffset - sum.baseOffset <= Int(Int32.max)
      if let last = groups.last, fits {
        groups[groups.count - 1] = last.lowerBound..<index + 1
      } else {
        groups.append(index..<index + 1)
        sum = source
      }
    }
    return groups
  }
}
