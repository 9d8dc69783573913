import Compression
import Model
import NIOCore
import Wire

extension Producer {
  /// Holds a sealed batch that is not yet acknowledged. Used again afterwards, with its memory.
  final class Batch {
    private(set) var number = 0
    private(set) var lane = 0
    /// Rewritten where the producer's epoch is raised. Empty while a thread compresses them.
    var bytes = ByteBuffer()
    /// The memory of the records that a thread has compressed, for reuse.
    private var plain = ByteBuffer()
    /// A thread has the records: the batch cannot be sent yet.
    var isCompressing = false
    /// What the header is to say once the records are compressed, where the epoch was raised meanwhile.
    private var renumbered: (identity: ProducerIdentity, baseSequence: Int32)?
    private(set) var records = 0, payloadBytes = 0, plainBytes = 0
    var intendedNs: [UInt64] = []
    private(set) var sealedNs: UInt64 = 0
    var sentNs: UInt64 = 0
    var isInFlight = false
    var attempts = 0
    /// Where the last request went; nil before the first.
    var leader: LeaderConnection?
    fileprivate weak var producer: Producer?

    init(of producer: Producer) { self.producer = producer }

    /// Takes what is known of the records in `open`, whose bytes follow.
    func begin(number: Int, lane: Int, _ open: OpenBatch, sealedNs: UInt64) {
      self.number = number
      self.lane = lane
      records = open.builder.count
      plainBytes = open.builder.sizeInBytes
      payloadBytes = open.payloadBytes
      intendedNs = open.intendedNs
      self.sealedNs = sealedNs
      sentNs = 0
      isInFlight = false
      attempts = 0
      renumbered = nil
    }

    /// Gives away the memory of an earlier batch.
    func takeBytes() -> ByteBuffer {
      let taken = bytes
      bytes = ByteBuffer()
      return taken
    }

    func takePlain() -> ByteBuffer {
      let taken = plain
      plain = ByteBuffer()
      return taken
    }

    /// Takes what a thread made of the records.
    func compressed(_ result: Result<ByteBuffer, CompressionError>, of plain: ByteBuffer) {
      isCompressing = false
      self.plain = plain
      guard case .success(let bytes) = result else { return }
      self.bytes = bytes
      if let (identity, baseSequence) = renumbered { rewrite(as: identity, baseSequence: baseSequence) }
    }

    /// Gives the batch another producer's identity and another sequence.
    func rewrite(as identity: ProducerIdentity, baseSequence: Int32) {
      guard !isCompressing else {
        renumbered = (identity, baseSequence)
        return
      }
      var header = bytes.withUnsafeReadableBytes { RecordBatchHeader(reading: $0) }
      header.producerID = identity.id
      header.producerEpoch = identity.epoch
      header.baseSequence = baseSequence
      bytes = header.sealed(over: bytes)
    }
  }
}

extension Producer.Batch: ProducedBatch {
  func acknowledged(_ receipt: ProduceReceipt) {
    guard let producer, let leader else { return }
    producer.acknowledged(self, leader, receipt)
  }

  func answered(_ response: Result<ProduceResponse, ClientError>) {
    guard let producer, let leader else { return }
    producer.answered(self, leader, response)
  }

  func failed(_ error: ClientError) {
    guard let producer, let leader else { return }
    producer.failed(self, leader, error)
  }
}
