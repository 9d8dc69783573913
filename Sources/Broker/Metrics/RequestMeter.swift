import Model
import NIOCore
package import Wire

/// Counts the requests of one event loop and what they took: plain numbers, which only the loop touches. A scrape asks each loop for a copy
/// and adds them up, so that no request meets a lock or an atomic number for it.
///
/// There is one only where somebody wants the figures (`millrace.metrics.listener`, the request log): without it a request costs a look
/// whether it is there.
package final class RequestMeter {
  /// What is known of one API's requests. Times in nanoseconds, summed.
  struct Figures {
    var requests = 0
    var requestBytes = 0
    var responseBytes = 0
    var totalNs: Int64 = 0
    var queueNs: Int64 = 0
    var localNs: Int64 = 0
    var remoteNs: Int64 = 0
    var sendNs: Int64 = 0
    /// The time for which connections were muted because of quotas.
    var throttleMs: Int64 = 0
    /// How many took up to each of `bounds`, and how many longer, each counted once.
    var buckets = [Int](repeating: 0, count: RequestMeter.boundsMs.count + 1)

    static func += (sum: inout Figures, other: Figures) {
      sum.requests += other.requests
      sum.requestBytes += other.requestBytes
      sum.responseBytes += other.responseBytes
      sum.totalNs += other.totalNs
      sum.queueNs += other.queueNs
      sum.localNs += other.localNs
      sum.remoteNs += other.remoteNs
      sum.sendNs += other.sendNs
      sum.throttleMs &+= other.throttleMs
      for index in sum.buckets.indices { sum.buckets[index] += other.buckets[index] }
    }
  }

  /// An API, and an error that its responses had.
  struct Failure: Hashable, Sendable {
    var api: Int16
    var error: ErrorCode
  }

  /// What is told of single requests beside their times; of most there is nothing.
  package enum Note: Sendable {
    case errors([ErrorCount], api: Int16)
    /// The client's connection is muted for so much longer than was told of this request before.
    case throttled(ms: Int64, api: Int16)
  }

  /// What the loop has done, as a scrape gets it.
  struct Snapshot: Sendable {
    /// By API key.
    var figures: [Figures] = []
    /// How often each error was in a response: a response to a request for many partitions may have many. There are no more than APIs and error codes.
    var failures: [Failure: Int] = [:]
    var turns = 0
    var busyNs: Int64 = 0
    var coldReads = 0
    var coldBytes = 0
  }

  /// Upper bounds of the histogram of total times.
  static let boundsMs: [Double] = [
    0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
  ]
  private static let boundsNs = boundsMs.map { Int64($0 * 1_000_000) }

  private(set) var snapshot = Snapshot()
  /// Writes down single requests; nil where nobody wants them.
  let log: RequestLog?

  package init(log: RequestLog? = nil) {
    self.log = log
    snapshot.figures = [Figures](repeating: Figures(), count: Int(ApiNames.highestKey) + 1)
  }

  /// Several requests of one API were served together, and their responses given to the socket's buffer.
  ///
  /// - Parameters:
  ///   - arrived: when their bytes had come.
  ///   - began: when they were begun.
  func served(
    _ count: Int, of api: Int16, requestBytes: Int, responseBytes: Int, arrived: NIODeadline, began: NIODeadline,
    ended: NIODeadline
  ) {
    guard let index = index(api) else { return }
    let totalNs = (ended - arrived).nanoseconds
    let many = Int64(count)
    snapshot.figures[index].requests += count
    snapshot.figures[index].requestBytes += requestBytes
    snapshot.figures[index].responseBytes += responseBytes
    snapshot.figures[index].totalNs &+= totalNs &* many
    snapshot.figures[index].queueNs &+= (began - arrived).nanoseconds &* many
    snapshot.figures[index].localNs &+= (ended - began).nanoseconds &* many
    snapshot.figures[index].buckets[Self.bucket(totalNs)] += count
  }

  /// A request has ended, and its response has been given to the socket.
  func ended(_ request: RequestTimes.Ended) {
    guard let index = index(request.head.apiKey) else { return }
    snapshot.figures[index].requests += 1
    snapshot.figures[index].requestBytes += request.requestBytes
    snapshot.figures[index].responseBytes += request.responseBytes
    snapshot.figures[index].totalNs &+= request.totalNs
    snapshot.figures[index].queueNs &+= request.queueNs
    snapshot.figures[index].localNs &+= request.localNs
    snapshot.figures[index].remoteNs &+= request.remoteNs
    snapshot.figures[index].sendNs &+= request.sendNs
    snapshot.figures[index].buckets[Self.bucket(request.totalNs)] += 1
  }

  func note(_ note: Note) {
    switch note {
    case .errors(let errors, let api):
      for one in errors { snapshot.failures[Failure(api: api, error: one.error), default: 0] += one.count }
    case .throttled(let ms, let api):
      guard let index = index(api) else { return }
      snapshot.figures[index].throttleMs &+= ms
    }
  }

  /// A connection had requests served for a while.
  func turnTaken(from start: NIODeadline, to end: NIODeadline) {
    snapshot.turns += 1
    snapshot.busyNs &+= (end - start).nanoseconds
  }

  /// A piece of a segment is read from the disk before it is sent.
  func readCold(bytes: Int) {
    snapshot.coldReads += 1
    snapshot.coldBytes += bytes
  }

  private func index(_ api: Int16) -> Int? {
    api >= 0 && Int(api) < snapshot.figures.count ? Int(api) : nil
  }

  private static func bucket(_ ns: Int64) -> Int {
    var index = 0
    while index < boundsNs.count, ns > boundsNs[index] { index += 1 }
    return index
  }
}

/// The names of Kafka's APIs by key, as Kafka writes them.
enum ApiNames {
  private static let all: [Int16: String] = Dictionary(
    uniqueKeysWithValues: Messages.requests.map { request in
      (request.api.key, String(String(describing: request).dropLast("Request".count)))
    })

  static let highestKey: Int16 = all.keys.max() ?? 0

  /// The number itself for a key that this broker does not know.
  static func name(_ key: Int16) -> String { all[key] ?? "\(key)" }
}
