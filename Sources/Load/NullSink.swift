import Base
import Client
import Model
import NIOCore
import Wire

/// Acknowledges every produce request at once, inside the process: a run against it measures the generator's own cost and
/// maximum rate.
///
/// The sink reads just enough of a request to respond, and never touches the records. The requests of one flush are answered
/// together, as a broker answers those of one read. With a service time it serves one
/// request after another, each taking `serviceNs`: a test server whose true rate is known, for validating a harness.
final class NullSink: Transport {
  weak var connection: BrokerConnection?
  private let eventLoop: any EventLoop
  /// Bytes of the current request that have not arrived.
  private var missing = 0
  /// The responses that the next flush sends, and the size of each.
  private var answers = ByteBuffer()
  private var sizes: [Int] = []
  /// The next offset of each partition.
  private var offsets: [Int64] = []
  /// The request that is being answered, in the form that `ProduceAnswer` wants.
  private var view = ProduceView()
  private var places: [ProduceView.Place] = []
  private let serviceNs: UInt64
  /// The time at which all requests in service and waiting will be done.
  private var freeNs: UInt64 = 0

  /// - Parameter serviceNs: the time that each request takes; 0 for none.
  init(on eventLoop: any EventLoop, serviceNs: UInt64 = 0) {
    self.eventLoop = eventLoop
    self.serviceNs = serviceNs
  }

  /// Takes requests, or parts of them: a part ends anywhere, but not before its request's records.
  func write(_ bytes: ByteBuffer) {
    bytes.withUnsafeReadableBytes { bytes in
      var position = min(missing, bytes.count)
      missing -= position
      while position < bytes.count {
        let request = UnsafeRawBufferPointer(rebasing: bytes[position...])
        guard request.count >= Frame.prefixBytes else { preconditionFailure("a request's first part has its length") }
        let size = Frame.prefixBytes + Int(Int32(bigEndian: request.loadUnaligned(as: Int32.self)))
        answer(UnsafeRawBufferPointer(rebasing: request[Frame.prefixBytes..<min(size, request.count)]))
        position += min(size, request.count)
        missing = size - min(size, request.count)
      }
    }
  }

  func flush(written: (() -> Void)?) {
    let ready = answers
    answers = ByteBufferAllocator().buffer(capacity: ready.capacity)
    guard serviceNs == 0 else {
      eventLoop.assumeIsolated().execute { written?() }
      return serve(ready)
    }
    sizes.removeAll(keepingCapacity: true)
    eventLoop.assumeIsolated().execute { [weak self] in
      written?()
      if ready.readableBytes > 0 { self?.connection?.received(ready) }
    }
  }

  /// Schedules the responses at absolute times, so that a late wake-up for one does not delay the next.
  private func serve(_ answers: ByteBuffer) {
    var rest = answers
    for size in sizes {
      guard let answer = rest.readSlice(length: size) else { preconditionFailure("a response is missing") }
      freeNs = max(freeNs, Clocks.monotonicNs()) + serviceNs
      eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(freeNs)) { [weak self] in
        self?.connection?.received(answer)
      }
    }
    sizes.removeAll(keepingCapacity: true)
  }

  func close() { connection = nil }

  /// Queues the response to a request; none for acks=0.
  private func answer(_ request: UnsafeRawBufferPointer) {
    guard let head = ProduceHead(reading: request), head.version == ProduceRequest.api.versions.upperBound,
      head.place.partition >= 0, head.place.partition < Limits.partitionsMax
    else { preconditionFailure("the null sink got a request that is not our Produce") }
    guard head.acks != 0 else { return }
    let partition = Int(head.place.partition)
    if partition >= offsets.count { offsets += Array(repeating: 0, count: partition + 1 - offsets.count) }
    let base = offsets[partition]
    offsets[partition] += 1
    (view.version, view.correlationID) = (head.version, head.correlationID)
    places.removeAll(keepingCapacity: true)
    places.append(head.place)
    let before = answers.readableBytes
    ProduceAnswer.write(view, request, places[...], to: &answers) { _ in
      ProduceAnswer.Batch(baseOffset: Offset(base), logAppendTimeMs: -1, logStartOffset: .unknown)
    }
    sizes.append(answers.readableBytes - before)
  }
}
