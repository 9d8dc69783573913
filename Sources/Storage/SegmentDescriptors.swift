import Synchronization

/// Counts the descriptors that segments keep open, over all logs of a process, and bounds them: a log keeps those of all its
/// segments that were written or read, and the connections need some too.
///
/// Any thread may call it.
package final class SegmentDescriptors: Sendable {
  /// The first descriptor that a segment may not keep: those from here on are for what is opened for a moment.
  package let end: Int
  /// How many segments may keep at the most. Beyond it a segment cannot be opened, nor a log rolled.
  package let max: Int
  /// How many they may keep for a further log to be made.
  package let maxForNewLog: Int
  private let count = Atomic(0)

  package init(end: Int = .max, max: Int = .max, maxForNewLog: Int = .max) {
    self.end = end
    self.max = max
    self.maxForNewLog = maxForNewLog
  }

  /// How many segments keep now.
  package var open: Int { count.load(ordering: .relaxed) }
  package var hasRoomForNewLog: Bool { open < maxForNewLog }

  /// One descriptor, given back with the last reference to this.
  package final class Lease: Sendable {
    private let owner: SegmentDescriptors
    fileprivate init(_ owner: SegmentDescriptors) { self.owner = owner }
    deinit { owner.count.wrappingSubtract(1, ordering: .relaxed) }
  }

  /// Counts a descriptor that a segment is to keep; nil when it may not.
  func take(_ descriptor: Int32) -> Lease? {
    guard descriptor < end else { return nil }
    let lease = Lease(self)
    return count.wrappingAdd(1, ordering: .relaxed).newValue <= max ? lease : nil
  }
}
