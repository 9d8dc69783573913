import Glibc
package import Model

extension Log {
  /// Finds whole batches from the one that holds `offset` to the last one wholly below `upTo`, in at most `maxBytes`.
  ///
  /// Returns a file range, not bytes; none when `offset` is at or past `upTo` or the log end. With `atLeastOneBatch` the
  /// first batch is returned whole even when it is larger than `maxBytes`. A slice stays within one segment; the next read
  /// continues at `nextOffset`. A sequential consumer, or one at the tail, costs no system call here.
  package func read(
    from offset: Offset, upTo: Offset, maxBytes: Int, atLeastOneBatch: Bool
  ) throws(ReadError) -> LogSlice {
    guard let bound = try readBound(from: offset, upTo: upTo) else { return .empty(at: offset) }
    do {
      switch store {
      case .segments:
        return try slice(from: offset, bound: bound, maxBytes: maxBytes, atLeastOneBatch: atLeastOneBatch)
      case .arm(let arm):
        return try arm.read(from: offset, bound: bound, maxBytes: maxBytes, atLeastOneBatch: atLeastOneBatch)
      }
    } catch { throw .diskFailed(error) }
  }

  private func slice(
    from offset: Offset, bound: Offset, maxBytes: Int, atLeastOneBatch: Bool
  ) throws(DiskError) -> LogSlice {
    var index = segmentIndex(holding: offset)
    var start = try locate(offset, inSegment: index)
    // Compaction may have left nothing at or after the offset in its segment.
    while start == nil, index + 1 < segments.count {
      index += 1
      start = try locate(offset, inSegment: index)
    }
    guard let start else { return .empty(at: offset) }
    let segment = segments[index]
    guard var end = try self.end(before: bound, inSegment: index), end.position > start.position else {
      return .empty(at: offset)
    }
    let limit = start.position + max(0, maxBytes)
    if end.position > limit {
      let boundary = try lastBoundary(in: segment, after: start, atOrBefore: limit)
      guard boundary.position <= limit || atLeastOneBatch else { return .empty(at: offset) }
      if boundary.position < end.position { end = boundary }
    }
    places.readEnded(end)
    let range = FileRange(file: try segment.file(), position: start.position, length: end.position - start.position)
    var slice = LogSlice(range, firstOffset: offset, nextOffset: end.offset)
    slice.isCutBySegment = segment !== active && end.position == segment.size && end.offset < bound
    return slice
  }

  /// Returns the segment that would hold `offset`: the last that begins at or before it.
  func segmentIndex(holding offset: Offset) -> Int {
    if offset >= active.baseOffset { return segments.count - 1 }
    var low = 0
    var high = segments.count - 1
    while low < high {
      let middle = (low + high + 1) / 2
      if segments[middle].baseOffset <= offset { low = middle } else { high = middle - 1 }
    }
    return low
  }

  /// Returns the offset after a segment's last, where the next one begins.
  func endOffset(ofSegment index: Int) -> Offset {
    index + 1 < segments.count ? segments[index + 1].baseOffset : logEndOffset
  }

  /// Returns the first batch of a segment whose last offset is at least `offset`.
  func locate(_ offset: Offset, inSegment index: Int) throws(DiskError) -> BatchPlaces.Place? {
    let segment = segments[index]
    guard offset < endOffset(ofSegment: index), segment.size > 0 else { return nil }
    guard offset > segment.baseOffset else {
      return BatchPlaces.Place(offset: segment.baseOffset, segment: segment.baseOffset, position: 0)
    }
    if let place = places.place(holding: offset), place.segment == segment.baseOffset { return place }
    let entry = try segment.offsetIndex.floor(offset, on: disk)
    return try scan(segment, from: entry?.position ?? 0) { header, position in
      guard header.lastOffset >= offset else { return nil }
      return BatchPlaces.Place(offset: header.baseOffset, segment: segment.baseOffset, position: position)
    }
  }

  /// Returns the end position of a segment's batches wholly below `bound`, and the next offset; nil without such batches.
  private func end(before bound: Offset, inSegment index: Int) throws(DiskError) -> BatchPlaces.Place? {
    let segment = segments[index]
    let segmentEnd = endOffset(ofSegment: index)
    if bound >= segmentEnd {
      return BatchPlaces.Place(offset: segmentEnd, segment: segment.baseOffset, position: segment.size)
    }
    guard var place = try locate(bound, inSegment: index) else {
      // No batch at or after the bound, though the segment's offsets go further.
      return BatchPlaces.Place(offset: bound, segment: segment.baseOffset, position: segment.size)
    }
    place.offset = min(place.offset, bound)
    return place
  }

  /// Returns the last batch boundary of a segment after `start` and not past `limit`, or the end of the batch at `start` if
  /// that is past `limit`.
  private func lastBoundary(
    in segment: Segment, after start: BatchPlaces.Place, atOrBefore limit: Int
  ) throws(DiskError) -> BatchPlaces.Place {
    if let place = places.place(inSegment: segment.baseOffset, atOrBefore: limit), place.position > start.position {
      return place
    }
    let entry = try segment.offsetIndex.floor(position: limit, on: disk)
    var boundary: BatchPlaces.Place?
    _ = try scan(segment, from: max(entry?.position ?? 0, start.position)) { header, position -> Bool? in
      if position > start.position {
        boundary = BatchPlaces.Place(offset: header.baseOffset, segment: segment.baseOffset, position: position)
      }
      let end = position + header.sizeInBytes
      if end > limit && boundary != nil { return true }
      boundary = BatchPlaces.Place(offset: header.nextOffset, segment: segment.baseOffset, position: end)
      return end > limit ? true : nil
    }
    return boundary ?? BatchPlaces.Place(offset: start.offset, segment: segment.baseOffset, position: segment.size)
  }

  /// Passes a segment's batch headers from `position` on to `body` until it returns a value.
  func scan<Answer>(
    _ segment: Segment, from position: Int, chunkBytes: Int = BatchScan.lookupBytes,
    _ body: (RecordBatchHeader, _ position: Int) -> Answer?
  ) throws(DiskError) -> Answer? {
    let file = try segment.file()
    let end = segment.size
    // Swift's own allocation of so many bytes is a posix_memalign, which costs twice what this does.
    guard let memory = malloc(chunkBytes) else { throw DiskError("malloc", file.path, code: ENOMEM) }
    defer { free(memory) }
    let buffer = UnsafeMutableRawBufferPointer(start: memory, count: chunkBytes)
    var scan = BatchScan(file, from: position, to: end, checkingCRC: false, buffer: buffer)
    while true {
      switch try scan.next() {
      case .batch(let header, let position):
        if let answer = body(header, position) { return answer }
      case .end:
        return nil
      case .damaged:
        throw DiskError("read batch", file.path, code: DiskError.unexpectedEnd)
      }
    }
  }
}
