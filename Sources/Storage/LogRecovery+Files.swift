import Model

/// What is in a log's directory, and what a crash has left there half done.
extension LogRecovery {
  /// Lists the directory, removes the remains of an interrupted deletion or cleaning, and finds the segments.
  mutating func findFiles() throws(DiskError) {
    var logs: [Offset] = []
    var swaps: Set<String> = []
    for name in try disk.names(in: directory) {
      if name.hasSuffix(LogFileSuffix.deleted) || name.hasSuffix(LogFileSuffix.cleaned)
        || name.hasSuffix(LogFileSuffix.temporary)
      {
        try disk.remove("\(directory)/\(name)")
      } else if name.hasSuffix(LogFileSuffix.swap) {
        swaps.insert(name)
      } else {
        names.insert(name)
        if let base = Segment.offset(inName: name, suffix: Segment.logSuffix) { logs.append(base) }
        if let offset = Segment.offset(inName: name, suffix: ProducerSnapshot.suffix) { snapshots.append(offset) }
      }
    }
    snapshots.sort()
    try finishSwaps(&swaps, &logs)
    for base in logs.sorted() {
      let path = "\(directory)/\(Segment.name(base))\(Segment.logSuffix)"
      guard let info = try disk.info(path) else { continue }
      segments.append(
        Segment(disk: disk, directory: directory, baseOffset: base, size: info.size, modifiedMs: info.modifiedMs))
    }
    try removeOrphans(Set(logs))
  }

  /// Finishes the replacements that a crash has interrupted (`Log.replace`). Indexes of cleaned segments whose `.log` has its name
  /// already, or never got the one that says it is whole, are made again.
  private mutating func finishSwaps(_ swaps: inout Set<String>, _ logs: inout [Offset]) throws(DiskError) {
    let ending = Segment.logSuffix + LogFileSuffix.swap
    for base in swaps.compactMap({ Segment.offset(inName: $0, suffix: ending) }).sorted() {
      try finishSwap(base, &swaps, &logs)
    }
    for name in swaps.sorted() { try disk.remove("\(directory)/\(name)") }
  }

  /// A cleaned segment is complete once its `.log` is called `.swap`: it takes the place of those it was made from.
  private mutating func finishSwap(
    _ base: Offset, _ swaps: inout Set<String>, _ logs: inout [Offset]
  ) throws(DiskError) {
    let path = "\(directory)/\(Segment.name(base))"
    let swap = path + Segment.logSuffix + LogFileSuffix.swap
    let end = try endOfBatches(inSwap: swap, from: base)
    for replaced in logs where replaced >= base && replaced < end || replaced == base {
      // The producers at the base are those of the new segment too.
      for suffix in Segment.suffixes where suffix != ProducerSnapshot.suffix || replaced != base {
        let name = Segment.name(replaced) + suffix
        if names.remove(name) != nil { try disk.remove("\(directory)/\(name)") }
      }
      if replaced != base { snapshots.removeAll { $0 == replaced } }
    }
    logs.removeAll { $0 >= base && $0 < end || $0 == base }
    // The `.log` last: until it has its name, another crash begins here again.
    for suffix in CleanedSegment.suffixes {
      let name = Segment.name(base) + suffix
      guard swaps.remove(name + LogFileSuffix.swap) != nil else { continue }
      try disk.rename("\(directory)/\(name)\(LogFileSuffix.swap)", to: "\(directory)/\(name)")
      names.insert(name)
    }
    logs.append(base)
  }

  private func endOfBatches(inSwap path: String, from base: Offset) throws(DiskError) -> Offset {
    let size = try disk.info(path)?.size ?? 0
    let cleaned = SegmentFile(try disk.open(path, creating: false), path: path)
    var end = base
    try withBuffer(BatchScan.replayBytes) { buffer throws(DiskError) in
      var scan = BatchScan(cleaned, from: 0, to: size, checkingCRC: false, buffer: buffer)
      while case .batch(let header, _) = try scan.next() { end = header.nextOffset }
    }
    return end
  }

  /// Removes indexes without a log, which a deletion interrupted by a crash has left.
  private mutating func removeOrphans(_ bases: Set<Offset>) throws(DiskError) {
    for suffix in [OffsetIndex.suffix, TimeIndex.suffix, TransactionIndex.suffix] {
      for name in names {
        guard let base = Segment.offset(inName: name, suffix: suffix), !bases.contains(base) else { continue }
        try disk.remove("\(directory)/\(name)")
        names.remove(name)
      }
    }
  }
}
