import Model

/// Caches the positions of batches that reads are likely to begin with: the newest batches, and those at which reads ended.
///
/// A consumer at the tail, and a sequential one, find their position here without a read of the disk. Not copyable, so that a look at it copies
/// no array.
struct BatchPlaces: ~Copyable {
  struct Place: Hashable {
    /// The batch's first offset, or the next offset of a read that ended here.
    var offset: Offset
    /// Base offset of the batch's segment.
    var segment: Offset
    /// Bytes from the start of the segment.
    var position: Int
  }

  /// Batches remembered at the tail, and ends of reads: 24 bytes each, kept only by logs that are written or read.
  static let newestKept = 64, readEndsKept = 16

  private var newest = Ring(limit: newestKept)
  private var readEnds = Ring(limit: readEndsKept)

  mutating func appended(_ offset: Offset, at position: Int, in segment: Offset) {
    newest.append(Place(offset: offset, segment: segment, position: position))
  }

  mutating func readEnded(_ place: Place) {
    if readEnds.contains(place) { return }
    readEnds.append(place)
  }

  mutating func forget() {
    newest = Ring(limit: Self.newestKept)
    readEnds = Ring(limit: Self.readEndsKept)
  }

  /// Returns the batch that holds `offset`, if it is cached.
  func place(holding offset: Offset) -> Place? {
    if let place = newest.last(where: { $0.offset <= offset }) { return place }
    return readEnds.first(at: offset)
  }

  /// Returns the last cached batch of `segment` that begins at or before `position`.
  func place(inSegment segment: Offset, atOrBefore position: Int) -> Place? {
    let found = newest.last { $0.segment < segment || ($0.segment == segment && $0.position <= position) }
    return found?.segment == segment ? found : nil
  }

  /// The last `limit` places that were appended.
  struct Ring: ~Copyable {
    let limit: Int
    private var places: [Place] = []
    private var oldest = 0

    init(limit: Int) { self.limit = limit }

    mutating func append(_ place: Place) {
      if places.count < limit {
        places.append(place)
      } else {
        places[oldest] = place
        oldest = oldest + 1 == limit ? 0 : oldest + 1
      }
    }

    /// Looks at plain numbers: called with each read.
    func contains(_ place: Place) -> Bool {
      for index in places.indices
      where places[index].position == place.position && places[index].offset.rawValue == place.offset.rawValue {
        if places[index] == place { return true }
      }
      return false
    }

    func first(at offset: Offset) -> Place? {
      for index in places.indices where places[index].offset.rawValue == offset.rawValue { return places[index] }
      return nil
    }

    /// Returns the last element, in order of appending, for which `isBefore` holds; the elements are partitioned by it.
    func last(where isBefore: (Place) -> Bool) -> Place? {
      var low = 0
      var high = places.count
      while low < high {
        let middle = (low + high) / 2
        if isBefore(at(middle)) { low = middle + 1 } else { high = middle }
      }
      return low == 0 ? nil : at(low - 1)
    }

    private func at(_ index: Int) -> Place {
      let physical = oldest + index
      return places[physical < places.count ? physical : physical - places.count]
    }
  }
}
