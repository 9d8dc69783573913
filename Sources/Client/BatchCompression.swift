/// Threads that compress the batches of producers beside their event loops.
///
/// A producer seals a batch as always, which gives it its place and its sequence number, and has its records compressed by one of
/// the threads. It sends batches in the order in which they were sealed: one that is compressed early waits for those before it.
package protocol BatchCompression: AnyObject, Sendable {
  /// How many batches a producer may have sealed for a leader beyond those in flight, so that every thread has work. It bounds the
  /// producer's memory.
  var ahead: Int { get }

  /// Has one of the threads do `work`; what is asked for first is begun first.
  func run(_ work: @escaping @Sendable () -> Void)
}
