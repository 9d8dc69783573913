import Base
import Client
import Model
import NIOCore
import Wire

/// Acknowledges every produce request at once, inside the process: a run against it measures the generator's own cost and
/// maximum rate.
///
/// The sink reads just enough of a request to respond, and never touches the records. With a service time it serves one
/// request after another, each taking `serviceNs`: a test server whose true rate is known, for validating a harness.
final class NullSink: Transport {
  weak var connection: BrokerConnection?
  private let eventLoop: any EventLoop
  /// Bytes of the current request that have not arrived.
  private var missing = 0
  private var answers: [ByteBuffer] = []
  private var offsets: [Int32: Int64] = [:]
  private let serviceNs: UInt64
  /// The time at which all requests in service and waiting will be done.
  private var freeNs: UInt64 = 0

  /// - Parameter serviceNs: the time that each request takes; 0 for none.
  init(on eventLoop: any EventLoop, serviceNs: UInt64 = 0) {
    self.eventLoop = eventLoop
    self.serviceNs = serviceNs
  }

  func write(_ bytes: ByteBuffer) {
    guard missing == 0 else {
      missing -= bytes.readableBytes
      precondition(missing >= 0, "a part of a request went over its end")
      return
    }
    guard let length = bytes.getInteger(at: bytes.readerIndex, as: Int32.self) else {
      preconditionFailure("a request's first part has its length")
    }
    missing = Frame.prefixBytes + Int(length) - bytes.readableBytes
    if let answer = answer(to: bytes) { answers.append(answer) }
  }

  func flush(written: (() -> Void)?) {
    let ready = answers
    answers.removeAll(keepingCapacity: true)
    guard serviceNs == 0 else {
      eventLoop.assumeIsolated().execute { written?() }
      return serve(ready)
    }
    eventLoop.assumeIsolated().execute { [weak self] in
      written?()
      for answer in ready { self?.connection?.received(answer) }
    }
  }

  /// Schedules the responses at absolute times, so that a late wake-up for one does not delay the next.
  private func serve(_ answers: [ByteBuffer]) {
    for answer in answers {
      freeNs = max(freeNs, Clocks.monotonicNs()) + serviceNs
      eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(freeNs)) { [weak self] in
        self?.connection?.received(answer)
      }
    }
  }

  func close() { connection = nil }

  /// Returns the response to a request; nil for acks=0.
  private func answer(to bytes: ByteBuffer) -> ByteBuffer? {
    var bytes = bytes
    bytes.moveReaderIndex(forwardBy: Frame.prefixBytes)
    guard let header = try? RequestHeader(reading: &bytes), header.apiKey == ProduceRequest.api.key,
      header.apiVersion == ProduceRequest.api.versions.upperBound, let head = ProduceHead(reading: &bytes)
    else { preconditionFailure("the null sink got a request that is not our Produce") }
    guard head.acks != 0 else { return nil }
    let base = offsets[head.partition, default: 0]
    offsets[head.partition] = base + 1
    var response = ProduceResponse()
    response.responses = [
      .with {
        $0.name = head.topic
        $0.partitionResponses = [
          .with {
            $0.index = head.partition
            $0.baseOffset = Offset(base)
          }
        ]
      }
    ]
    return Frame.response(response, version: header.apiVersion, correlationID: header.correlationID).joined
  }

  /// Reads the start of a flexible ProduceRequest with one topic and one partition, up to its records:
  /// `transactionalId compact string │ acks 2 │ timeoutMs 4 │ topics varint │ name compact string │ partitions varint │ index 4`
  private struct ProduceHead {
    var acks: Int16
    var topic: String
    var partition: Int32

    init?(reading bytes: inout ByteBuffer) {
      guard bytes.readInteger(as: UInt8.self) == 0,  // no transaction
        let acks = bytes.readInteger(as: Int16.self), bytes.readInteger(as: Int32.self) != nil,
        bytes.readInteger(as: UInt8.self) == 2, let topic = Self.compactString(&bytes),
        bytes.readInteger(as: UInt8.self) == 2, let partition = bytes.readInteger(as: Int32.self)
      else { return nil }
      (self.acks, self.topic, self.partition) = (acks, topic, partition)
    }

    /// Reads a compact string: length + 1 as a varint of at most two bytes (names have at most 249 characters).
    private static func compactString(_ bytes: inout ByteBuffer) -> String? {
      guard let first = bytes.readInteger(as: UInt8.self) else { return nil }
      var length = Int(first)
      if first >= 0x80 {
        guard let second = bytes.readInteger(as: UInt8.self), second < 0x80 else { return nil }
        length = Int(first & 0x7F) | Int(second) << 7
      }
      return bytes.readString(length: length - 1)
    }
  }
}
